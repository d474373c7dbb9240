"""Runs from elsewhere become sessions: every frame, at its own time."""

from pathlib import Path
from typing import Any

from orapp.errors import OrappError
from orapp.frames import Event, Frame, read_only
from orapp.scene import SceneWatch
from orapp.session_writer import SessionWriter, new_session_folder, session_head
from orapp.sources import EndOfSource, Source, SourceFormat, open_source

READ_TIMEOUT_MS = 1000
KINDS = ("dicom", "file")


def uri_of(source: str) -> str:
    """The URI of a DICOM run or a video that a person names by its path.

    Raises:
        OrappError: there is nothing.
    """
    if source.partition(":")[0] in KINDS:
        return source
    path = Path(source)
    if path.is_dir():
        return f"dicom:{path}"
    if not path.is_file():
        raise OrappError(f"'{path.name}' does not exist", "check the path")
    with path.open("rb") as file:
        dicom = file.read(132)[128:] == b"DICM"
    return f"dicom:{path}" if dicom else f"file:{path}"


def import_run(source: str, root: Path) -> tuple[Path, int]:
    """Makes a session from a DICOM run, a folder of DICOM frames, or a video.

    Exposures and signals are those that the live path would have seen. The session's wall time is
    that of the import: a date of the patient's would stand in the folder's name.

    Args:
        source: a path, or a URI of the kinds `dicom:` and `file:`.
        root: the folder in which the session's is made.

    Returns:
        The session's folder, and how many frames it holds.

    Raises:
        OrappError: the source can't be read, or the session not written. Frames before a broken
            one are kept in a session that says why it ends.
    """
    opened = open_source(uri_of(source), as_fast_as_possible=True)
    form = opened.open()
    try:
        folder = new_session_folder(root)
        head = session_head(_about(opened, form))
        writer = SessionWriter(folder, head)
        return folder, _copy(opened, form, writer, head["started_ns"])
    finally:
        opened.close()


def _about(opened: Source, form: SourceFormat) -> dict[str, Any]:
    """What the head says of the source; no name of a file, no patient's text."""
    return {
        "kind": opened.uri.partition(":")[0],
        "width": form.width,
        "height": form.height,
        "rate_hz": form.rate_hz,
        "description": f"imported: {form.description}",
        "facts": dict(form.facts),
    }


def _copy(opened: Source, form: SourceFormat, writer: SessionWriter, begun_ns: int) -> int:
    """Every picture as a frame; closes the writer and says why it ends."""
    scene, index, exposure, size = SceneWatch(form.rate_hz), 0, -1, (form.height, form.width)
    why, complete = "broken off before the first frame", False
    try:
        writer.event(Event(begun_ns, "run", "imported"))
        while True:
            why = f"the source broke after {index} frames"
            picture = opened.read(READ_TIMEOUT_MS)
            why = f"broken off after {index} frames: not all could be written"
            if picture is None:
                continue
            if picture.pixels.shape != size:
                size, scene = (picture.pixels.shape[0], picture.pixels.shape[1]), SceneWatch()
            captured_ns = begun_ns + round(picture.time_ms * 1e6)
            look = scene.look(picture.pixels, captured_ns)
            exposure += look.exposure_changed
            pixels, repeat = read_only(picture.pixels), not look.exposure_changed
            writer.frame(Frame(index, pixels, captured_ns, exposure, repeat, look.signal))
            index += 1
    except EndOfSource:
        why, complete = "the source is through", True
        return index
    finally:
        writer.close(why, complete)
