"""The command line: wires the parts, prints one sentence on an error, sets the exit code."""

import io
import logging
import sys
import tempfile
import traceback
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import orapp
from orapp.cli_accept import accept
from orapp.cli_archive import add_to as add_archive_commands
from orapp.cli_bench import bench
from orapp.cli_calibrate import app as calibrate_app
from orapp.cli_engine import app as engine_app
from orapp.cli_qa import EngineName
from orapp.cli_qa import app as qa_app
from orapp.cli_replay import replay
from orapp.cli_run import (
    EngineOption,
    FullScreen,
    Headless,
    Language,
    Model,
    Profile,
    Report,
    Screenshot,
    Seconds,
    check_run,
    show_and_report,
    site_profile,
)
from orapp.cli_session import app as session_app
from orapp.engines import EngineSpec
from orapp.errors import OrappError

app = typer.Typer(
    help="Outlines acute vertebral fractures in live fluoroscopy. "
    "Research use only - not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.add_typer(calibrate_app, name="calibrate")
app.add_typer(engine_app, name="engine")
app.add_typer(qa_app, name="qa")
app.add_typer(session_app, name="session")
app.command()(replay)
app.command()(bench)
app.command()(accept)


class Mode(StrEnum):
    """When an outline may be drawn."""

    PAIRED = "paired"
    LIVE = "live"


Source = Annotated[
    str,
    typer.Option(
        help="simulated:[?options], v4l2:DEVICE, file:VIDEO, dicom:PATH or session:FOLDER"
    ),
]


@app.command()
def live(
    source: Source = "simulated:",
    seconds: Seconds = None,
    headless: Headless = False,
    full_screen: FullScreen = False,
    report: Report = None,
    screenshot: Screenshot = None,
    profile: Profile = None,
    case: Annotated[str, typer.Option(help="Id of the case for the case line; never a name")] = "",
    record: Annotated[
        Path | None, typer.Option(help="Record from the start, into a new folder in this one")
    ] = None,
    mode: Annotated[
        Mode | None,
        typer.Option(help="paired: outlines on their own exposure only; live: also aged"),
    ] = None,
    max_outline_age_ms: Annotated[
        float | None, typer.Option(min=0, max=500, help="In live mode, an older outline goes")
    ] = None,
    assistant: Annotated[
        bool, typer.Option("--assistant", help="A second window for the assistant")
    ] = False,
    language: Language = None,
    model: Model = "pfnet-lite",
    engine: EngineOption = EngineName.AUTO,
    engine_delay_ms: Annotated[
        int, typer.Option(min=0, max=60_000, help="Test: each inference takes so much longer")
    ] = 0,
    engine_raise_at: Annotated[
        int, typer.Option(min=0, help="Test: the engine raises at this inference of each process")
    ] = 0,
) -> None:
    """Show a live or recorded run with the fracture outlined."""
    from orapp.display.run import RunOptions
    from orapp.live import LiveSession
    from orapp.recorded import as_recorded, text_of
    from orapp.sources import open_source

    check_run(seconds, report, screenshot)
    spec = EngineSpec(model, engine.value, engine_delay_ms, engine_raise_at)
    outline = {"mode": mode and mode.value, "max_age_ms": max_outline_age_ms}
    site = site_profile(profile, outline, {"assistant": assistant or None, "language": language})
    site = as_recorded(source, site)
    rules = site.outline.rules()
    frames, text = open_source(source), text_of(source)

    def make(on_news: Callable[[], None]) -> LiveSession:
        session = LiveSession(frames, spec, rules=rules, on_news=on_news, profile=site, text=text)
        if record is not None:
            session.start_recording(record, _case(case))
        return session

    length = seconds or 0.0
    options = RunOptions(length, headless, full_screen, screenshot, site, _case(case), record)
    show_and_report(make, options, report)


def _case(case: str) -> str:
    if len(case) > 40 or not case.isprintable():
        raise OrappError("--case is no id", "give at most 40 letters and figures, never a name")
    return case.strip()


@app.command()
def segment(
    paths: Annotated[list[Path], typer.Argument(help="PNG pictures, DICOM files or folders")],
    out: Annotated[Path, typer.Option(help="Folder for masks and results.jsonl")],
    model: Model = "pfnet-lite",
    engine: EngineOption = EngineName.AUTO,
) -> None:
    """Segment stills and runs: a mask PNG per frame, and one line of results."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from orapp.stills import segment_files

    outlined = frames = 0
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed} frames"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("frames", total=None)
        for seen in segment_files(paths, out, EngineSpec(model, engine.value)):
            frames += 1
            outlined += bool(seen.outlines)
            progress.advance(task)
    print(f"{frames} frames, {outlined} with an outline; masks and results.jsonl in {out}")


def _version(asked: bool) -> None:
    if asked:
        print(f"orapp {orapp.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log what happens to the standard error")
    ] = False,
) -> None:
    """Options of every command."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.CRITICAL,
        format="%(asctime)s %(name)s %(message)s",
        stream=sys.stderr,
    )


add_archive_commands(app)


def main() -> None:
    """Runs the command; an error is one sentence and exit code 2, a fault of ours is 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold anything
    try:
        app()
    except OrappError as error:
        print(f"orapp: {error}.", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        name = Path(str(error.filename or "a file")).name[:80]
        why = (error.strerror or type(error).__name__).lower()
        print(f"orapp: '{name}' can't be used ({why}); check the path.", file=sys.stderr)
        sys.exit(2)
    except Exception:
        with tempfile.NamedTemporaryFile("w", prefix="orapp-", suffix=".log", delete=False) as log:
            traceback.print_exc(file=log)
        print(
            f"orapp: this is a fault of orapp; please report it with {log.name}.", file=sys.stderr
        )
        sys.exit(1)
