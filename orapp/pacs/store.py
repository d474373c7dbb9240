"""C-STORE and storage commitment: objects go out, and the archive says that it keeps them."""

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from orapp.errors import OrappError
from orapp.pacs import Item, Journal, Progress, Sent, State, items_in, without_warnings
from orapp.pacs.commitment import Commitment, CommitmentClass

for _talks in ("pynetdicom", "pydicom"):
    logging.getLogger(_talks).setLevel(logging.CRITICAL)  # they quote values: a patient's, maybe
_config.STORE_SEND_CHUNKED_DATASET = True  # from the disk, not through memory
PEER = re.compile(r"([^@\\\s]{1,16})@([^@\s]{1,253}):(\d{1,5})")
CONNECT_S, ANSWER_S = 10, 60
WAKE_S = 1.0
MOST_CLASSES = 60
ARRIVED = (State.STORED, State.COMMITTED)


@dataclass(frozen=True, slots=True)
class Peer:
    """An archive: its AE title, host and port."""

    title: str
    host: str
    port: int

    @staticmethod
    def of(text: str) -> "Peer":
        """From `AET@HOST:PORT`; raises OrappError on anything else."""
        found = PEER.fullmatch(text)
        if found is None or not 0 < int(found[3]) < 65536:
            raise OrappError(f"'{text}' is no DICOM address", "give it as AET@HOST:PORT")
        return Peer(found[1], found[2].strip("[]"), int(found[3]))

    def __str__(self) -> str:
        return f"{self.title}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to send.

    Attributes:
        calling: our own AE title.
        listen: port on which the archive may confirm; it must know it as that of `calling`.
        wait_s: how long to wait for that.
        commitment: False takes the archive's answer to C-STORE for its word.
    """

    calling: str = "ORAPP"
    listen: int = 11112
    wait_s: float = 60.0
    commitment: bool = True


def send(folder: Path, peer: Peer, wishes: Wishes, progress: Progress) -> Sent:
    """Sends what a folder holds and the archive does not, and has it confirm that it keeps it.

    With commitment it is asked about the whole folder each time: what it confirmed before, it may
    have lost since.

    Returns:
        What the archive has: all of the folder.

    Raises:
        OrappError: the archive can't be reached, refuses, breaks off, or doesn't confirm. The
            journal holds what has arrived; the same call goes on with the rest.
    """
    with without_warnings():
        return _send(folder, peer, wishes, progress)


def _send(folder: Path, peer: Peer, wishes: Wishes, progress: Progress) -> Sent:
    items = items_in(folder)
    with Journal(folder, str(peer)) as journal:
        before = sum(journal.state(item) in ARRIVED for item in items)
        if before < len(items) or wishes.commitment:
            with (
                _listening(wishes) as commitment,
                _association(items, peer, wishes, commitment) as link,
            ):
                _store_missing(items, link, journal, peer, progress)
                if wishes.commitment:
                    commitment.ask(items, link, journal, peer.title, wishes.wait_s)
        else:
            progress(before, before)
    return Sent(len(items), before)


@contextmanager
def _listening(wishes: Wishes) -> Iterator[Commitment]:
    """What waits for the archive's word, on a port of its own if that is wanted."""
    commitment = Commitment()
    if not wishes.commitment:
        yield commitment
        return
    ae = AE(wishes.calling)
    ae.add_supported_context(CommitmentClass, scu_role=True, scp_role=True)
    try:
        server = ae.start_server(("", wishes.listen), block=False, evt_handlers=commitment.handlers)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        what = f"orapp can't listen on port {wishes.listen} for the archive's word ({why})"
        raise OrappError(what, "choose another with --listen") from None
    try:
        yield commitment
    finally:
        if server is not None:
            server.shutdown()


