"""What stands in a results folder: validated when it is read, whole or not at all on disk."""

import hashlib
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

import orapp
from orapp.engines import EngineIdentity
from orapp.errors import OrappError
from orapp.files import replace_file
from orapp.frames import Gray, Polygon
from orapp.outline import mask_of
from orapp.qa.cases import RESULTS

SUMMARY = "summary.json"
OUTLINES = "outlines.jsonl"
WAY = 3
"""Of a picture to the engine; another number where masks may differ for the same engine."""
INCOMPLETE = "incomplete"
"""The state of a session that was cut off, or whose source or disk broke."""
LARGEST = 64 * 1024**2
Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=4096)]
Figure = Annotated[float, Field(allow_inf_nan=False)]
Place = Annotated[float, Field(ge=-9999, le=9999)]
Points = Annotated[list[tuple[Place, Place]], Field(min_length=3)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineRecord(_Record):
    """What computed: all on which masks may depend, and the version of orapp.

    `way` is the number of the way from a picture to the engine: 2 covers burned-in text, 3 makes
    black what lies around a round field of the other polarity.
    """

    name: str
    backend: str
    precision: str
    model_sha256: str
    input_size: tuple[Side, Side]
    threshold: Figure
    min_area: Figure
    least_broken: Figure
    least_spine: Figure
    orapp: str
    way: int = 1

    @classmethod
    def of(cls, identity: EngineIdentity) -> "EngineRecord":
        """The record of an open engine, without why `auto` took it and what it learned from."""
        fields = asdict(identity)
        del fields["why"], fields["trained_on"]
        return cls(**fields, orapp=orapp.__version__, way=WAY)


class Machine(_Record):
    """What matters for speed and for the last digits; see `describe_machine`."""

    cpu: str
    cores: int | None
    memory_gib: float | None
    system: str
    python: str
    libraries: dict[str, str]


class Flicker(_Record):
    """How restless the outlines of a run are; the run's own motion is in it, noise too.

    Attributes:
        appearing: share of successive frames between which an outline appears or disappears.
        change: mean of 1 - IoU of successive masks, over those pairs in which both have one.
        worst_frame: the frame whose mask differs most from the one before.
    """

    appearing: Share
    change: Share
    worst_frame: Count


class Spread(_Record):
    """A distribution of durations in ms."""

    p50: Figure
    p95: Figure
    p99: Figure
    max: Figure


class Summary(_Record):
    """One case.

    Attributes:
        content: SHA-256 of the files.
        frames, outlined: frames, and those with an outline.
        detection_rate: their ratio.
        masks_sha256: of the SHA-256 of all masks in their order; see `mask_digest`.
        probability_sha256: of all probability maps, byte for byte, at the network's size.
        outlines_sha256: of the file with the outlines.
        inference_ms, whole_ms: the engine alone; and with resize and tracing (of a session whose
            small pictures were read, the resize was done when it was recorded).
        states: exposures, repeats, frames whose view is not supported; of a session, what was
            recorded, and `incomplete` where it was cut off or its source broke.
        source: what the pictures came from, in the source's words.
        rate_hz: nominal rate of the source; 0 if unknown.
    """

    format: Literal[1] = 1
    content: Sha
    frames: Annotated[int, Field(ge=1)]
    outlined: Count
    detection_rate: Share
    flicker: Flicker
    masks_sha256: Sha
    probability_sha256: Sha
    outlines_sha256: Sha
    inference_ms: Spread
    whole_ms: Spread
    states: dict[str, Count]
    source: str
    rate_hz: Figure
    engine: EngineRecord
    machine: Machine


class FrameResult(_Record):
    """One line of outlines.jsonl: nothing in it depends on when or how fast it was computed."""

    frame: Count
    size: tuple[Side, Side]
    score: Share
    view_supported: bool
    mask: Sha
    outlines: tuple[Points, ...]

    def polygons(self) -> list[Polygon]:
        """The outlines in frame pixels, (N, 2) float32 each."""
        return [np.array(points, np.float32) for points in self.outlines]

    def drawn(self) -> Gray:
        """The mask, (H, W) uint8 0 or 255."""
        return mask_of(self.polygons(), self.size)


class CaseRecord(_Record):
    """What became of a case: `done`, or `error` and why.

    Of a session that was computed now, `pictures` is `small`, or why the large ones were read.
    """

    number: Annotated[int, Field(ge=1)]
    content: str = ""
    state: Literal["done", "error"]
    error: str = ""
    pictures: str = ""

    @property
    def label(self) -> str:
        """Name of its folder."""
        return f"run-{self.number:04d}"


class Speed(_Record):
    """How fast the run went; None where nothing was computed.

    Attributes:
        frames, seconds: what was computed now, and how long all of it took.
        frames_per_s: their ratio.
        times_real_time: to a run of 15 frames/s.
        engine_alone_per_s: inferences/s of the engines alone, all workers together, on frames of
            the first case, in the same command after it.
        ratio: of the two.
    """

    frames: Count = 0
    seconds: Figure = 0.0
    frames_per_s: Figure | None = None
    times_real_time: Figure | None = None
    engine_alone_per_s: Figure | None = None
    ratio: Figure | None = None


class RunRecord(_Record):
    """qa.json: written when all cases are through."""

    format: Literal[1] = 1
    engine: EngineRecord
    machines: list[Machine]
    workers: Annotated[int, Field(ge=1)]
    cases: list[CaseRecord]
    speed: Speed


M = TypeVar("M", bound=BaseModel)
_LINE = TypeAdapter(FrameResult)


def write_record(path: Path, record: BaseModel) -> None:
    """Writes a record as JSON, whole or not at all."""
    text = record.model_dump_json(indent=1) + "\n"
    replace_file(path, lambda part: _write(part, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def read_record(path: Path, kind: type[M]) -> M:
    """Reads a record.

    Raises:
        OrappError: it isn't there, or is not what orapp wrote.
    """
    place = f"{path.parent.name}/{path.name}"
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise ValueError
        return kind.model_validate_json(raw)
    except (OSError, ValueError):
        what = f"'{place}' is missing or damaged"
        raise OrappError(what, "run 'orapp qa run' into this folder again") from None


def read_run(results: Path) -> RunRecord:
    """The record of a results folder; raises OrappError if it is none, or not finished."""
    if not (results / RESULTS).is_file():
        raise OrappError(
            f"'{results.name}' holds no finished results of QA",
            "give the folder that 'orapp qa run' wrote, or run it to its end",
        )
    return read_record(results / RESULTS, RunRecord)


def read_summary(folder: Path) -> Summary:
    """The summary of a case, if its outlines are those that it was written for.

    Raises:
        OrappError: one of the two is missing or damaged.
    """
    summary = read_record(folder / SUMMARY, Summary)
    try:
        with (folder / OUTLINES).open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == summary.outlines_sha256
    except OSError:
        whole = False
    if not whole:
        what = f"'{folder.name}/{OUTLINES}' is missing or damaged"
        raise OrappError(what, "run 'orapp qa run' into this folder again")
    return summary


def read_frames(folder: Path) -> Generator[FrameResult, None, None]:
    """The frames of a case, one at a time; raises OrappError at a line that is none."""
    with (folder / OUTLINES).open("rb") as file:
        for line in file:
            try:
                yield _LINE.validate_json(line)
            except ValidationError:
                what = f"'{folder.name}/{OUTLINES}' is damaged"
                raise OrappError(what, "run 'orapp qa run' into this folder again") from None


def mask_digest(mask: Gray) -> str:
    """SHA-256 of a mask: its size, and one bit for each pixel."""
    height, width = mask.shape
    return hashlib.sha256(b"%dx%d:" % (height, width) + np.packbits(mask).tobytes()).hexdigest()
