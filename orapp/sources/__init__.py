"""Where frames come from: one small protocol, chosen by a URI."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orapp.errors import OrappError
from orapp.frames import Gray

Fact = str | float | list[str]


class EndOfSource(Exception):
    """A finite source (a file) has delivered its last picture. Not an error."""


@dataclass(frozen=True, slots=True)
class SourceFormat:
    """What an opened source really delivers.

    Attributes:
        width, height: in pixels.
        rate_hz: nominal pictures per second; 0 if unknown.
        description: one sentence for the report: device or file kind, decoding, window applied.
            No patient text.
        finite: True if the source ends (a file), False if it is live.
        facts: how the pictures were made, by DICOM keywords, as far as the source says: numbers
            and codes, fit for JSON. No patient text.
        frames: how many pictures a file says that it holds; 0 if it doesn't say.
    """

    width: int
    height: int
    rate_hz: float
    description: str
    finite: bool
    facts: Mapping[str, Fact] = field(default_factory=dict)
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as a source hands it over.

    Attributes:
        pixels: (H, W) uint8, read-only; H and W may differ from the format after a fault: the
            grabber notices.
        time_ms: the source's own time of this picture from its start, in ms.
        replayed: it is played at another pace than it was taken at: a hold is recognised by
            `time_ms`, not by when the picture comes.
        raw: as the source sent it, where `pixels` is calibrated.
        around: as it was once sent, where `pixels` was calibrated before it was recorded: only to
            tell a held picture from a frozen one.
    """

    pixels: Gray
    time_ms: float
    replayed: bool = False
    raw: Gray | None = None
    around: Gray | None = None

    @property
    def sent(self) -> Gray | None:
        """What `pixels` was cut out of, if it is known."""
        return self.around if self.raw is None else self.raw

    @property
    def nbytes(self) -> int:
        """Of all its pixels."""
        parts = (self.pixels, self.raw, self.around)
        return sum(part.nbytes for part in parts if part is not None)


class Source(Protocol):
    """A source of pictures. No thread in it: the grabber's thread calls everything.

    `open` may be called again after `close` (reconnect).
    """

    uri: str

    def open(self) -> SourceFormat:
        """Opens and returns what it really delivers; raises OrappError if it cannot."""
        ...

    def read(self, timeout_ms: int) -> Picture | None:
        """The next picture, in the source's own pace; None if none came in `timeout_ms`.

        Raises:
            EndOfSource: the source was finite and is through.
            SignalLost: the device is gone; close and open again later.
        """
        ...

    def close(self) -> None:
        """Releases everything; may be called twice, and before `open`."""
        ...


KINDS = ("simulated:", "v4l2:DEVICE", "file:VIDEO", "dicom:FILE-OR-FOLDER", "session:FOLDER")


def open_source(uri: str, *, as_fast_as_possible: bool = False) -> Source:
    """The source for a URI, not yet opened.

    Args:
        uri: `simulated:[?option=value&…]`, `v4l2:/dev/video0`, `file:clip.mkv`, `dicom:run.dcm`,
            `session:FOLDER`.
        as_fast_as_possible: finite and simulated sources don't pace themselves (offline only).

    Raises:
        OrappError: the URI's kind or an option is unknown.
    """
    kind, colon, rest = uri.partition(":")
    if not colon:
        raise OrappError(f"'{uri}' is not a source", f"use one of {', '.join(KINDS)}")
    if kind == "simulated":
        from orapp.sources.simulated import SimulatedSource

        return SimulatedSource(uri, paced=not as_fast_as_possible)
    if kind == "v4l2":
        from orapp.sources.v4l2 import V4l2Source

        return V4l2Source(rest)
    if kind == "file":
        from orapp.sources.video import VideoSource

        return VideoSource(rest, paced=not as_fast_as_possible)
    if kind == "dicom":
        from orapp.sources.dicom import DicomSource

        return DicomSource(rest, paced=not as_fast_as_possible)
    if kind == "session":
        from orapp.sources.session import SessionSource

        return SessionSource(rest, paced=not as_fast_as_possible)
    raise OrappError(f"'{kind}:' is not a kind of source", f"use one of {', '.join(KINDS)}")
