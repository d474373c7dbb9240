"""A recording whose pictures can be reached by their place: what a replay plays from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from orapp.errors import OrappError
from orapp.session import SessionReader
from orapp.sources import EndOfSource, Picture, Source, SourceFormat, open_source
from orapp.sources.session import format_of

READ_MS = 1000


class Reel(Protocol):
    """Pictures by their place, from 0. One thread uses it.

    Attributes:
        uri: of the recording.
        starts_anywhere: `pictures(first)` begins at `first` at once; else it begins at 0.
    """

    uri: str
    starts_anywhere: bool

    def open(self) -> SourceFormat:
        """Opens it; raises OrappError if that is impossible."""
        ...

    def pictures(self, first: int) -> Iterator[tuple[int, Picture]]:
        """Place and picture, in order; a place whose picture is missing is left out.

        Raises:
            OrappError: while iterating: it is damaged here; what came was right.
        """
        ...

    def close(self) -> None:
        """Closes it; may be called twice."""
        ...


class FileReel:
    """A video or a DICOM run: decoded from its start on, whatever is wanted.

    Args:
        source: finite, not yet opened, as fast as possible.
    """

    starts_anywhere = False

    def __init__(self, source: Source) -> None:
        self.uri = source.uri
        self._source = source
        self._fresh = False

    def open(self) -> SourceFormat:
        """Opens the source."""
        form = self._source.open()
        self._fresh = True
        return form

    def pictures(self, first: int) -> Iterator[tuple[int, Picture]]:  # noqa: ARG002
        """All of them, from the start."""
        if not self._fresh:
            self._source.open()
        self._fresh = False
        place = 0
        while True:
            try:
                picture = self._source.read(READ_MS)
            except EndOfSource:
                return
            if picture is not None:
                yield place, picture
                place += 1

    def close(self) -> None:
        """Closes the source."""
        self._source.close()


class SessionReel:
    """A session: any of its pictures is reached without decoding those before it.

    Args:
        folder: of the session.

    Attributes:
        reader: of the session.

    Raises:
        OrappError: it is no session.
    """

    starts_anywhere = True

    def __init__(self, folder: str) -> None:
        self.uri = f"session:{folder}"
        self._name = Path(folder).name
        self.reader = SessionReader(Path(folder))

    def open(self) -> SourceFormat:
        """Decodes the first frame; raises OrappError if there is not one whole frame."""
        reader = self.reader
        first = next(reader.frames(), None)
        if first is None:
            raise OrappError(f"'{self._name}' holds not one whole frame", "give another session")
        return format_of(reader, (first.pixels.shape[0], first.pixels.shape[1]))

    def pictures(self, first: int) -> Iterator[tuple[int, Picture]]:
        """From the row `first` on, at the times at which they were captured."""
        rows = self.reader.rows
        place, began_ns = first, rows[0].captured_ns
        given = 0
        for frame in self.reader.frames(first):
            while rows[place].index != frame.index:
                place += 1
            given += 1
            time_ms = (frame.captured_ns - began_ns) / 1e6
            yield place, Picture(frame.pixels, time_ms, around=frame.raw)
        if self.reader.damage:
            raise OrappError(
                f"'{self._name}' is damaged after frame {rows[-1].index}: the rest of it "
                "can't be trusted",
                "run 'orapp session show' on it",
            )
        lost = self.reader.frame_count - first - given
        if lost > 0:
            raise OrappError(
                f"'{self._name}' is damaged: {lost} of its pictures are missing",
                "run 'orapp session show' on it",
            )

    def close(self) -> None:
        """Closes the session."""
        self.reader.close()


def open_reel(uri: str) -> Reel:
    """The recording of a URI (file:, dicom:, session:), not yet opened.

    Raises:
        OrappError: it is no recording.
    """
    kind, _, rest = uri.partition(":")
    if kind == "session":
        return SessionReel(rest)
    if kind in ("file", "dicom"):
        return FileReel(open_source(uri, as_fast_as_possible=True))
    raise OrappError(
        f"'{kind}:' can't be replayed", "give a session, a video or DICOM; or use 'orapp live'"
    )
