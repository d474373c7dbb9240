"""STOW-RS: objects into a DICOMweb archive, one request each."""

import logging
from pathlib import Path
from urllib.parse import urlsplit

import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset, dcmread

from orapp.errors import OrappError
from orapp.pacs import Item, Journal, Progress, Sent, State, items_in, without_warnings

for _talks in ("dicomweb_client", "urllib3"):
    logging.getLogger(_talks).setLevel(logging.CRITICAL)
TIMEOUTS_S = (10, 300)
"""To connect, and for an answer: an archive may take its time over a long run."""


def stow(folder: Path, url: str, progress: Progress) -> Sent:
    """Stores what a folder holds and the archive has not confirmed yet.

    A name and password come from `~/.netrc`, never from the URL.

    Returns:
        What the archive has confirmed, now or before: all of the folder. What it confirmed
        before is not asked for again.

    Raises:
        OrappError: the archive can't be reached, refuses, or breaks off; the same call goes on.
    """
    with without_warnings():
        return _stow(folder, _checked(url), progress)


def _stow(folder: Path, place: str, progress: Progress) -> Sent:
    items = items_in(folder)
    with Journal(folder, place) as journal, requests.Session() as web:
        client = DICOMwebClient(place, session=web, timeout=TIMEOUTS_S)
        client.set_http_retry_params(retry=False)
        missing = [item for item in items if journal.state(item) != State.STORED]
        before = len(items) - len(missing)
        for item in missing:
            progress(len(items) - len(missing), len(items))
            _store(client, item, place)
            journal.note([item.uid], State.STORED)
            missing = missing[1:]
        progress(len(items), len(items))
    return Sent(len(items), before)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts, right = None, False
    if not right or parts is None:
        raise OrappError("that is no DICOMweb address", "give it as https://HOST/dicom-web")
    if parts.username or parts.password or parts.query or parts.fragment:
        what = "the DICOMweb address holds more than host and path"
        raise OrappError(what, "put name and password into ~/.netrc")
    return url.rstrip("/")


def _store(client: DICOMwebClient, item: Item, place: str) -> None:
    try:
        said = client.store_instances([dcmread(item.path)])
    except requests.HTTPError as error:
        status = "" if error.response is None else f" (HTTP {error.response.status_code})"
        what = f"the archive refuses '{item.path.name}'{status}"
        raise OrappError(what, "look at its log, then repeat the command to go on") from None
    except (requests.RequestException, OSError):
        what = f"the archive at {urlsplit(place).netloc} does not answer"
        raise OrappError(what, "nothing is lost: repeat the command to go on") from None
    except Exception:  # whatever a strange answer makes the client raise
        what = f"the archive at {urlsplit(place).netloc} answers something else than DICOMweb"
        raise OrappError(what, "check the address") from None
    if item.uid not in _stored(said):
        what = f"the archive did not confirm '{item.path.name}'"
        raise OrappError(what, "look at its log, then repeat the command to go on")


def _stored(said: Dataset) -> set[str]:
    items = said.get("ReferencedSOPSequence") or []
    return {str(each.get("ReferencedSOPInstanceUID", "")) for each in items}
