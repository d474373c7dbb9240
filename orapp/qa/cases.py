"""Which runs there are: files, sessions and folders of them, each with a number for a name."""

import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orapp.errors import OrappError
from orapp.files import replace_file

VIDEOS = frozenset({".mkv", ".mp4", ".avi", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv"})
DICOMS = frozenset({".dcm", ".dicom", ".ima"})
PREAMBLE = 128
MARK = b"DICM"
NO_PICTURES = ("1.2.840.10008.5.1.4.1.1.66.", "1.2.840.10008.5.1.4.1.1.88.")
"""SOP classes of segmentations and reports, such as `orapp export` puts beside a run."""
SESSION = "session.json"
REMAINS = ("events.jsonl", "frames-0000.mkv", "small-0000.mkv")
RESULTS = "qa.json"
MAPPING = "cases.csv"
SHORTEST = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One run to look at.

    Attributes:
        number: from 1; it stays the same while results go into the same folder.
        name: path relative to what was asked for; only `cases.csv` ever holds it.
        uri: what `open_source` takes.
    """

    number: int
    name: str
    uri: str

    @property
    def label(self) -> str:
        """What it is called in results and reports: no name of a file, which may be a patient's."""
        return f"run-{self.number:04d}"

    @property
    def path(self) -> Path:
        """The file, or the folder of a session or of single DICOM frames."""
        return Path(self.uri.partition(":")[2])

    def nameless(self, text: str) -> str:
        """A sentence about the case, with its label in place of the names of its files."""
        names = {self.path.name}
        if self.uri.startswith("dicom:"):
            names |= {file.name for file in _files(self.path)}
        for name in sorted(names, key=len, reverse=True):
            text = text.replace(f"'{name}'", self.label)
            if len(name) >= SHORTEST:  # a shorter one is a part of common words
                text = text.replace(name, self.label)
        return text


def find_cases(paths: Sequence[Path]) -> list[Case]:
    """All runs under the paths, in the order of their names; numbered from 1.

    A folder with a session.json is a session; one with nothing but single DICOM frames is one run.
    Files of other kinds are left out, DICOM segmentations and reports too, but one that is named
    itself is always taken. A folder below that can't be read is a run that fails: nobody knows
    what it holds.

    Raises:
        OrappError: a path does not exist, can't be read, or holds no run.
    """
    found: dict[str, str] = {}
    for root in paths:
        if not root.exists():
            raise OrappError(f"'{root.name}' does not exist", "check the path")
        runs = list(_runs(root.resolve()))
        if not runs:
            what = f"there is no session, video or DICOM run in '{root.name}'"
            raise OrappError(what, "check the paths")
        for path, kind in runs:
            name = str(path.relative_to(root.resolve())) if path != root.resolve() else path.name
            found.setdefault(f"{kind}:{path}", name)
    return [Case(n, name, uri) for n, (uri, name) in enumerate(found.items(), 1)]


def _runs(root: Path) -> Iterator[tuple[Path, str]]:
    if root.is_file():
        yield root, _kind(root) or "file"
        return
    seen: set[Path] = set()
    closed: list[Path] = []

    def note(error: OSError) -> None:
        if Path(error.filename) == root:
            raise _unreadable(error)
        closed.append(Path(error.filename))

    for folder, below, files in os.walk(root, onerror=note, followlinks=True):
        here = Path(folder)
        below.sort()
        if here.resolve() in seen:  # a link that leads back
            below.clear()
            continue
        seen.add(here.resolve())
        if {SESSION, *REMAINS} & set(files):  # without its head it is a broken session, no video
            below.clear()
            yield here, "session"
            continue
        yield from _runs_of_files([here / f for f in sorted(files) if not f.startswith(".")], here)
    yield from ((folder, "session") for folder in closed)


def _unreadable(error: OSError) -> OrappError:
    why = (error.strerror or "unknown reason").lower()
    what = f"the folder '{Path(error.filename).name}' can't be read ({why})"
    return OrappError(what, "check its permissions")


def _runs_of_files(files: list[Path], folder: Path) -> Iterator[tuple[Path, str]]:
    found = [(file, _kind(file)) for file in files]
    found = [(f, kind) for f, kind in found if kind != "dicom" or not _is_no_picture(f)]
    files, kinds = [f for f, _ in found], [kind for _, kind in found]
    if len(files) > 1 and set(kinds) == {"dicom"} and all(_is_single_frame(f) for f in files):
        yield folder, "dicom"
        return
    yield from ((f, kind) for f, kind in found if kind)


def _kind(path: Path) -> str:
    """`file` (a video), `dicom`, or nothing that QA looks for in folders."""
    suffix = path.suffix.lower()
    if suffix in VIDEOS:
        return "file"
    if suffix in DICOMS or (path.name != "DICOMDIR" and _has_mark(path)):
        return "dicom"
    return ""


def _has_mark(path: Path) -> bool:
    try:
        if not path.is_file():  # a pipe would block
            return False
        with path.open("rb") as file:
            return file.read(PREAMBLE + len(MARK))[PREAMBLE:] == MARK
    except PermissionError:
        return True  # nobody knows: it becomes a run that fails
    except OSError:
        return False


def _is_no_picture(path: Path) -> bool:
    """Whether it is a segmentation or a report; False for what can't be read."""
    from pydicom.filereader import read_file_meta_info

    try:
        return str(read_file_meta_info(path).MediaStorageSOPClassUID).startswith(NO_PICTURES)
    except Exception:  # pydicom raises what it likes
        return False


def _is_single_frame(path: Path) -> bool:
    """False for what can't be read, too: it is then told as a case of its own."""
    from orapp.sources.dicom_frames import frame_count, read_header

    try:
        return frame_count(read_header(path)) == 1
    except Exception:  # pydicom raises what it likes
        return False


def number_cases(cases: list[Case], out: Path) -> list[Case]:
    """The cases with the numbers that they had in this folder before; new ones get the next.

    Writes `cases.csv` there: number, name, uri.
    """
    before = read_mapping(out)
    numbers = {case.uri: case.number for case in before}
    following = max(numbers.values(), default=0) + 1
    for case in cases:
        if case.uri not in numbers:
            numbers[case.uri], following = following, following + 1
    numbered = [Case(numbers[c.uri], c.name, c.uri) for c in cases]
    merged = {c.uri: c for c in (*before, *numbered)}
    replace_file(out / MAPPING, lambda part: _write_mapping(part, list(merged.values())))
    return sorted(numbered, key=lambda case: case.number)


def read_mapping(out: Path) -> list[Case]:
    """What `cases.csv` says; nothing if there is none (results that came from elsewhere).

    Raises:
        OrappError: it is there and can't be read.
    """
    path = out / MAPPING
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return [Case(int(r["number"]), r["name"], r["uri"]) for r in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        raise OrappError(
            f"'{MAPPING}' in '{out.name}' can't be read", "choose another folder for the results"
        ) from None


def _write_mapping(path: Path, cases: list[Case]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file)
        rows.writerow(("number", "name", "uri"))
        rows.writerows((c.number, c.name, c.uri) for c in sorted(cases, key=lambda c: c.number))


def digests_of(case: Case) -> dict[str, str]:
    """SHA-256 (64 hex digits) of each of the case's files, by name, in the order of names.

    Of a case that is one file, its name is empty.

    Raises:
        OSError: a file can't be read.
    """
    files = _files(case.path)
    if files == [case.path]:
        return {"": _digest(case.path)}
    return {file.name: _digest(file) for file in files}


def content_of(digests: dict[str, str]) -> str:
    """SHA-256 (64 hex digits) of what is in a case's files, whatever they are called."""
    if "" in digests:
        return digests[""]
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests.values()))).hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
