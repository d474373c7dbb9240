"""Debian's Orthanc as a real archive for tests: DICOM, storage commitment, DICOMweb."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

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
