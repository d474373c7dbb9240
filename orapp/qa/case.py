"""One case through an engine: the same function for one process and for a cluster."""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import cv2

from orapp.engines import Engine
from orapp.errors import OrappError
from orapp.files import check_writable, replace_file
from orapp.frames import Frame, Gray, Segmentation
from orapp.latency import Distribution
from orapp.machine import describe_machine
from orapp.outline import mask_of
from orapp.picture import Picture
from orapp.qa.ahead import AheadSource
from orapp.qa.cases import Case, content_of, digests_of
from orapp.qa.results import (
    INCOMPLETE,
    OUTLINES,
    SUMMARY,
    EngineRecord,
    Flicker,
    FrameResult,
    Machine,
    Spread,
    Summary,
    mask_digest,
    read_summary,
    write_record,
)
from orapp.qa.shrunk import NotShrunk, ShrunkSession
from orapp.recorded import text_of
from orapp.scene import same_exposure
from orapp.segment import Segmenter
from orapp.session import SessionReader
from orapp.shrink import shrink
from orapp.sources import Picture as SourcePicture
from orapp.sources import Source, SourceFormat, open_source
from orapp.walk import frames_of, walk

log = logging.getLogger("orapp")
DECIMALS = 2
"""Of outlines on disk; a hundredth of a pixel."""
Digests = Future[dict[str, str]]
KIND = re.compile(r"[a-z_]{1,24}")
ALONE_FRAMES, ALONE_TIMES, ALONE_S = 64, 256, 1.5
"""The engine alone is measured on so many frames, so many times, and no longer than that."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case; `frames` and `seconds` are 0 where it was kept from before.

    `pictures` as `CaseRecord` has it.
    """

    case: Case
    content: str = ""
    error: str = ""
    frames: int = 0
    seconds: float = 0.0
    pictures: str = ""


def run_case(engine: Engine, case: Case, out: Path, resume: bool) -> Outcome:
    """Segments every frame of a case and writes its results; never raises for a broken case.

    Args:
        engine: open and verified.
        case: what to read.
        out: the results folder.
        resume: keep what is there for the same pictures, engine and version of orapp.
    """
    begin = time.monotonic()
    with ThreadPoolExecutor(1, "orapp-content") as beside:
        digests = beside.submit(digests_of, case)  # while the frames are segmented
        frames, error, pictures = _attempt(engine, case, out / case.label, digests, resume)
    known = "" if digests.exception() else content_of(digests.result())
    seconds = time.monotonic() - begin if frames else 0.0
    return Outcome(case, known, error, frames, seconds, pictures)


def _attempt(
    engine: Engine, case: Case, folder: Path, digests: Digests, resume: bool
) -> tuple[int, str, str]:
    """How many frames were segmented now, what went wrong, in one sentence, and `pictures`."""
    try:
        if resume and (folder / SUMMARY).exists() and _is_done(engine, folder, digests):
            return 0, "", ""
        tally, form = _segment(engine, case, folder, digests)
        _summarise(engine, case, content_of(digests.result()), tally, form, folder)
        return tally.frames, "", tally.pictures
    except OrappError as error:
        with suppress(OSError):
            folder.rmdir()  # if nothing is in it
        return 0, case.nameless(str(error)), ""
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        return 0, f"{case.label} can't be read or written ({why})", ""
    except Exception as error:
        log.exception("%s", case.label)
        return 0, f"{case.label} met a fault of orapp ({type(error).__name__})", ""


def _is_done(engine: Engine, folder: Path, digests: Digests) -> bool:
    with suppress(OrappError):
        summary = read_summary(folder)
        content = content_of(digests.result())
        return summary.content == content and summary.engine == EngineRecord.of(engine.identity)
    return False


