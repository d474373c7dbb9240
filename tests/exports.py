"""Sessions to export, and what judges the DICOM files that come out."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orapp.dicom import Exported, export
from orapp.frames import Event, Frame, Gray, Outline, Segmentation, read_only
from orapp.picture import Picture
from orapp.session import SessionReader
from orapp.session_writer import SessionWriter, session_head
from orapp.settings import SiteProfile

SIZE = (121, 163)  # odd: bits of a mask don't fill bytes
NOT_JUDGED = "DICOMDIR"
"""dciodvfy warns that a file without a study's id could not go onto a CD: that is no fault."""


def pictures(count: int, size: tuple[int, int] = SIZE, seed: int = 0) -> list[Gray]:
    rng = np.random.default_rng(seed)
    return [read_only(rng.integers(0, 256, size, dtype=np.uint8)) for _ in range(count)]


def outline(shift: float = 0.0) -> Outline:
    points = np.array(
        [[50.13, 40.37], [90.52, 44.21], [88.46, 80.27], [54.31, 76.58]], np.float32
    ) + np.float32(shift)
    return Outline(points, 1400.25, 0.875)


def write_session(
    folder: Path,
    frames: Sequence[Gray],
    *,
    outlined: Sequence[int] = (),
    events: dict[int, list[tuple[str, str]]] | None = None,
    case: str = "case-7",
    source: dict[str, Any] | None = None,
    step_ns: int = 66_666_667,
    engine: str = "pfnet-lite",
    picture: Picture | None = None,
) -> Path:
    """A session; `events` by the number of the frame before which each comes."""
    about = {"kind": "v4l2", "width": 163, "height": 121, "rate_hz": 15.0, **(source or {})}
    head = session_head(about, case=case, picture=picture)
    writer = SessionWriter(folder, head)
    for index, pixels in enumerate(frames):
        at = head["started_ns"] + index * step_ns
        for kind, text in (events or {}).get(index, []):
            writer.event(Event(at, kind, text))
        writer.frame(Frame(index, pixels, at, index))
        if index in outlined:
            writer.segmentation(segmentation(index, pixels, at, engine))
    writer.close("the test is through")
    return folder


def segmentation(index: int, pixels: Gray, at: int, engine: str = "pfnet-lite") -> Segmentation:
    return Segmentation(
        frame_index=index,
        exposure=index,
        frame_size=(pixels.shape[0], pixels.shape[1]),
        probability=read_only(np.zeros((1, 1), np.uint8)),
        outlines=(outline(index),),
        score=0.75,
        view_supported=True,
        captured_ns=at,
        started_ns=at,
        finished_ns=at + 1,
        inferred_ns=1,
        engine=engine,
    )


def faults(path: Path) -> list[str]:
    """What dciodvfy holds against a file, less warnings about CDs and private coding schemes."""
    judge = Path(sys.executable).with_name("dciodvfy")
    done = subprocess.run(
        [judge, "-new", str(path)], capture_output=True, text=True, timeout=100, check=False
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert said, "dciodvfy names the kind of the object at least"
    return [
        line
        for line in said
        if line.startswith(("Error", "Warning"))
        and NOT_JUDGED not in line
        and "<99ORAPP>" not in line
    ]


def to_dicom(session: Path, out: Path, **more) -> Exported:
    options = {"deidentify": False, "profile": SiteProfile(), **more}
    with SessionReader(session) as reader:
        return export(reader, out, **options)
