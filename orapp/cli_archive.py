"""`orapp export`, `orapp send`, `orapp import`: between sessions and the hospital's archive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from orapp.errors import NotThere, OrappError

if TYPE_CHECKING:
    from orapp.pacs import Sent

Show = Callable[[int, int], None]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to orapp's."""
    app.command("export")(export)
    app.command("send")(send)
    app.command("import")(import_)


def export(
    session: Annotated[Path, typer.Argument(help="Folder of a session")],
    dicom: Annotated[Path, typer.Option(help="A new folder for the DICOM files")],
    deidentify: Annotated[
        bool, typer.Option("--deidentify", help="By the basic profile: no id, name or date")
    ] = False,
    profile: Annotated[
        Path | None, typer.Option(help="Site profile, TOML: where text is burned in")
    ] = None,
    uncompressed: Annotated[
        bool, typer.Option("--uncompressed", help="Else JPEG-LS, lossless")
    ] = False,
) -> None:
    """Write a session as DICOM: the run, its outlines, its measures."""
    from orapp.dicom import export as to_dicom
    from orapp.session import SessionReader
    from orapp.settings import load_profile

    site = load_profile(profile)
    with SessionReader(session) as reader, _progress("frames") as progress:
        done = to_dicom(
            reader,
            dicom,
            deidentify=deidentify,
            profile=site,
            uncompressed=uncompressed,
            progress=progress,
        )
    print(
        f"{done.frames} frames, {done.outlines} outlines, {done.measures} measures "
        f"in {done.objects} DICOM files"
    )
    for note in done.notes:
        print(f"Note: {note}.")


def send(
    folder: Annotated[Path, typer.Argument(help="Folder of an export")],
    peer: Annotated[str, typer.Argument(help="The archive: AET@HOST:PORT")] = "",
    stow: Annotated[str, typer.Option(help="URL of a DICOMweb archive instead")] = "",
    calling: Annotated[str, typer.Option(help="Our own AE title")] = "ORAPP",
    listen: Annotated[
        int, typer.Option(min=1, max=65535, help="Port on which the archive may confirm")
    ] = 11112,
    wait: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds to wait until it confirms")
    ] = 60.0,
    commitment: Annotated[
        bool, typer.Option(help="Have the archive confirm that it keeps what it got")
    ] = True,
) -> None:
    """Send an export to an archive; the same command goes on after any fault."""
    if bool(peer) == bool(stow):
        raise OrappError("one archive is needed", "give AET@HOST:PORT or --stow URL")
    if not 0 < len(calling) <= 16 or "\\" in calling or not calling.isprintable():
        raise OrappError("that is no AE title", "give at most 16 letters with --calling")
    send_to = _web(stow) if stow else _pacs(peer, calling, listen, wait, commitment)
    with _progress("objects") as progress:
        sent = send_to(folder, progress)
    print(_told(sent, confirms=bool(stow) or commitment, asked_again=not stow and commitment))


def _told(sent: "Sent", confirms: bool, asked_again: bool) -> str:
    """One sentence; what rests on the journal's word alone says so."""
    kept = "the archive has confirmed" if confirms else "the archive has taken"
    before = ""
    if sent.before and not asked_again:
        before = f", {sent.before} of them in an earlier call and not asked again"
    return f"{sent.objects} objects: {kept} all of them{before}"


def _pacs(
    peer: str, calling: str, listen: int, wait: float, commitment: bool
) -> "Callable[[Path, Show], Sent]":
    try:
        from orapp.pacs import store
    except ImportError:
        raise NotThere("sending needs pynetdicom", "install orapp[qa]") from None
    to, wishes = store.Peer.of(peer), store.Wishes(calling, listen, wait, commitment)
    return lambda folder, progress: store.send(folder, to, wishes, progress)


def _web(url: str) -> "Callable[[Path, Show], Sent]":
    try:
        from orapp.pacs.stow import stow
    except ImportError:
        raise NotThere("STOW needs dicomweb-client", "install orapp[qa]") from None
    return lambda folder, progress: stow(folder, url, progress)


@contextmanager
def _progress(what: str) -> Iterator[Show]:
    """A bar on the standard error, if a person looks at it."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def import_(
    source: Annotated[str, typer.Argument(help="A DICOM run, a folder of frames, or a video")],
    folder: Annotated[Path, typer.Argument(help="Where the session's folder is made")],
) -> None:
    """Make a session from a DICOM run or a video: every frame, at its own time."""
    from orapp.importing import import_run

    made, frames = import_run(source, folder)
    print(f"{frames} frames in {made}")
