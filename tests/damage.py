"""Files damaged at random, and a child process that reads them under limits of time and memory.

`python -m tests.damage KIND FIRST COUNT FOLDER` damages and reads COUNT files; number n of them is
always damaged in the same way. A line of JSON per file that was read wrongly, one at the end.
"""

import faulthandler
import json
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np

from orapp.errors import OrappError

CPU_S = 2.0
"""Of the processor: wall time would say how busy the machine is."""
STUCK_S = 60.0
MEMORY = 1024**3
LENGTHS = (0, 1, 2, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
_TOKENS = (
    "nan -inf 1e999 -1 0 99999999999999999999 true [] {} [[ ]] '' \"\"\" ''' = . # , "
    "1979-05-27T07:32:00Z 0x7fffffffffffffff +0.0 [export] [[export.blank]] [keys] "
    '\\ \\uD800 "\\n\\u001b"=1'
)
TOKENS = _TOKENS.split()


class TooLong(BaseException):
    """A call took more of the processor than it may. No Exception: nothing may swallow it."""


def damaged(seeds: list[bytes], number: int, text: bool) -> bytes:
    """Damage number `number`: one to six blows to one of the seeds."""
    rng = np.random.default_rng(number)
    data = bytearray(seeds[rng.integers(len(seeds))])
    any_file = [_flip, _cut, _drop, _repeat, _fill, _splice(seeds)]
    of_text = [_value] * 14 + [_token, _token, _lines, _lines, _many]
    blows = any_file + (of_text if text else [_flip, _length, _length, _digits])
    for _ in range(rng.integers(1, 7)):
        if data:
            blows[rng.integers(len(blows))](data, rng)
    return bytes(data)


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """Anywhere, but mostly near the start, where the header is."""
    return int(rng.random() ** 3 * len(data))


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    data[_place(data, rng)] = rng.integers(256)


def _length(data: bytearray, rng: np.random.Generator) -> None:
    at, size = _place(data, rng), int(rng.choice([2, 4]))
    value = int(rng.choice(LENGTHS)) & (1 << 8 * size) - 1
    data[at : at + size] = value.to_bytes(size, "little")


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[len(data) - _place(data, rng) :]


def _drop(data: bytearray, rng: np.random.Generator) -> None:
    at = _place(data, rng)
    del data[at : at + rng.integers(1, 40)]


def _repeat(data: bytearray, rng: np.random.Generator) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + rng.integers(1, 400)] * int(rng.integers(1, 6))


def _fill(data: bytearray, rng: np.random.Generator) -> None:
    at, size = _place(data, rng), int(rng.integers(1, 60))
    data[at : at + size] = bytes([rng.choice([0, 0x20, 0x30, 0x39, 0x5C, 0xFF])]) * size


def _digits(data: bytearray, rng: np.random.Generator) -> None:
    """Another number where the header has one in digits."""
    places = [n for n, byte in enumerate(data[:4096]) if 0x30 <= byte <= 0x39]
    if places:
        data[places[rng.integers(len(places))]] = rng.choice(list(b"0123456789-.e\\"))


def _token(data: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.integers(len(data)))
    token = TOKENS[rng.integers(len(TOKENS))] * int(rng.choice([1, 1, 1, 2, 500]))
    data[at : at + rng.integers(0, 8)] = token.encode()


def _value(data: bytearray, rng: np.random.Generator) -> None:
    """Another value, of another line or none that is fit, for one of the keys."""
    lines = bytes(data).split(b"\n")
    pairs = [n for n, line in enumerate(lines) if b"=" in line]
    if not pairs:
        return
    one, other = (pairs[rng.integers(len(pairs))] for _ in range(2))
    key, value = lines[one].split(b"=", 1)[0], lines[other].split(b"=", 1)[1]
    if rng.random() < 0.6:
        value = TOKENS[rng.integers(len(TOKENS))].encode()
    if rng.random() < 0.2:
        value = b"[" + value + b", " + value + b"]"
    lines[one] = key + b"=" + value
    data[:] = b"\n".join(lines)


def _many(data: bytearray, rng: np.random.Generator) -> None:
    """A part of it very often, up to the largest profile and beyond."""
    at = _place(data, rng)
    part = data[at : at + rng.integers(1, 80)]
    data[at:at] = part * int(rng.integers(1, 70_000) // max(len(part), 1))


def _lines(data: bytearray, rng: np.random.Generator) -> None:
    lines = bytes(data).split(b"\n")
    one, other = rng.integers(len(lines), size=2)
    lines[one] = lines[other]
    data[:] = b"\n".join(lines)


def _splice(seeds: list[bytes]) -> Callable[[bytearray, np.random.Generator], None]:
    def splice(data: bytearray, rng: np.random.Generator) -> None:
        other = seeds[rng.integers(len(seeds))]
        at = _place(data, rng)
        data[at:] = other[min(at, len(other)) :]

    return splice


def read_dicom(path: Path) -> None:
    """Opens a damaged run and reads it; each call has its own limit of time."""
    from orapp.sources import EndOfSource
    from orapp.sources.dicom import DicomSource

    source = DicomSource(str(path), paced=False)
    try:
        timed(source.open)
        while True:
            timed(lambda: source.read(0))
    except EndOfSource:
        pass
    finally:
        source.close()


def read_profile(path: Path) -> None:
    """Loads a damaged profile."""
    from orapp.settings import load_profile

    timed(lambda: load_profile(path))


READERS = {"dicom": read_dicom, "profile": read_profile}


def timed(call: Callable[[], object]) -> None:
    """Calls; raises TooLong after `CPU_S` of the processor."""
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    try:
        call()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooLong


def wrong(path: Path, read: Callable[[Path], None]) -> str:
    """What is wrong with how a file was read: nothing, or a traceback."""
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    try:
        read(path)
    except OrappError as error:
        if isinstance(_first(error), MemoryError):
            return "it wanted more memory than there may be"
        if not str(error).isprintable() or len(str(error)) > 500 or str(path.parent) in str(error):
            return f"no sentence: {error}"
    except BaseException:
        return traceback.format_exc()
    finally:
        faulthandler.cancel_dump_traceback_later()
    return ""


def _first(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error


def limit_memory() -> None:
    """From here on, so much address space that no more than `MEMORY` can be resident."""
    pages = Path("/proc/self/statm").read_text().split()
    size, resident = (int(each) * resource.getpagesize() for each in pages[:2])
    limit = size - resident + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(kind: str, first: int, count: int, folder: Path) -> None:
    """Reads `count` damaged files, keeps those that were read wrongly."""
    seeds = [path.read_bytes() for path in sorted((folder / "seeds").iterdir())]
    read, told = READERS[kind], 0
    signal.signal(signal.SIGPROF, _too_long)
    for number, seed in enumerate(seeds):  # the seeds are whole; and now all is imported
        path = folder / f"{kind}-seed-{number}"
        path.write_bytes(seed)
        read(path)
        path.unlink()
    limit_memory()
    for number in range(first, first + count):
        path = folder / f"{kind}-{number}"
        path.write_bytes(damaged(seeds, number, text=kind == "profile"))
        if why := wrong(path, read):
            print(json.dumps({"number": number, "why": why}), flush=True)
            continue
        told += 1
        path.unlink()
    status = Path("/proc/self/status").read_text().split()
    peak = int(status[status.index("VmHWM:") + 1]) // 1024  # rusage would be the parent's too
    print(json.dumps({"right": told, "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