@contextmanager
def _association(
    items: Sequence[Item], peer: Peer, wishes: Wishes, commitment: Commitment
) -> Iterator[Association]:
    connected, wakers = threading.Event(), list[threading.Timer]()
    handlers = [
        *commitment.handlers,
        (evt.EVT_CONN_OPEN, lambda _: connected.set()),
        (evt.EVT_CONN_CLOSE, lambda event: wakers.append(_waker(event.assoc))),
    ]
    ae = AE(wishes.calling)
    ae.connection_timeout = ae.acse_timeout = CONNECT_S
    ae.dimse_timeout = ae.network_timeout = ANSWER_S
    try:
        link = ae.associate(  # it leaves a refused socket to Python to close, which warns
            peer.host,
            peer.port,
            contexts=_contexts(items),
            ae_title=peer.title,
            evt_handlers=handlers,
        )
    except (OSError, UnicodeError):
        raise _unreachable(peer) from None
    try:
        if not link.is_established:
            raise _not_connected(link, peer) if connected.is_set() else _unreachable(peer)
        yield link
    finally:
        if link.is_established:
            link.release()
        ae.shutdown()
        for waker in wakers:
            waker.cancel()
        if link.dul.socket is not None and link.dul.socket.socket is not None:
            link.dul.socket.socket.close()  # which pynetdicom forgets if the far end was quicker


def _waker(link: Association) -> threading.Timer:
    """Wakes whoever waits for an answer on a connection that is gone.

    pynetdicom does so too, but its own thread may take the word before the one that waits, which
    then waits for the whole time-out.
    """
    timer = threading.Timer(WAKE_S, lambda: link.dimse.msg_queue.put((None, None)))
    timer.start()
    return timer


def _unreachable(peer: Peer) -> OrappError:
    what = f"no DICOM archive answers at {peer.host}:{peer.port}"
    return OrappError(what, "check host and port, then repeat")


def _contexts(items: Sequence[Item]) -> list[PresentationContext]:
    """Each class in the coding that it has, and uncompressed for an archive that wants that."""
    pairs = {(item.sop_class, item.syntax) for item in items}
    pairs |= {(sop_class, str(ExplicitVRLittleEndian)) for sop_class, _ in pairs}
    if len(pairs) > MOST_CLASSES:
        raise OrappError("the folder holds too many kinds of objects", "send an export of orapp")
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in sorted(pairs)]
    return [*contexts, build_context(CommitmentClass)]


def _not_connected(link: Association, peer: Peer) -> OrappError:
    where = f"{peer.host}:{peer.port}"
    if link.is_rejected:
        answer = link.acceptor.primitive
        why = str(getattr(answer, "reason_str", "no reason given")).lower()
        return OrappError(f"the archive at {where} refuses: {why}", "check both AE titles")
    what = f"what answers at {where} is no DICOM archive"
    return OrappError(what, "check host and port, then repeat")


def _store_missing(
    items: Sequence[Item], link: Association, journal: Journal, peer: Peer, progress: Progress
) -> None:
    arrived = sum(journal.state(item) in ARRIVED for item in items)
    progress(arrived, len(items))
    for item in items:
        if journal.state(item) in ARRIVED:
            continue
        status = _store(item, link)
        if status is None:
            what = f"the archive {peer.title} broke off after {arrived} of {len(items)} objects"
            raise OrappError(what, "nothing is lost: repeat the command to go on")
        if status != 0 and status >> 12 != 0xB:
            what = f"the archive {peer.title} refuses '{item.path.name}' (status {status:04X})"
            raise OrappError(what, "look at its log, then repeat the command to go on")
        journal.note([item.uid], State.STORED)
        arrived += 1
        progress(arrived, len(items))


def _uncompressed(item: Item) -> Dataset:
    try:
        whole = dcmread(item.path)
        whole.decompress(generate_instance_uid=False)
    except Exception:  # decoders raise many kinds on broken pixels
        what = f"'{item.path.name}' can't be decompressed, as the archive wants it"
        raise OrappError(what, "export it again, with --uncompressed") from None
    return whole


def _store(item: Item, link: Association) -> int | None:
    """Sends one object; the archive's status, None if the connection broke."""
    taken = {
        (str(each.abstract_syntax), str(each.transfer_syntax[0])) for each in link.accepted_contexts
    }
    if (item.sop_class, item.syntax) in taken:
        what: Path | Dataset = item.path
    elif (item.sop_class, str(ExplicitVRLittleEndian)) in taken:
        what = _uncompressed(item)
    else:
        known = UID(item.sop_class).name
        raise OrappError(f"the archive takes no {known}", "ask who runs it to allow that")
    try:
        answer = link.send_c_store(what)
    except (RuntimeError, OSError):
        return None
    return int(answer.Status) if "Status" in answer else None
