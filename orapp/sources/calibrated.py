"""A source as a site profile says it is to be seen: the one place where a picture is calibrated."""

from dataclasses import replace

from orapp.errors import OrappError, SignalLost
from orapp.picture import Picture as SitePicture
from orapp.picture import Signature
from orapp.site import NoSignalCard, SiteMap
from orapp.sources import Picture, Source, SourceFormat


class CalibratedSource:
    """Gives the pictures of another source calibrated, with the raw ones beside them.

    A picture of another size than the profile's is never stretched: a live source then counts as
    lost, in words, until the size is right again. What the device shows without a signal is no
    picture: the grabber then says "no signal", not "last image hold".

    Args:
        source: not yet opened.
        picture: of the site profile.
        signature: of the site profile, or None.
    """

    def __init__(
        self, source: Source, picture: SitePicture, signature: Signature | None = None
    ) -> None:
        self.uri = source.uri
        self._source, self._site = source, SiteMap(picture)
        self._card = None if signature is None else NoSignalCard.of(signature)
        self._finite = False

    def open(self) -> SourceFormat:
        """See `Source.open`; refuses what the profile was not made for."""
        raw = self._source.open()
        self._finite = raw.finite
        try:
            self._site.check_size((raw.height, raw.width))
        except OrappError:
            self._source.close()
            raise
        height, width = self._site.size
        return replace(raw, width=width, height=height)

    def read(self, timeout_ms: int) -> Picture | None:
        """See `Source.read`."""
        taken = self._source.read(timeout_ms)
        if taken is None or (self._card is not None and self._card.is_shown(taken.pixels)):
            return None
        try:
            pixels = self._site.apply(taken.pixels)
        except OrappError as error:
            if self._finite:
                raise
            raise SignalLost(error.what, error.do) from None
        return replace(taken, pixels=pixels, raw=taken.pixels)

    def close(self) -> None:
        """See `Source.close`."""
        self._source.close()
