"""Hash-chained JSON lines: nothing in the midst can be changed or lost without being noticed."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from orapp.film import AppendedFile, is_plain_file

LONGEST_LINE = 1_000_000
MOST_LINES = 5_000_000
Line = dict[str, Any]


class ChainWriter:
    """Appends lines to a new file.

    Args:
        path: of the file, which must not exist.
        seed: what the chain starts from: the bytes that the first line vouches for.

    Raises:
        OSError: of any method: the file can't be written.
    """

    def __init__(self, path: Path, seed: bytes) -> None:
        self._file = AppendedFile(path)
        self._chain, self._count = start_of(seed), 0

    def add(self, kind: str, time_ns: int, fields: Line) -> None:
        """Appends one line; raises ValueError if it is too long or holds what JSON can't."""
        line = {"n": self._count, "t": time_ns, "kind": kind, **fields}
        chain = _next(self._chain, line)
        text = json.dumps({**line, "chain": chain}, separators=(",", ":"), allow_nan=False) + "\n"
        if len(text) > LONGEST_LINE:
            raise ValueError(f"a line of kind {kind} is too long")
        self._file.append(text.encode())
        self._chain, self._count = chain, self._count + 1

    def sync(self) -> None:
        """Has all lines on the disk; any thread may call it."""
        self._file.sync()

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._file.close()


class ChainReader:
    """Reads the lines up to a cut, or up to the first that the chain or `check` does not hold.

    Args:
        path: of the file.
        seed: as it was written with.
        check: raises ValueError for a line that does not belong here.

    Attributes:
        broken: once all lines were read: where and why the chain does not hold; empty if it does.
        cut: once all lines were read: whether the file ends in the middle of a line.
    """

    def __init__(self, path: Path, seed: bytes, check: Callable[[Line], None]) -> None:
        self._path, self._check = path, check
        self._chain = start_of(seed)
        self.broken, self.cut = "", False

    def __iter__(self) -> Iterator[Line]:
        """Every line that holds, in order; may be used once."""
        if not is_plain_file(self._path):
            self.broken = f"there is no {self._path.name}"
            return
        try:
            with self._path.open("rb") as file:
                yield from self._lines(file)
        except OSError as error:
            self.broken = f"{self._path.name} can't be read ({error.strerror})".lower()

    def _lines(self, file: BinaryIO) -> Iterator[Line]:
        for number in range(MOST_LINES):
            raw = file.readline(LONGEST_LINE + 1)
            if not raw:
                return
            if _is_torn(raw) and not file.read(1):
                self.cut = True
                return
            line = self._verified(raw, number)
            if line is None:
                return
            yield line
        self.broken = "there are too many lines"

    def _verified(self, raw: bytes, number: int) -> Line | None:
        try:
            line = json.loads(raw)
            if not isinstance(line, dict):
                raise ValueError("it is no object")
            told = line.pop("chain", None)
            self._chain = _next(self._chain, line)
        except (ValueError, RecursionError):
            self.broken = f"line {number} can't be read"
            return None
        if told != self._chain or line.get("n") != number:
            self.broken = f"line {number} is not the one that was written"
            return None
        try:
            self._check(line)
        except ValueError:
            self.broken = f"line {number} is not what a session holds"
            return None
        return line


def _is_torn(raw: bytes) -> bool:
    """A line that was being written when the power went; some file systems leave zeros."""
    return (not raw.endswith(b"\n") and len(raw) <= LONGEST_LINE) or not raw.strip(b"\0")


def start_of(seed: bytes) -> str:
    """What the chain starts with."""
    return hashlib.sha256(seed).hexdigest()


def _next(chain: str, line: Line) -> str:
    text = json.dumps(line, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(f"{chain}{text}".encode()).hexdigest()[:32]
