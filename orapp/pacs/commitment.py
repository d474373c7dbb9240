"""Storage commitment (PS3.4 J): asking, and hearing the answer on any association."""

import threading
import time
from collections.abc import Sequence

from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association

from orapp.dicom.study import new_uid
from orapp.errors import OrappError
from orapp.pacs import Item, Journal, State

CommitmentClass = UID("1.2.840.10008.1.20.1")
CommitmentInstance = UID("1.2.840.10008.1.20.1.1")
PROCESSING_FAILURE = 0x0110
POLL_S = 0.2


class Commitment:
    """The archive's word on one request; its handlers serve every association."""

    def __init__(self) -> None:
        self._transaction = new_uid()
        self._answered = threading.Event()
        self._kept: set[str] = set()
        self._lost: set[str] = set()

    @property
    def handlers(self) -> list[evt.EventHandlerType]:
        """For the associations on which the answer may come."""
        return [(evt.EVT_N_EVENT_REPORT, self._report)]

    def _report(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Takes the answer to our request; any other is none of ours."""
        said = event.event_information
        if str(said.get("TransactionUID", "")) != str(self._transaction):
            return PROCESSING_FAILURE, None
        self._kept = _uids(said, "ReferencedSOPSequence")
        self._lost = _uids(said, "FailedSOPSequence")
        self._answered.set()
        return 0x0000, None

    def ask(
        self, items: Sequence[Item], link: Association, journal: Journal, title: str, wait_s: float
    ) -> None:
        """Asks the archive to keep some objects, and waits until it says so.

        Raises:
            OrappError: it knows no commitment, doesn't answer, or has lost some of them.
        """
        wanted = {item.uid for item in items}
        self._request(items, link, title)
        deadline = time.monotonic() + wait_s
        while not self._answered.wait(POLL_S) and time.monotonic() < deadline:
            pass
        journal.note(sorted(self._kept & wanted), State.COMMITTED)
        lost = wanted - self._kept if self._answered.is_set() else wanted & self._lost
        journal.note(sorted(lost), State.LOST)
        if not self._answered.is_set():
            raise OrappError(
                f"the archive {title} has {len(items)} objects but did not confirm in "
                f"{wait_s:g} s that it keeps them",
                "check that it knows orapp's AE title, host and --listen port, then repeat",
            )
        missing = wanted - self._kept
        if missing:
            what = f"the archive {title} does not keep {len(missing)} of {len(items)} objects"
            raise OrappError(what, "repeat the command to send them again")

    def _request(self, items: Sequence[Item], link: Association, title: str) -> None:
        knows = any(each.abstract_syntax == CommitmentClass for each in link.accepted_contexts)
        if not knows:
            what = f"the archive {title} knows no storage commitment"
            raise OrappError(what, "take its answer for its word with --no-commitment")
        asked = Dataset()
        asked.TransactionUID = self._transaction
        asked.ReferencedSOPSequence = Items([_reference(item) for item in items])
        try:
            answer, _ = link.send_n_action(asked, 1, CommitmentClass, CommitmentInstance)
        except (RuntimeError, ValueError, OSError):
            answer = Dataset()
        if answer.get("Status") != 0x0000:
            said = f" (status {answer.Status:04X})" if "Status" in answer else ""
            what = f"the archive {title} took no request for storage commitment{said}"
            raise OrappError(what, "nothing is lost: repeat the command to ask again")


def _reference(item: Item) -> Dataset:
    made = Dataset()
    made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = item.sop_class, item.uid
    return made


def _uids(said: Dataset, keyword: str) -> set[str]:
    items = said.get(keyword) or []
    return {str(item.get("ReferencedSOPInstanceUID", "")) for item in items}
