"""An export on its way into an archive (PACS): what has arrived, and what is missing."""

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydicom import dcmread

from orapp.errors import OrappError
from orapp.sources.dicom_frames import check_whole

logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it quotes values: a patient's, maybe
Progress = Callable[[int, int], None]
"""Called with how many objects have arrived, and how many there are."""
LARGEST_JOURNAL = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Item:
    """A DICOM file: its place, its class, its own UID, its coding."""

    path: Path
    sop_class: str
    uid: str
    syntax: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What the far end has of a folder.

    Attributes:
        objects: how many there are; it has all of them.
        before: how many of them had arrived before this call, by the journal.
    """

    objects: int
    before: int


class State(StrEnum):
    """What the far end has said of an object."""

    STORED = "stored"
    COMMITTED = "committed"
    LOST = "lost"


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keeps pydicom from writing to the screen what it finds odd in a file: it quotes values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def items_in(folder: Path) -> list[Item]:
    """The DICOM files of a folder, by name.

    Raises:
        OrappError: there is none, a file is none or is cut off, or two are the same object.
    """
    if not folder.is_dir():
        raise OrappError(f"'{folder.name}' is no folder", "give the folder of an export")
    files = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    if not files:
        raise OrappError(f"'{folder.name}' is empty", "give the folder of an export")
    items = [_item(path) for path in files]
    if len({item.uid for item in items}) < len(items):
        what = f"two files in '{folder.name}' are the same object"
        raise OrappError(what, "send a folder that holds one export only")
    return items


def _item(path: Path) -> Item:
    try:
        head = dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
        meta = head.file_meta
        uids = meta.MediaStorageSOPClassUID, head.SOPInstanceUID, meta.TransferSyntaxUID
    except Exception:  # pydicom raises many kinds on a broken file
        what = f"'{path.name}' is not a DICOM file"
        raise OrappError(what, "send a folder that holds an export only") from None
    try:
        check_whole(path)
    except OrappError:
        raise
    except Exception:  # pydicom raises many kinds on a broken file
        raise OrappError(f"'{path.name}' is broken", "export it again") from None
    return Item(path, *(str(uid) for uid in uids))


class Journal:
    """What one far end has said of each object, kept in JSON lines beside the folder.

    Each word is on the disk before the next object leaves, so that the same command goes on with
    what is missing after any fault. It holds UIDs and the far end's address, nothing else.

    Args:
        folder: of the export; the journal is `NAME.sent.jsonl` beside it.
        to: address of the far end; the journal may hold those of several.

    Raises:
        OrappError: it can't be written.
    """

    def __init__(self, folder: Path, to: str) -> None:
        place = folder.resolve()
        self.path = place.with_name(f"{place.name}.sent.jsonl")
        self._to = to
        self._states: dict[str, State] = {}
        try:
            self._read()
            self._file = self.path.open("a")
            if self.path.stat().st_size:
                self._file.write("\n")  # the last line may have been cut off
        except (OSError, UnicodeDecodeError) as error:
            raise self._unwritable(error) from None

    def _read(self) -> None:
        if not self.path.exists():
            return
        if self.path.stat().st_size > LARGEST_JOURNAL:
            raise OSError(27, "file too large")
        for line in self.path.read_text(errors="replace").splitlines():
            try:
                said = json.loads(line)
                if said["to"] == self._to:
                    self._states[str(said["uid"])] = State(said["state"])
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # a line that was cut off: its object is sent again

    def state(self, item: Item) -> State | None:
        """The last word on an object."""
        return self._states.get(item.uid)

    def note(self, uids: Iterable[str], state: State) -> None:
        """Writes down a new word on some objects, on the disk before it returns."""
        try:
            for uid in uids:
                if self._states.get(uid) == state:
                    continue
                self._states[uid] = state
                line = {"uid": uid, "to": self._to, "state": state.value}
                self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _unwritable(self, error: Exception) -> OrappError:
        why = (getattr(error, "strerror", None) or "unknown reason").lower()
        what = f"'{self.path.name}', which says what has arrived, can't be written ({why})"
        return OrappError(what, "make room or copy the export elsewhere")
