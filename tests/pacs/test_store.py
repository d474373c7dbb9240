"""`orapp send` against a real archive (Debian's Orthanc): whatever happens, nothing is lost."""

import socket
import subprocess
import sys
import time

import numpy as np
import pydicom
import pytest

from orapp.errors import OrappError
from orapp.pacs import Journal, Sent, State, items_in
from orapp.pacs.store import Peer, Wishes, send
from tests.orthanc import Cable, Picky, Steps, assert_archived, free_port, program, states

pytestmark = pytest.mark.skipif(program() is None, reason="Debian's orthanc is not installed")
WAIT_S = 60.0


def test_everything_is_stored_committed_and_the_same(folder, archive, listen):
    steps = Steps()
    to = Peer.of(archive.address)
    assert send(folder, to, Wishes(listen=listen, wait_s=WAIT_S), steps).objects == 12
    assert steps.seen == [(n, 12) for n in range(13)]
    assert_archived(archive, folder)
    assert states(folder) == ["stored"] * 12 + ["committed"] * 12


def test_a_repeated_send_asks_the_archive_again_and_believes_no_journal(folder, archive, listen):
    to, wishes = Peer.of(archive.address), Wishes(listen=listen, wait_s=WAIT_S)
    assert send(folder, to, wishes, Steps()) == Sent(12, before=0)
    again = Steps()
    assert send(folder, to, wishes, again) == Sent(12, before=12)
    assert again.seen == [(12, 12)]
    assert states(folder) == ["stored"] * 12 + ["committed"] * 12  # no word twice
    archive.lose(items_in(folder)[3].uid)
    with pytest.raises(OrappError, match="does not keep 1 of 12 objects; repeat the command"):
        send(folder, to, wishes, Steps())
    assert send(folder, to, wishes, Steps()) == Sent(12, before=11)
    assert_archived(archive, folder)
    archive.kill()
    with pytest.raises(OrappError, match="no DICOM archive answers at 127"):
        send(folder, to, wishes, Steps())


def test_an_archive_killed_in_the_midst_loses_nothing(folder, archive, listen):
    to, wishes = Peer.of(archive.address), Wishes(listen=listen, wait_s=WAIT_S)
    with pytest.raises(OrappError, match=r"broke off after 5 of 12 objects; nothing is lost"):
        send(folder, to, wishes, Steps(5, archive.kill))
    assert states(folder) == ["stored"] * 5
    with pytest.raises(OrappError, match="no DICOM archive answers at 127"):
        send(folder, to, wishes, Steps())
    archive.start()
    steps = Steps()
    assert send(folder, to, wishes, steps).objects == 12
    assert steps.seen[0] == (5, 12)  # went on, did not begin again
    assert_archived(archive, folder)
    assert states(folder) == ["stored"] * 12 + ["committed"] * 12


def test_an_archive_killed_before_it_confirms_is_asked_again(folder, archive, listen):
    to, wishes = Peer.of(archive.address), Wishes(listen=listen, wait_s=WAIT_S)
    with pytest.raises(OrappError, match="took no request for storage commitment; nothing is lost"):
        send(folder, to, wishes, Steps(12, archive.kill))
    archive.start()
    steps = Steps()
    assert send(folder, to, wishes, steps).objects == 12
    assert steps.seen == [(12, 12)]
    assert states(folder) == ["stored"] * 12 + ["committed"] * 12


def test_what_the_archive_lost_is_sent_again(folder, archive, listen):
    """Stored, then lost by the archive: its commitment says so, and the same command heals it."""
    to, wishes = Peer.of(archive.address), Wishes(listen=listen, wait_s=WAIT_S)
    gone = items_in(folder)[3].uid

    with pytest.raises(OrappError, match="does not keep 1 of 12 objects; repeat the command"):
        send(folder, to, wishes, Steps(12, lambda: archive.lose(gone)))
    assert states(folder).count("committed") == 11
    steps = Steps()
    assert send(folder, to, wishes, steps).objects == 12
    assert steps.seen == [(11, 12), (12, 12)]
    assert_archived(archive, folder)


def test_an_object_that_the_archive_does_not_name_counts_as_not_kept(folder):
    with Picky(unnamed=2) as picky:
        to = Peer("ARCHIVE", "127.0.0.1", picky.port)
        wishes = Wishes(listen=free_port(), wait_s=WAIT_S)
        with pytest.raises(OrappError, match="does not keep 2 of 12 objects; repeat the command"):
            send(folder, to, wishes, Steps())
    assert states(folder).count("committed") == 10
    assert states(folder).count("lost") == 2


