"""Results on disk: whole or not at all, and a folder that can't be written is told beforehand."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from orapp.errors import OrappError


def check_writable(path: Path) -> None:
    """Makes the file's folder, and tries it.

    Raises:
        OrappError: nothing can be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        path.exists()  # a name that is too long is told here
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _cannot(path, error) from None


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file beside its place and moves it there: a reader never sees a part of it.

    Args:
        path: where it goes; an older file there is replaced.
        write: writes the whole file to the path that it is given, which has the same suffix.

    Raises:
        OrappError: it can't be written.
    """
    try:
        place = path.resolve()  # what a link points to, not the link
        if place.exists() and not place.is_file():  # a device: there is nothing to replace
            write(place)
            return
        part = place.with_name(f".{place.stem[:200]}.part{place.suffix}")
        try:
            write(part)
            os.replace(part, place)  # noqa: PTH105
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot(path, error) from None


def _cannot(path: Path, error: OSError) -> OrappError:
    why = (error.strerror or "unknown reason").lower()
    return OrappError(f"'{path.name}' can't be written ({why})", "choose another folder for it")
