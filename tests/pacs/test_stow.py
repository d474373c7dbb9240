"""STOW-RS against a real archive (Debian's Orthanc with its DICOMweb plugin)."""

import pytest

from orapp.errors import OrappError
from orapp.pacs import Sent
from orapp.pacs.stow import stow
from tests.exports import pictures, to_dicom, write_session
from tests.orthanc import Steps, assert_archived, program, states

pytestmark = pytest.mark.skipif(program() is None, reason="Debian's orthanc is not installed")
WAIT_S = 60.0


def test_stow_stores_the_same(folder, archive):
    steps = Steps()
    assert stow(folder, archive.web, steps).objects == 12
    assert steps.seen == [(n, 12) for n in range(13)]
    assert_archived(archive, folder)
    archive.kill()
    asked_nobody = stow(folder, archive.web + "/", Steps())
    assert asked_nobody == Sent(12, before=12)  # and the command says so


def test_a_run_larger_than_a_piece_of_http_arrives_whole(tmp_path, archive):
    session = write_session(tmp_path / "s", pictures(3, (900, 1200)))
    to_dicom(session, tmp_path / "big")
    assert (tmp_path / "big" / "run-0001.dcm").stat().st_size > 3_000_000
    stow(tmp_path / "big", archive.web, Steps())
    assert_archived(archive, tmp_path / "big")


def test_stow_goes_on_after_a_kill(folder, archive):
    with pytest.raises(OrappError, match=r"at 127.0.0.1:\d+ does not answer; nothing is lost"):
        stow(folder, archive.web, Steps(4, archive.kill))
    assert states(folder) == ["stored"] * 4
    archive.start()
    steps = Steps()
    assert stow(folder, archive.web, steps).objects == 12
    assert steps.seen[0] == (4, 12)
    assert_archived(archive, folder)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:{http}/nowhere", r"refuses 'measures-0001.dcm' \(HTTP 404\)"),
        ("http://127.0.0.1:{port}/dicom-web", "does not answer"),
        ("ftp://host/x", "no DICOMweb address"),
        ("http://u:p@host/x", "holds more than host and path; put name and password into ~/.netrc"),
        ("http://[::1", "no DICOMweb address"),
    ],
)
def test_a_wrong_url_is_one_sentence(folder, archive, url, sentence):
    with pytest.raises(OrappError, match=sentence) as told:
        stow(folder, url.format(http=archive.http, port=archive.port), Steps())
    assert "u:p" not in str(told.value)
