"""`orapp calibrate`: from an unknown video cable to a site profile."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

import orapp
from orapp.cli_qa import EngineName
from orapp.engines import EngineSpec
from orapp.errors import OrappError
from orapp.files import check_writable, replace_file
from orapp.settings import SiteProfile, load_profile

if TYPE_CHECKING:
    from orapp.calibrate.clip import Clip
    from orapp.calibrate.proposal import Evidence, Proposal
    from orapp.calibrate.spacing import Spacing

app = typer.Typer(
    help="Measure what a C-arm's video is, and write the site's profile.",
    invoke_without_command=True,
)
OUT = Path("calibration/site.toml")
BATCH_S = 12.0


@dataclass(frozen=True, slots=True)
class Objects:
    """What is shown beside the clip: a source or a file each, and its size in mm."""

    plate: str | None
    pitch_mm: float
    things: tuple[tuple[str, str | None, float], ...]
    distances: "Distances"


@dataclass(frozen=True, slots=True)
class Distances:
    """Of the C-arm, in mm from the focal spot; and a pixel of the picture on the detector."""

    detector_px_mm: float | None
    detector: float | None
    thing: float | None
    spine: float | None

    @property
    def alone(self) -> bool:
        """Whether they are to give the spacing without an object."""
        return self.detector_px_mm is not None or self.detector is not None

    def check(self, thing: bool, plate: bool) -> None:
        """Raises OrappError where what is given does not go together, before anything is done.

        Args:
            thing: a ruler, ball or cannula is shown.
            plate: a plate is.
        """
        if self.alone and None in (self.detector_px_mm, self.detector, self.spine):
            raise OrappError(
                "the C-arm's geometry is not complete",
                "give --detector-px-mm, --detector-mm and --spine-mm",
            )
        if self.alone and (thing or self.thing is not None):
            raise OrappError("the spacing has two sources", "give an object or --detector-px-mm")
        moves = self.thing is not None or (self.spine is not None and not self.alone)
        if moves and (None in (self.thing, self.spine) or not (thing or plate)):
            raise OrappError(
                "the spacing can't be taken to the spine",
                "give an object, such as --ball, with --object-mm and --spine-mm",
            )

    def at_the_spine(self, spacing: "Spacing | None") -> "Spacing | None":
        """The measured spacing in the spine's plane, or the one by the distances alone.

        Raises:
            OrappError: a distance can't be.
        """
        from orapp.calibrate.spacing import from_geometry

        if self.spine is None:
            return spacing
        if self.detector_px_mm is not None and self.detector is not None:
            return from_geometry(self.detector_px_mm, self.detector, self.spine)
        return spacing and spacing.moved(self.thing or 0.0, self.spine)


@app.callback()
def calibrate(
    context: typer.Context,
    source: Annotated[
        str, typer.Option(help="As of `orapp live`; for --batch also a recorded clip")
    ] = "v4l2:/dev/video0",
    out: Annotated[Path, typer.Option(help="The profile, TOML; a picture goes beside it")] = OUT,
    batch: Annotated[bool, typer.Option("--batch", help="Without a window")] = False,
    seconds: Annotated[
        float, typer.Option(min=2, max=600, help="With --batch: of the source")
    ] = BATCH_S,
    name: Annotated[str, typer.Option(help="Of the profile; else the file's name")] = "",
    plate: Annotated[
        str | None,
        typer.Option(metavar="URI|FILE", help="With a plate of beads or wires: for distortion"),
    ] = None,
    pitch_mm: Annotated[float, typer.Option(min=1, max=100, help="From bead to bead")] = 10.0,
    ruler: Annotated[
        str | None, typer.Option(metavar="URI|FILE", help="With a lead ruler: for the spacing")
    ] = None,
    tick_mm: Annotated[float, typer.Option(min=0.1, max=50, help="From tick to tick")] = 1.0,
    ball: Annotated[
        str | None, typer.Option(metavar="URI|FILE", help="With a steel ball: for the spacing")
    ] = None,
    ball_mm: Annotated[float, typer.Option(min=1, max=100, help="Its diameter")] = 25.4,
    cannula: Annotated[
        str | None, typer.Option(metavar="URI|FILE", help="With a cannula: for the spacing")
    ] = None,
    cannula_mm: Annotated[float, typer.Option(min=0.5, max=20, help="Outer diameter")] = 4.2,
    object_mm: Annotated[
        float | None, typer.Option(help="From the focal spot to what is measured by")
    ] = None,
    spine_mm: Annotated[float | None, typer.Option(help="From the focal spot to the spine")] = None,
    detector_mm: Annotated[
        float | None, typer.Option(help="From the focal spot to the detector, without an object")
    ] = None,
    detector_px_mm: Annotated[
        float | None, typer.Option(help="Of the calibrated picture, a pixel on the detector")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a profile; it is kept as NAME.toml.bak")
    ] = False,
    language: Annotated[str, typer.Option(help="The window's language: en or de")] = "en",
    model: Annotated[str, typer.Option(help="A model that ships, or a folder")] = "pfnet-lite",
    engine: Annotated[EngineName, typer.Option(help="What is timed")] = EngineName.AUTO,
) -> None:
    """Measure what a C-arm's video is, and write the site's profile.

    In a window, step by step; or with --batch from a recorded clip of 5 to 20 s with X-ray on.
    Exit code 1 if the clip shows too little to tell.
    """
    if context.invoked_subcommand is not None:
        return
    if out.suffix != ".toml":
        raise OrappError(f"'{out.name}' is no name of a profile", "let it end in .toml")
    check_writable(out)
    spec, called = EngineSpec(model, engine.value), name or out.stem
    before = load_profile(out) if out.exists() else None
    if not batch:
        from orapp.display.calibration_run import run_calibration

        run_calibration(source, out, called, before, spec, language)
        return
    if before is not None and not force and not _may_replace(out):
        raise OrappError(
            f"'{out.name}' is there already", "give --force to replace what was measured in it"
        )
    things = ("ruler", ruler, tick_mm), ("ball", ball, ball_mm), ("cannula", cannula, cannula_mm)
    distances = Distances(detector_px_mm, detector_mm, object_mm, spine_mm)
    distances.check(any(text for _, text, _ in things), plate is not None)
    objects = Objects(plate, pitch_mm, things, distances)
    _batch(source, seconds, objects, spec, (out, called, before))


def _may_replace(out: Path) -> bool:
    if not sys.stdin.isatty():
        return False
    return typer.confirm(f"{out.name} is there already. Replace what was measured in it?")


def _batch(
    source: str,
    seconds: float,
    objects: Objects,
    spec: EngineSpec,
    to: tuple[Path, str, SiteProfile | None],
) -> None:
    from orapp.calibrate.clip import TooLittle
    from orapp.calibrate.drawing import assumed
    from orapp.calibrate.proposal import propose
    from orapp.calibrate.writing import write_profile

    out, name, before = to
    try:
        clip = _watched(source, seconds)
    except TooLittle as error:
        print(f"orapp: not calibrated: {error}.", file=sys.stderr)
        raise typer.Exit(1) from None
    evidence = _evidence(clip, objects, spec)
    by = f"orapp {orapp.__version__} --batch"
    proposal = propose(evidence, name, before, by=by)
    kept = write_profile(proposal, out, replace=True)
    drawn = out.with_suffix(".png")
    page = assumed(clip.samples[len(clip.samples) // 2], proposal.profile)
    replace_file(drawn, lambda part: _put_picture(part, page))
    print_proposal(proposal)
    print(f"written: {out}, and what it assumes: {drawn}" + (f"; before: {kept}" if kept else ""))


def _put_picture(path: Path, page: object) -> None:
    import cv2
    import numpy as np

    pixels = np.asarray(page)[..., ::-1]
    path.write_bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())


def _watched(source: str, seconds: float) -> "Clip":
    from orapp.calibrate.clip import watch_clip
    from orapp.calibrate.geometry import source_of

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("waiting for the first picture", total=None)

        def tell(count: int, time_s: float) -> None:
            progress.update(task, description=f"{count} frames, {time_s:.1f} s")

        return watch_clip(source_of(source), seconds, tell)


def _evidence(clip: "Clip", objects: Objects, spec: EngineSpec) -> "Evidence":
    """Plate, then spacing in the undistorted picture, then the engine on calibrated frames."""
    from orapp.calibrate.engine_time import time_engine
    from orapp.calibrate.geometry import plate_in, spacing_in
    from orapp.calibrate.proposal import Evidence, picture_of
    from orapp.calibrate.spacing import from_plate
    from orapp.site import SiteMap

    found = clip.findings
    plate = plate_in(objects.plate, found) if objects.plate else None
    site = SiteMap(picture_of(found, plate))
    spacing = from_plate(plate, objects.pitch_mm) if plate is not None else None
    for thing, text, size_mm in objects.things:
        if text:
            spacing = spacing_in(text, thing, size_mm, found, site)
    spacing = objects.distances.at_the_spine(spacing)
    engine = time_engine([site.apply(raw) for raw in clip.samples], spec)
    return Evidence(found, plate, spacing, engine)


def print_proposal(proposal: "Proposal") -> None:
    """What was found, and how; what a person should look at, at the end."""
    from orapp.calibrate.proposal import told

    table = Table.grid(padding=(0, 2))
    for row in told(proposal):
        table.add_row(row.what, row.value, ("CHECK: " if row.unsure else "") + row.why)
    console = Console(highlight=False, markup=False)
    (console if console.is_terminal else Console(width=160, highlight=False, markup=False)).print(
        table
    )
    look = [row.what for row in told(proposal) if row.unsure]
    if look:
        print(f"not sure of: {', '.join(look)}; look at the picture, or correct it in the window")


@app.command("int8")
def int8(
    sessions: Annotated[list[Path], typer.Argument(help="Folders of recordings")],
    out: Annotated[Path, typer.Option(help="The list of frames, CSV")],
    frames: Annotated[int, typer.Option(min=1, max=4000, help="How many are wanted")] = 300,
) -> None:
    """List the frames of recordings that differ most, for the int8 model's calibration.

    The list names sessions and frames by hashes; it holds no picture and no patient data.
    """
    from orapp.calibrate.frames_for_int8 import pick_frames

    check_writable(out)
    count = pick_frames(sessions, frames, out)
    print(f"{count} frames of {len(sessions)} sessions in {out}")