def _segment(
    engine: Engine, case: Case, folder: Path, digests: Digests
) -> tuple["_Tally", SourceFormat]:
    """Walks the case and writes its outlines; an older summary goes first."""
    check_writable(folder / OUTLINES)
    (folder / SUMMARY).unlink(missing_ok=True)
    text, pictures = text_of(case.uri), ""
    if case.uri.startswith("session:"):
        try:
            small = ShrunkSession(case.path, engine.identity.input_size, digests)
            segmenter = Segmenter(engine, text, small.frame_size)
            return _walk(small, segmenter, _Tally(small.same_exposure, "small"), case, folder)
        except NotShrunk as why:
            pictures = f"large: {why.why}"
    whole = open_source(case.uri, as_fast_as_possible=True)
    return _walk(whole, Segmenter(engine, text), _Tally(_same_exposure, pictures), case, folder)


def _walk(
    source: Source, segmenter: Segmenter, tally: "_Tally", case: Case, folder: Path
) -> tuple["_Tally", SourceFormat]:
    noting = _Noting(source)

    def write(part: Path) -> None:
        with part.open("wb") as file, closing(walk(noting, segmenter)) as frames:
            for frame, seen in frames:
                tally.add(frame, seen, file)

    replace_file(folder / OUTLINES, write)
    if tally.frames == 0:
        raise OrappError(f"{case.label} holds no frame", "record it again")
    return tally, noting.form


def _same_exposure(one: Frame, other: Frame) -> bool:
    return same_exposure(one.pixels, other.pixels)


def _summarise(
    engine: Engine, case: Case, content: str, tally: "_Tally", form: SourceFormat, folder: Path
) -> None:
    """Writes the summary, last of all: one that is there is of a whole case."""
    summary = Summary(
        content=content,
        **tally.figures(),
        states=tally.states | _recorded(case),
        source=form.description,
        rate_hz=form.rate_hz,
        engine=EngineRecord.of(engine.identity),
        machine=machine_here(),
    )
    write_record(folder / SUMMARY, summary)


class _Noting(AheadSource):
    """A source that keeps in mind what it turned out to be."""

    form = SourceFormat(0, 0, 0.0, "", True)

    def open(self) -> SourceFormat:
        with _reading():
            self.form = super().open()
        return self.form

    def read(self, timeout_ms: int) -> SourcePicture | None:
        with _reading():
            return super().read(timeout_ms)


