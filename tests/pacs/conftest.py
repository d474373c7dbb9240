"""An export to send, and a real archive to send it to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exports import pictures, to_dicom, write_session
from tests.orthanc import Orthanc, free_port


@pytest.fixture(scope="module")
def exports(tmp_path_factory) -> Path:
    """Twelve objects: four runs with outlines and reports."""
    folder = tmp_path_factory.mktemp("exports")
    frames = pictures(12)
    turns = ("turned 90", "turned 180", "turned 270")
    events = {3 * (n + 1): [("orientation", turn)] for n, turn in enumerate(turns)}
    session = write_session(folder / "s", frames, outlined=range(12), events=events)
    to_dicom(session, folder / "out", deidentify=True)
    return folder / "out"


@pytest.fixture
def folder(exports, tmp_path) -> Path:
    copy = tmp_path / "to send"
    copy.mkdir()
    for path in exports.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


@pytest.fixture
def listen() -> int:
    return free_port()


@pytest.fixture
def archive(tmp_path, listen) -> Iterator[Orthanc]:
    with Orthanc(tmp_path / "orthanc", ("ORAPP", listen)) as running:
        yield running
