"""Debian's Orthanc as a real archive for tests, one that is picky, and a line that is cut."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association

from orapp.pacs import items_in
from orapp.pacs.commitment import CommitmentClass, CommitmentInstance

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SECONDS = 60


def program() -> str | None:
    return shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Orthanc:
    """An archive in a folder; `start`, `kill` and `start` again, with what it has on the disk.

    Args:
        folder: for its settings, database and log.
        knows: AE title and port of the one whom it may send its commitments to.
    """

    title = "ARCHIVE"

    def __init__(self, folder: Path, knows: tuple[str, int], **more: Any) -> None:
        self.port, self.http = free_port(), free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        settings = {
            "Name": "test",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http,
            "DicomPort": self.port,
            "DicomAet": self.title,
            "DicomCheckCalledAet": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "SslEnabled": False,
            "DicomModalities": {"orapp": [knows[0], "127.0.0.1", knows[1]]},
            "DicomAlwaysAllowStore": True,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True},
            "OverwriteInstances": True,
            **more,
        }
        folder.mkdir(parents=True)
        (folder / "orthanc.json").write_text(json.dumps(settings))

    @property
    def address(self) -> str:
        return f"{self.title}@127.0.0.1:{self.port}"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(program()), str(self._folder / "orthanc.json")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self.get("/system")
                return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.kill()
                    raise AssertionError((self._folder / "log").read_text()[-2000:]) from None
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def get(self, path: str) -> Any:
        return json.loads(self.raw(path))

    def raw(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=30) as answer:
            return bytes(answer.read())

    def lose(self, uid: str) -> None:
        """Deletes an object, as a full or careless archive would."""
        for key in self.get("/instances"):
            if self.get(f"/instances/{key}/simplified-tags")["SOPInstanceUID"] == uid:
                url = f"http://127.0.0.1:{self.http}/instances/{key}"
                urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()

    def files(self) -> dict[str, bytes]:
        """What it holds: the DICOM file of each, by SOPInstanceUID."""
        found = {}
        for key in self.get("/instances"):
            uid = self.get(f"/instances/{key}/simplified-tags")["SOPInstanceUID"]
            found[uid] = self.raw(f"/instances/{key}/file")
        return found

    def __enter__(self) -> "Orthanc":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()


class Cable:
    """A line to a port of this machine that is cut after some bytes."""

    def __init__(self, to: int, length: int) -> None:
        self._to, self._left = to, length
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        near, _ = self._server.accept()
        far = socket.create_connection(("127.0.0.1", self._to))
        with near, far:
            back = threading.Thread(target=self._copy, args=(far, near))
            back.start()
            while self._left > 0 and (data := near.recv(min(self._left, 65536))):
                far.sendall(data)
                self._left -= len(data)
            for end in (near, far):
                end.shutdown(socket.SHUT_RDWR)
            back.join()

    @staticmethod
    def _copy(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)

    def __enter__(self) -> "Cable":
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.join()
        self._server.close()


class Picky:
    """An archive that takes no JPEG-LS, and answers C-STORE with a status of the test's.

    With `unnamed`, it knows storage commitment, and names so many objects neither as kept nor as
    failed.
    """

    def __init__(self, status: int = 0, slow_s: float = 0.0, unnamed: int | None = None) -> None:
        self.port, self.stored = free_port(), []
        ae = AE("ARCHIVE")
        for kind in ("1.1.7.2", "1.1.66.4", "1.1.88.33"):
            ae.add_supported_context(f"1.2.840.10008.5.1.4.{kind}", "1.2.840.10008.1.2.1")

        def store(event: evt.Event) -> int:
            made = event.dataset
            made.file_meta = event.file_meta
            self.stored.append(made)
            time.sleep(slow_s)
            return status

        def commit(event: evt.Event) -> tuple[int, None]:
            told = event.action_information
            told.ReferencedSOPSequence = told.ReferencedSOPSequence[unnamed:]
            self._reporting = threading.Thread(target=self._report, args=(event.assoc, told))
            self._reporting.start()
            return 0x0000, None

        handlers = [(evt.EVT_C_STORE, store)]
        if unnamed is not None:
            ae.add_supported_context(CommitmentClass, scu_role=True, scp_role=True)
            handlers.append((evt.EVT_N_ACTION, commit))
        self._reporting: threading.Thread | None = None
        self._server = ae.start_server(("127.0.0.1", self.port), False, evt_handlers=handlers)

    @staticmethod
    def _report(link: Association, told: Dataset) -> None:
        time.sleep(0.2)  # after the answer to the request
        link.send_n_event_report(told, 1, CommitmentClass, CommitmentInstance)

    def __enter__(self) -> "Picky":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._reporting is not None:
            self._reporting.join()
        self._server.shutdown()


class Steps:
    """Progress, and something that is done when it has come so far."""

    def __init__(self, at: int = -1, act=lambda: None) -> None:
        self.seen: list[tuple[int, int]] = []
        self._at, self._act = at, act

    def __call__(self, done: int, total: int) -> None:
        self.seen.append((done, total))
        if done == self._at:
            self._at = -1
            self._act()


def states(folder: Path) -> list[str]:
    journal = folder.with_name(f"{folder.name}.sent.jsonl")
    return [json.loads(line)["state"] for line in journal.read_text().splitlines() if line.strip()]


def assert_archived(archive: Orthanc, folder: Path) -> None:
    """Everything is there once, and the same: pixel for pixel, element for element."""
    there = archive.files()
    sent = {item.uid: item.path for item in items_in(folder)}
    assert there.keys() == sent.keys()
    for uid, path in sent.items():
        mine = pydicom.dcmread(path)
        kept = path.with_suffix(".kept")
        kept.write_bytes(there[uid])
        other = pydicom.dcmread(kept)
        kept.unlink()
        assert other.file_meta.TransferSyntaxUID == mine.file_meta.TransferSyntaxUID
        if "PixelData" in mine:
            np.testing.assert_array_equal(other.pixel_array, mine.pixel_array)
        else:
            assert other == mine