def test_a_line_cut_in_the_midst_of_an_object_loses_nothing(folder, archive, listen):
    to, wishes = Peer.of(archive.address), Wishes(listen=listen, wait_s=WAIT_S)
    size = sum(path.stat().st_size for path in folder.iterdir())
    with Cable(archive.port, size // 2) as cable:
        through = Peer(to.title, to.host, cable.port)
        with pytest.raises(OrappError, match=r"broke off after \d+ of 12 objects; nothing is lost"):
            send(folder, through, wishes, Steps())
    arrived = len(states(folder))
    assert 0 < arrived < 12
    journal = folder.with_name(f"{folder.name}.sent.jsonl")
    journal.write_text(journal.read_text().replace(str(through), str(to)))  # the same archive
    steps = Steps()
    assert send(folder, to, wishes, steps).objects == 12
    assert steps.seen[0] == (arrived, 12)
    assert_archived(archive, folder)


def test_a_sender_that_is_killed_goes_on_where_it_was(folder):
    with Picky(slow_s=0.3) as picky:
        to = f"ARCHIVE@127.0.0.1:{picky.port}"
        words = [sys.executable, "-m", "orapp", "send", str(folder), to, "--no-commitment"]
        journal = folder.with_name(f"{folder.name}.sent.jsonl")
        sender = subprocess.Popen(words)
        deadline = time.monotonic() + WAIT_S
        while not journal.exists() or journal.read_text().count("\n") < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        sender.kill()
        sender.wait()
        arrived = len(states(folder))
        assert arrived < 12
        send(folder, Peer.of(to), Wishes(commitment=False), Steps())
        assert len(states(folder)) == 12
        there = [made.SOPInstanceUID for made in picky.stored]
    assert set(there) == {item.uid for item in items_in(folder)}
    assert len(there) <= 13  # the one that was under way may have come twice


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("WRONG@127.0.0.1:{port}", "refuses: called ae title not recognised; check both AE titles"),
        ("ARCHIVE@127.0.0.1:{free}", r"no DICOM archive answers at 127.0.0.1:\d+; check"),
        ("ARCHIVE@127.0.0.1:{http}", r"what answers at 127.0.0.1:\d+ is no DICOM archive"),
        ("ARCHIVE@no.such.host.invalid:104", "no DICOM archive answers at no.such.host.invalid"),
    ],
)
def test_a_wrong_address_is_one_sentence_and_the_right_one_goes_on(
    folder, archive, listen, address, sentence
):
    told = address.format(port=archive.port, free=free_port(), http=archive.http)
    wishes = Wishes(listen=listen, wait_s=WAIT_S)
    with pytest.raises(OrappError, match=sentence):
        send(folder, Peer.of(told), wishes, Steps())
    assert states(folder) == []


def test_an_archive_that_cannot_call_back_is_not_taken_for_one_that_keeps(folder, archive):
    """It knows us at another port: the answer never comes."""
    wishes = Wishes(listen=free_port(), wait_s=1)
    with pytest.raises(OrappError, match="has 12 objects but did not confirm in 1 s that it keeps"):
        send(folder, Peer.of(archive.address), wishes, Steps())
    assert states(folder) == ["stored"] * 12
    free = Wishes(commitment=False)
    assert send(folder, Peer.of(archive.address), free, Steps()) == Sent(12, before=12)


def test_a_taken_port_is_one_sentence(folder, archive):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OrappError, match=f"can't listen on port {port}.*--listen"):
            send(folder, Peer.of(archive.address), Wishes(listen=port), Steps())


def test_an_archive_without_jpeg_ls_gets_the_same_pixels_uncompressed(folder):
    with Picky() as picky:
        send(folder, Peer("ARCHIVE", "127.0.0.1", picky.port), Wishes(commitment=False), Steps())
        there = {made.SOPInstanceUID: made for made in picky.stored}
    for item in items_in(folder):
        mine = pydicom.dcmread(item.path)
        if "PixelData" in mine:
            np.testing.assert_array_equal(there[item.uid].pixel_array, mine.pixel_array)
    assert len(there) == 12


