"""Frames for int8: picked from recorded sessions, named by hashes, found again by the quantiser."""

import csv
from pathlib import Path

import numpy as np
import pytest

from orapp.calibrate.frames_for_int8 import pick_frames, session_hash
from orapp.errors import OrappError
from orapp.frames import Frame
from orapp.session_writer import SessionWriter, session_head
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.quantize import frames

SOURCE = {"kind": "simulated", "width": 256, "height": 256, "rate_hz": 2, "description": "test"}


def record(folder: Path, seed: int, count: int = 12, step: int = 15) -> Path:
    run = SimulatedRun(parse_options(f"simulated:?seed={seed}&size=256"))
    writer = SessionWriter(folder, session_head(SOURCE, case="case 7"))
    for number in range(count):
        pixels = run.picture(number * step)
        writer.frame(Frame(number, pixels, number * 500_000_000, number))
    writer.close("stopped by the user")
    return folder


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("sessions")
    return [record(root / f"anna-{seed}", seed) for seed in (3, 4)]


def listed(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_picks_are_of_all_sessions_and_differ(sessions, tmp_path):
    assert pick_frames(sessions, 6, tmp_path / "frames.csv") == 6
    rows = listed(tmp_path / "frames.csv")
    assert {row["source"] for row in rows} == {f"session:{session_hash(s)}" for s in sessions}
    assert len({row["sha256"] for row in rows}) == 6


def test_the_list_names_nothing_but_hashes_and_numbers(sessions, tmp_path):
    pick_frames(sessions, 4, tmp_path / "frames.csv")
    text = (tmp_path / "frames.csv").read_text()
    assert "anna" not in text
    assert "case" not in text
    assert text.splitlines()[0] == "source,exposure,inverted,sha256"


def test_the_same_sessions_give_the_same_list(sessions, tmp_path):
    for name in ("one.csv", "two.csv"):
        pick_frames(sessions, 5, tmp_path / name)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_repeats_are_picked_once(tmp_path):
    still = record(tmp_path / "still", 5, step=0)
    assert pick_frames([still], 6, tmp_path / "frames.csv") == 1


def test_the_quantiser_finds_them_again(sessions, tmp_path):
    pick_frames(sessions, 5, tmp_path / "frames.csv")
    found = list(frames(tmp_path / "frames.csv", (64, 64), [sessions[0].parent]))
    assert [picture.shape for picture in found] == [(64, 64)] * 5
    assert len({picture.tobytes() for picture in found}) == 5


def test_another_frame_than_the_listed_one_is_refused(sessions, tmp_path):
    pick_frames(sessions, 3, tmp_path / "frames.csv")
    text = (tmp_path / "frames.csv").read_text()
    (tmp_path / "frames.csv").write_text(
        text.replace(listed(tmp_path / "frames.csv")[0]["sha256"], "0" * 64)
    )
    with pytest.raises(OrappError, match="is not the frame that was chosen"):
        list(frames(tmp_path / "frames.csv", (64, 64), sessions))


def test_a_list_whose_session_is_elsewhere_says_so(sessions, tmp_path):
    pick_frames(sessions[:1], 2, tmp_path / "frames.csv")
    with pytest.raises(OrappError, match="is not there; name its folder with --sessions"):
        list(frames(tmp_path / "frames.csv", (64, 64), [sessions[1]]))


def test_what_can_not_be_picked_from_is_one_sentence(sessions, tmp_path):
    out = tmp_path / "frames.csv"
    with pytest.raises(OrappError, match="nothing to pick from"):
        pick_frames([], 5, out)
    with pytest.raises(OrappError, match="is no session"):
        pick_frames([tmp_path], 5, out)
    with pytest.raises(OrappError, match="can't be written"):
        pick_frames(sessions[:1], 2, tmp_path)
    dark = SessionWriter(tmp_path / "dark", session_head(SOURCE))
    dark.frame(Frame(0, np.zeros((256, 256), np.uint8), 0, 0))
    dark.close("stopped by the user")
    with pytest.raises(OrappError, match="no frame of these sessions shows a view"):
        pick_frames([tmp_path / "dark"], 2, out)
    assert not out.exists()
