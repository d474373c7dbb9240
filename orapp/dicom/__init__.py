"""A session as DICOM: the run, its outlines and its measures, whole, and de-identified if asked."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import Dataset

from orapp.dicom.grey import grey_image, put_spacing, why_no_xa
from orapp.dicom.measured import measures
from orapp.dicom.runs import Run, runs_of
from orapp.dicom.seg import segmentation_object, segmented
from orapp.dicom.study import Study, study_of
from orapp.errors import NotThere, OrappError
from orapp.frames import Gray, Segmentation
from orapp.session import SessionReader
from orapp.settings import Measures, Rectangle, SiteProfile
from orapp.sources.dicom_facts import checked_facts

for _talks in ("pydicom", "highdicom"):
    logging.getLogger(_talks).setLevel(logging.CRITICAL)  # they quote values: a patient's, maybe


@dataclass(slots=True)
class Exported:
    """What an export wrote, and what the user should know about it.

    Attributes:
        frames, outlines, measures: how many of each.
        objects: DICOM files.
        notes: sentences without a full stop.
    """

    frames: int = 0
    outlines: int = 0
    measures: int = 0
    objects: int = 0
    notes: list[str] = field(default_factory=list)


def export(
    session: SessionReader,
    out: Path,
    *,
    deidentify: bool,
    profile: SiteProfile,
    uncompressed: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Exported:
    """Writes a session as DICOM files, all or none of them.

    Per run of one size and orientation: `run-0001.dcm` with every frame, as it was turned on
    screen; `outlines-0001.dcm`, a binary segmentation of the frames that have outlines; and
    `measures-0001.dcm`, a structured report. All belong to one study.

    Args:
        session: opened.
        out: a folder that doesn't exist or is empty.
        deidentify: by the basic profile (PS3.15 E): the case is replaced, no date leaves, and
            `profile.export.blank` is blackened.
        profile: of the site.
        uncompressed: else JPEG-LS, lossless.
        progress: called with how many frames are coded, and how many there are.

    Raises:
        OrappError: `out` is taken or can't be written, highdicom is missing, or the session holds
            no frame or can't be understood.
    """
    _check_installed()
    cleaned = deidentify and bool(_blanked(session, profile))
    study = study_of(session.head, deidentify=deidentify, cleaned=cleaned)
    done = Exported()
    with _whole(out) as folder:
        job = _Export(session, study, profile, done, folder, progress)
        for number, run in enumerate(runs_of(session, job.clean, packed=not uncompressed), 1):
            job.write(run, number)
        _judge(session, done, deidentify, job)
    return done


class _Export:
    """One export while it runs: what is the same for all of its objects."""

    def __init__(
        self,
        session: SessionReader,
        study: Study,
        profile: SiteProfile,
        done: Exported,
        folder: Path,
        progress: Callable[[int, int], None],
    ) -> None:
        self.source: dict[str, Any] = session.head.get("source") or {}
        facts = checked_facts(self.source.get("facts"))
        self.burned_in = not study.cleaned and facts.get("BurnedInAnnotation") != "NO"
        self._rate_hz = session.rate_hz
        self._seen: dict[int, Segmentation] = session.segmentations()
        self._measured = measures(session.events)
        self._blank: tuple[Rectangle, ...] = ()
        recorded = None if session.site is None else session.site.picture
        if study.cleaned:
            self._blank = _blanked(session, profile)
        self._choices = profile.measures if recorded == profile.picture else Measures()
        self._study, self._done, self._folder = study, done, folder
        self._progress, self._coded, self._count = progress, 0, session.frame_count

    def clean(self, pixels: Gray) -> Gray:
        """A frame without what is burned in, if that is to be blanked."""
        self._coded += 1
        self._progress(self._coded, self._count)
        if not self._blank:
            return pixels
        pixels = pixels.copy()
        for rectangle in self._blank:
            rectangle.blank(pixels)
        return pixels

    def write(self, run: Run, number: int) -> None:
        """Writes the objects of one run."""
        from orapp.dicom.report import report

        image = grey_image(
            run, self._study, self.source, self._rate_hz, number, burned_in=self.burned_in
        )
        put_spacing(image, run, self.source, self._choices)
        self._save(image, f"run-{number:04d}.dcm")
        self._done.frames += len(run.places)
        frames = segmented(run, self._seen)
        if frames:
            mask = segmentation_object(run, frames, image, self._study, number)
            self._save(mask, f"outlines-{number:04d}.dcm")
            self._done.outlines += sum(len(seen.outlines) for _, seen in frames)
        places = {place.index: n for n, place in enumerate(run.places, 1)}
        measured = [(places[m.frame_index], m) for m in self._measured if m.frame_index in places]
        if frames or measured:
            made = report(run, frames, measured, image, self._study, number)
            self._save(made, f"measures-{number:04d}.dcm")
            self._done.measures += len(measured)

    def _save(self, made: Dataset, name: str) -> None:
        made.save_as(self._folder / name, enforce_file_format=True)
        self._done.objects += 1


def _blanked(session: SessionReader, profile: SiteProfile) -> tuple[Rectangle, ...]:
    return profile.blanked(None if session.site is None else session.site.picture)


def _judge(session: SessionReader, done: Exported, deidentify: bool, job: _Export) -> None:
    """Notes what the user should know; raises OrappError if nothing was exported."""
    if done.frames == 0:
        raise OrappError("the session holds no frame that can be read", "choose another session")
    if session.damage:
        raise OrappError(
            f"the session is damaged: {session.damage}", "run 'orapp session show' on it"
        )
    if not session.kinds.get("end"):
        done.notes.append("the session was cut off: it was never closed")
    lost = session.frame_count - done.frames
    if lost > 0:
        done.notes.append(f"{lost} frames of the session can't be read and are missing")
    if why := why_no_xa(job.source):
        done.notes.append(f"exported as Secondary Capture, not as XA: {why}")
    if deidentify and job.burned_in:
        done.notes.append(
            "text that is burned into the pixels was NOT blanked: the profile names no "
            "text in [picture] and no rectangle under [[export.blank]]; look at the pictures "
            "before you pass them on"
        )


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place if all goes well, and goes if not."""
    if not out.name:
        raise OrappError("the export needs a folder of its own", "name one that doesn't exist yet")
    part = out.with_name(f".{out.name[:200]}.part")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OrappError(f"'{out.name}' is not empty", "name a new folder for the export")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            part.replace(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        what = f"'{out.name}' can't be written ({why})"
        raise OrappError(what, "choose another folder for it") from None


def _check_installed() -> None:
    try:
        import highdicom.sr  # noqa: F401
    except ImportError:
        raise NotThere("the export needs highdicom", "install orapp[qa]") from None