def test_a_refused_object_and_a_missing_commitment_are_one_sentence(folder):
    with Picky(0xA700) as picky:
        to = Peer("ARCHIVE", "127.0.0.1", picky.port)
        with pytest.raises(OrappError, match=r"refuses 'measures-0001.dcm' \(status A700\)"):
            send(folder, to, Wishes(commitment=False), Steps())
    with Picky(0xB000) as picky:
        to = Peer("ARCHIVE", "127.0.0.1", picky.port)
        with pytest.raises(OrappError, match=r"knows no storage commitment; .* --no-commitment"):
            send(folder, to, Wishes(listen=free_port()), Steps())
    assert states(folder) == ["stored"] * 12


def test_a_journal_that_was_cut_off_costs_one_object_only(folder):
    items = items_in(folder)
    with Journal(folder, "A@h:1") as journal:
        journal.note([items[0].uid, items[1].uid], State.STORED)
        journal.note([items[0].uid], State.COMMITTED)
    with Journal(folder, "B@h:1") as journal:
        assert journal.state(items[0]) is None
    path = folder.with_name(f"{folder.name}.sent.jsonl")
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with Journal(folder, "A@h:1") as journal:
            if cut < whole.index(b"\n"):
                assert journal.state(items[0]) is None
            journal.note([items[2].uid], State.STORED)
        with Journal(folder, "A@h:1") as journal:
            assert journal.state(items[2]) == State.STORED
    path.write_bytes(b"\xff\x00[1]\n[[[[\nnull\n")
    with Journal(folder, "A@h:1") as journal:
        assert journal.state(items[0]) is None


def test_a_folder_that_is_no_export_is_one_sentence(tmp_path):
    to = Peer("A", "127.0.0.1", 1)
    with pytest.raises(OrappError, match="'none' is no folder; give the folder of an export"):
        send(tmp_path / "none", to, Wishes(), Steps())
    with pytest.raises(OrappError, match="is empty; give the folder of an export"):
        send(tmp_path, to, Wishes(), Steps())
    (tmp_path / "x.dcm").write_text("x")
    with pytest.raises(OrappError, match=r"'x.dcm' is not a DICOM file"):
        send(tmp_path, to, Wishes(), Steps())


@pytest.mark.parametrize(
    "text", ["", "A@h", "A@h:0", "A@h:99999", "@h:1", "x" * 17 + "@h:1", "A@:1"]
)
def test_what_is_no_address_is_one_sentence(text):
    with pytest.raises(OrappError, match="is no DICOM address; give it as AET@HOST:PORT"):
        Peer.of(text)


def test_the_command_sends_fails_with_2_and_goes_on(folder, archive, listen):
    def orapp(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orapp", "--verbose", "send", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    archive.kill()
    done = orapp(archive.address, "--listen", str(listen))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("orapp: no DICOM archive answers at 127.0.0.1:")
    assert done.stderr.count("\n") == 1
    archive.start()
    done = orapp(archive.address, "--listen", str(listen))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "12 objects: the archive has confirmed all of them\n"
    done = orapp("--stow", archive.web)
    assert (done.returncode, done.stderr) == (0, "")
    done = orapp("--stow", archive.web)
    before = "12 of them in an earlier call and not asked again"
    assert done.stdout == f"12 objects: the archive has confirmed all of them, {before}\n"
    done = orapp()
    assert done.returncode == 2
    assert "one archive is needed; give AET@HOST:PORT or --stow URL" in done.stderr
    assert_archived(archive, folder)


@pytest.mark.parametrize(
    ("missing", "words", "sentence"),
    [
        ("pynetdicom", ["send", "x", "A@h:1"], "sending needs pynetdicom; install orapp[qa]"),
        ("dicomweb_client", ["send", "x", "--stow", "http://h"], "STOW needs dicomweb-client"),
    ],
)
def test_what_is_not_installed_is_named(missing, words, sentence):
    code = f"import sys; sys.modules[{missing!r}] = None; sys.argv[1:] = {words}\n"
    code += "from orapp.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"orapp: {sentence}")


def test_a_file_that_pydicom_finds_odd_is_sent_without_a_word_of_it(folder, archive, listen):
    path = folder / "run-0001.dcm"
    odd = path.read_bytes().replace(b"CS\x06\x00SPINE ", b"CS\x06\x00Erika!")
    assert odd != path.read_bytes()
    path.write_bytes(odd)
    words = [sys.executable, "-m", "orapp", "--verbose", "send", str(folder), archive.address]
    done = subprocess.run(
        [*words, "--listen", str(listen)], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    path.write_bytes(odd.replace(b"1.2.840", b"1.\xff.84"))
    with pytest.raises(OrappError, match=r"'run-0001.dcm' is not a DICOM file"):
        send(folder, Peer.of(archive.address), Wishes(listen=listen), Steps())
