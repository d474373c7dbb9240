"""QA reads a session's small pictures: the same results, and not where anything is amiss."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import cv2
import numpy as np
import pytest

from orapp.engines import Engine, EngineSpec, open_engine
from orapp.frames import Frame, Gray, read_only
from orapp.picture import Picture
from orapp.qa.case import run_case
from orapp.qa.cases import Case, digests_of
from orapp.qa.results import read_summary
from orapp.qa.shrunk import NotShrunk, ShrunkSession
from orapp.scene import same_exposure
from orapp.session import SessionReader
from orapp.session_lines import SMALL
from orapp.session_writer import SessionWriter, session_head
from orapp.shrink import shrink
from orapp.site import SiteMap
from orapp.sources import EndOfSource
from orapp.sources.simulated import SimulatedRun, parse_options
from tests.sessions import SOURCE, STEP_NS
from tools.calibration_dice import profile_picture, truth_of

COUNT = 20
CALIBRATED = 46
"""A device with a round field, distortion and text."""


def record(folder: Path, raw: list[Gray], picture: Picture | None = None):
    """A session of raw pictures, seen through a profile's `[picture]`."""
    site = None if picture is None else SiteMap(picture)
    height, width = raw[0].shape
    head = session_head({**SOURCE, "width": width, "height": height}, picture=picture)
    writer = SessionWriter(folder, head)
    for index, pixels in enumerate(raw):
        seen = pixels if site is None else site.apply(pixels)
        stamp = (index + 1) * STEP_NS
        writer.frame(Frame(index, seen, stamp, index, raw=None if site is None else pixels))
    writer.close("done")
    return folder