@contextmanager
def _reading() -> Iterator[None]:
    """What the system says against reading is not taken for what it says against writing."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise OrappError(
            f"it can't be read ({why})", "check its permissions and its disk"
        ) from None


@cache
def machine_here() -> Machine:
    """The machine of this process."""
    return Machine.model_validate(describe_machine())


class _Tally:
    """Adds up the frames of a case, and writes a line for each.

    Args:
        same: whether two frames show the same exposure.
        pictures: as `CaseRecord` has it.
    """

    def __init__(self, same: Callable[[Frame, Frame], bool], pictures: str) -> None:
        self._same, self.pictures = same, pictures
        self.frames = self.outlined = 0
        self.states = {"exposures": 0, "repeats": 0, "view_not_supported": 0}
        self._masks, self._maps, self._lines = (hashlib.sha256() for _ in range(3))
        self._inference, self._whole = Distribution(), Distribution()
        self._exposure: Frame | None = None
        self._mask: tuple[bool, Gray] | None = None
        self._appearing = self._both = 0
        self._change, self._worst = 0.0, (-1.0, 0)

    def add(self, frame: Frame, seen: Segmentation, file: BinaryIO) -> None:
        """Takes the next frame."""
        mask = mask_of([o.points for o in seen.outlines], seen.frame_size)
        digest = mask_digest(mask)
        line = _line(seen, digest)
        file.write(line)
        self._lines.update(line)
        self._masks.update(digest.encode())
        self._maps.update(seen.probability.tobytes())
        self._inference.add(seen.inferred_ns / 1e6)
        self._whole.add((seen.finished_ns - seen.started_ns) / 1e6)
        self._note_states(frame, seen)
        self._note_flicker(bool(seen.outlines), mask)
        self.outlined += bool(seen.outlines)
        self.frames += 1

    def _note_states(self, frame: Frame, seen: Segmentation) -> None:
        repeat = self._exposure is not None and self._same(self._exposure, frame)
        if not repeat:
            self._exposure = frame
        self.states["repeats" if repeat else "exposures"] += 1
        self.states["view_not_supported"] += not seen.view_supported

    def _note_flicker(self, outlined: bool, mask: Gray) -> None:
        before, self._mask = self._mask, (outlined, mask)
        if before is None:
            return
        change = 0.0
        if before[0] != outlined:
            self._appearing += 1
            change = 1.0
        elif outlined and before[1].shape == mask.shape:
            change = 1 - _iou(before[1], mask)
            self._both += 1
            self._change += change
        self._worst = max(self._worst, (change, self.frames), key=lambda w: w[0])

    def figures(self) -> dict[str, Any]:
        """What a summary says of all frames."""
        return {
            "frames": self.frames,
            "outlined": self.outlined,
            "detection_rate": self.outlined / self.frames,
            "flicker": Flicker(
                appearing=self._appearing / max(self.frames - 1, 1),
                change=self._change / max(self._both, 1),
                worst_frame=self._worst[1],
            ),
            "masks_sha256": self._masks.hexdigest(),
            "probability_sha256": self._maps.hexdigest(),
            "outlines_sha256": self._lines.hexdigest(),
            "inference_ms": Spread.model_validate(self._inference.report()),
            "whole_ms": Spread.model_validate(self._whole.report()),
        }


def _line(seen: Segmentation, digest: str) -> bytes:
    result = FrameResult(
        frame=seen.frame_index,
        size=seen.frame_size,
        score=round(seen.score, 4),
        view_supported=seen.view_supported,
        mask=digest,
        outlines=tuple(o.points.astype(float).round(DECIMALS).tolist() for o in seen.outlines),
    )
    return result.model_dump_json().encode() + b"\n"


def _iou(one: Gray, other: Gray) -> float:
    """Intersection over union of two masks of one size; two empty ones are the same."""
    both = cv2.countNonZero(cv2.bitwise_and(one, other))
    either = cv2.countNonZero(one) + cv2.countNonZero(other) - both
    return both / either if either else 1.0


def _recorded(case: Case) -> dict[str, int]:
    """Of a session, how often each kind of event was recorded; of anything else, nothing."""
    if not case.uri.startswith("session:"):
        return {}
    with SessionReader(case.path) as session:
        counts = session.kinds | session.event_kinds
        incomplete = not session.complete
    told = {f"recorded_{kind}": n for kind, n in counts.items() if KIND.fullmatch(kind)}
    return told | ({INCOMPLETE: 1} if incomplete else {})


def pictures_of(case: Case, first: int = 0) -> Generator[Gray, None, None]:
    """The pictures of a case from one on, in order, without an engine.

    Of a session, what lies before it is not decoded.
    """
    if case.uri.startswith("session:"):
        with SessionReader(case.path) as session:
            yield from (frame.pixels for frame in session.frames(first))
        return
    source = open_source(case.uri, as_fast_as_possible=True)
    with closing(frames_of(source)) as frames:
        for frame in islice(frames, first, None):
            yield frame.pixels


def calibration_of(case: Case) -> Picture | None:
    """What calibrates the pictures of a case: a session brings it, all else is as it was sent."""
    if not case.uri.startswith("session:"):
        return None
    with SessionReader(case.path) as reader:
        return None if reader.site is None else reader.site.picture


def measure_alone(engine: Engine, case: Case) -> float:
    """Inferences per second of the engine alone, on frames of a case; 0 if it can't be read."""
    try:
        with closing(pictures_of(case)) as pictures:
            size = engine.identity.input_size
            small = [shrink(pixels, size) for pixels in islice(pictures, ALONE_FRAMES)]
    except (OrappError, OSError):
        return 0.0
    done, begin = 0, time.monotonic()
    while small and done < ALONE_TIMES and time.monotonic() - begin < ALONE_S:
        engine.infer(small[done % len(small)])
        done += 1
    return done / (time.monotonic() - begin)
