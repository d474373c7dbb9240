"""Any source, with the running number of each picture drawn into it as a code."""

from dataclasses import replace

from orapp.barcode import BITS, LEAST_SIDE, draw
from orapp.errors import OrappError
from orapp.frames import Gray, read_only
from orapp.sources import Picture, Source, SourceFormat


class CodedSource:
    """Numbers a source's pictures from 0 on, as `barcode.draw` draws them.

    The number goes on over a reconnect: it is the grabber's `Frame.index`. A source that hands
    over the very same array again is frozen, and so is its number.

    Args:
        source: not yet opened.
    """

    def __init__(self, source: Source) -> None:
        self.uri = source.uri
        self._source, self._next = source, 0
        self._before: Gray | None = None
        self._coded: Gray | None = None

    def open(self) -> SourceFormat:
        """Opens the source; raises OrappError if it can't, or its pictures are too small."""
        form = self._source.open()
        if min(form.width, form.height) < LEAST_SIDE:
            self._source.close()
            raise OrappError(
                f"pictures of {form.width}x{form.height} are too small for a code",
                f"take a source of {LEAST_SIDE} pixels and more",
            )
        return replace(form, description=f"{form.description}, with a code")

    def read(self, timeout_ms: int) -> Picture | None:
        """The next picture with its number in it."""
        picture = self._source.read(timeout_ms)
        if picture is None:
            return None
        if self._coded is None or picture.pixels is not self._before:
            self._before, self._coded = picture.pixels, self._code(picture.pixels)
        self._next += 1
        return replace(picture, pixels=self._coded)

    def _code(self, pixels: Gray) -> Gray:
        if min(pixels.shape) < LEAST_SIDE:
            return pixels
        coded = pixels.copy()
        draw(coded, self._next % 2**BITS)
        return read_only(coded)

    def close(self) -> None:
        """Closes the source."""
        self._source.close()