def pictures(size: tuple[int, int] = (512, 512)) -> list[Gray]:
    """A run in which exposures are shown twice, some of them with a clock that goes on.

    The clock lies beside the image area, half way up where the picture is wide.
    """
    run = SimulatedRun(parse_options("simulated:?seed=4&size=512"))
    shown = []
    for index in range(COUNT):
        pixels = cv2.resize(run.picture(index // 2), size[::-1], interpolation=cv2.INTER_AREA)
        top = 2 if size[0] >= size[1] else size[0] // 2
        side = max(min(size) // 50, 2)
        pixels[top : top + side, 2 : 2 + side] = 40 * (index // 3)
        shown.append(read_only(pixels))
    return shown


SIZES = {
    "square": (512, 512),
    "wide": (270, 480),
    "high": (480, 300),
    "small": (100, 100),
    "narrow": (100, 400),
}


def through_a_device() -> tuple[list[Gray], Picture]:
    run = SimulatedRun(parse_options(f"simulated:?seed=3&setup={CALIBRATED}"))
    device = run.device
    raw = [device.spoil(run.picture(n // 2), n / 15, False, n // 2) for n in range(8)]
    return [read_only(r) for r in raw], profile_picture(truth_of(device), device)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine(EngineSpec("pfnet-lite", "openvino", threads=1)) as opened:
        yield opened


@pytest.fixture(scope="module", params=[*SIZES, "calibrated"])
def session(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "session"
    if request.param == "calibrated":
        return record(folder, *through_a_device())
    return record(folder, pictures(SIZES[request.param]))


def results(engine: Engine, session: Path, out: Path):
    """Outlines, and all of the summary that does not tell of time or of files."""
    outcome = run_case(engine, Case(1, "a", f"session:{session}"), out, resume=False)
    assert outcome.error == ""
    summary = read_summary(out / "run-0001").model_dump()
    for name in ("content", "inference_ms", "whole_ms"):
        del summary[name]
    return (out / "run-0001" / "outlines.jsonl").read_bytes(), summary


def is_read(session: Path) -> None:
    """Reads all small pictures as QA does; raises NotShrunk where it would not."""
    small = opened(session)
    for _ in SessionReader(session).rows:
        small.read(0)
    with pytest.raises(EndOfSource):
        small.read(0)


def opened(session: Path, size: tuple[int, int] = SMALL) -> ShrunkSession:
    digests = Future()
    digests.set_result(digests_of(Case(1, "a", f"session:{session}")))
    small = ShrunkSession(session, size, digests)
    small.open()
    return small


def test_results_are_the_same_to_a_byte_without_the_small_pictures(engine, session, tmp_path):
    is_read(session)
    bare = shutil.copytree(session, tmp_path / "bare")
    (bare / "small-0000.mkv").unlink()
    with pytest.raises(NotShrunk):
        is_read(bare)
    one, two = results(engine, session, tmp_path / "1"), results(engine, bare, tmp_path / "2")
    assert one == two
    assert one[1]["states"]["repeats"] > 0


def test_they_are_what_the_engine_gets_of_each_frame(session):
    small = opened(session)
    for frame in SessionReader(session).frames():
        np.testing.assert_array_equal(small.read(0).pixels, shrink(frame.pixels, SMALL))
    assert small.frame_size == frame.pixels.shape


def test_exposures_are_told_apart_as_by_the_large_pictures(session):
    large = list(SessionReader(session).frames())
    small = opened(session)
    seen = [Frame(n, shrink(f.pixels, SMALL), 0, n) for n, f in enumerate(large)]
    pairs = [(0, 1)]
    for b in range(2, len(large)):  # as QA asks: the exposure's first frame, and the next
        a, before = pairs[-1]
        pairs.append((a if same_exposure(large[a].pixels, large[before].pixels) else before, b))
    right = [same_exposure(large[a].pixels, large[b].pixels) for a, b in pairs]
    assert [small.same_exposure(seen[a], seen[b]) for a, b in pairs] == right
    assert set(right) == {True, False}  # the run shows both


def turned(path: Path) -> None:
    """Changes a byte in the last picture of a film."""
    data = bytearray(path.read_bytes())
    data[-300] ^= 255
    path.write_bytes(data)


@pytest.fixture
def whole(tmp_path) -> Path:
    return record(tmp_path / "session", pictures())


DAMAGE = {
    "a changed small picture": lambda folder: turned(folder / "small-0000.mkv"),
    "a cut small film": lambda folder: (folder / "small-0000.mkv").write_bytes(
        (folder / "small-0000.mkv").read_bytes()[:-2000]
    ),
    "an empty small film": lambda folder: (folder / "small-0000.mkv").write_bytes(b""),
    "a small film that is a folder": lambda folder: (
        (folder / "small-0000.mkv").unlink(),
        (folder / "small-0000.mkv").mkdir(),
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_small_pictures_that_are_damaged_change_nothing(engine, whole, tmp_path, name):
    right = results(engine, whole, tmp_path / "1")
    DAMAGE[name](whole)
    with pytest.raises(NotShrunk):
        is_read(whole)
    assert results(engine, whole, tmp_path / "2") == right


def test_a_large_picture_that_is_damaged_is_told_all_the_same(engine, whole, tmp_path):
    turned(whole / "frames-0000.mkv")
    outcome = run_case(engine, Case(1, "a", f"session:{whole}"), tmp_path, resume=False)
    assert "damaged: not all of its frames could be read" in outcome.error
    assert not (tmp_path / "run-0001").exists()


def test_small_pictures_of_another_run_are_not_believed(whole, tmp_path):
    other = record(tmp_path / "other", [pixels[::-1].copy() for pixels in pictures()])
    shutil.copy(other / "small-0000.mkv", whole / "small-0000.mkv")
    with pytest.raises(NotShrunk, match="shrinks otherwise"):
        is_read(whole)


def test_a_release_that_shrinks_otherwise_reads_the_large_ones(
    engine, whole, tmp_path, monkeypatch
):
    right = results(engine, whole, tmp_path / "1")
    monkeypatch.setattr("orapp.qa.shrunk.shrink", lambda pixels, size: pixels[::2, ::2])
    with pytest.raises(NotShrunk, match="shrinks otherwise"):
        is_read(whole)
    assert results(engine, whole, tmp_path / "2") == right


def test_a_file_of_the_session_that_cannot_be_read_is_no_reason_to_believe_the_rest(whole):
    digests = Future()
    digests.set_exception(PermissionError(13, "Permission denied"))
    small = ShrunkSession(whole, SMALL, digests)
    small.open()
    for _ in range(COUNT):
        small.read(0)
    with pytest.raises(PermissionError):
        small.read(0)
    small.close()


def test_a_session_that_was_not_closed_is_read_from_the_large_ones(engine, whole, tmp_path):
    lines = whole / "events.jsonl"
    lines.write_text("".join(lines.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(NotShrunk, match="not closed"):
        is_read(whole)
    assert results(engine, whole, tmp_path / "out")[1]["frames"] == COUNT


def test_an_engine_of_another_size_and_frames_of_two_sizes_need_the_large_ones(whole, tmp_path):
    with pytest.raises(NotShrunk, match="takes in 416x416"):
        opened(whole, (416, 416))
    two = record(tmp_path / "two", [*pictures(), *(p[:400] for p in pictures())])
    with pytest.raises(NotShrunk, match="one size"):
        is_read(two)
