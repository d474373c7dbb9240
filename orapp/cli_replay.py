"""`orapp replay`: a recording in the surgeon's window, with a bar to pause, step and wind it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orapp.cli_qa import EngineName
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
from orapp.engines import EngineSpec
from orapp.errors import OrappError


def replay(
    recording: Annotated[
        str, typer.Argument(help="Folder of a session, a video, a DICOM file or folder")
    ],
    seconds: Seconds = None,
    headless: Headless = False,
    full_screen: FullScreen = False,
    report: Report = None,
    screenshot: Screenshot = None,
    profile: Profile = None,
    language: Language = None,
    record: Annotated[Path | None, typer.Option(hidden=True)] = None,
    model: Model = "pfnet-lite",
    engine: EngineOption = EngineName.AUTO,
) -> None:
    """Show a recording again: pause, step, speed, events, recorded outlines beside new ones."""
    from orapp.display.replay import Replay
    from orapp.display.run import RunOptions
    from orapp.live import LiveSession
    from orapp.recorded import read_recorded
    from orapp.sources.reel import SessionReel, open_reel
    from orapp.sources.transport import Transport

    if record is not None:
        raise OrappError("a replay is not recorded", "copy the recording instead")
    check_run(seconds, report, screenshot)
    site = site_profile(profile, {}, {"language": language})
    reel = open_reel(recording_uri(recording))
    transport = Transport(reel, ends=headless)
    spec = EngineSpec(model, engine.value)
    recorded = None
    if isinstance(reel, SessionReel):
        with Console(stderr=True).status("reading the session"):
            recorded = read_recorded(reel.reader)

    def make(on_news: Callable[[], None]) -> LiveSession:
        # Paired: a replay can wait. A session brings the calibration that it was recorded with.
        if isinstance(reel, SessionReel):
            return LiveSession(transport, spec, on_news=on_news, text=reel.reader.text)
        return LiveSession(transport, spec, on_news=on_news, profile=site)

    shown = Replay(transport, recorded)
    length = seconds or 0.0
    options = RunOptions(length, headless, full_screen, screenshot, site, replay=shown)
    show_and_report(make, options, report)


def recording_uri(recording: str) -> str:
    """The URI of a path, by what lies there, or the URI itself.

    Raises:
        OrappError: there is nothing.
    """
    path = Path(recording)
    if (path / "session.json").is_file():
        return f"session:{recording}"
    if path.is_dir() or path.suffix.lower() == ".dcm" or _is_dicom(path):
        return f"dicom:{recording}"
    if path.exists():
        return f"file:{recording}"
    if recording.partition(":")[1]:
        return recording
    raise OrappError(f"there is no recording '{path.name}'", "check the path")


def _is_dicom(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
