"""What is damaged or cut off is told at every door by which a session leaves; the real commands."""

import json
import subprocess
import sys

import pytest

from orapp.errors import OrappError
from orapp.pacs import items_in
from tests.exports import to_dicom
from tests.sessions import write_session


def orapp(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "orapp", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.fixture
def shortened(tmp_path):
    """A session that was closed, and has lost its film since."""
    folder = write_session(tmp_path / "archive" / "s", 60)
    film = sorted(folder.glob("frames-*.mkv"))[-1]
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 3])
    return folder


def test_qa_calls_a_closed_session_with_lost_pictures_a_failed_run(
    shortened, tmp_path, bright_model
):
    told = orapp(
        *("qa", "run", shortened.parent, "--out", tmp_path / "out"),
        *("--engine", "openvino", "--model", bright_model, "--no-pictures"),
    )
    assert told.returncode == 1, told.stdout + told.stderr
    assert "is damaged" in (tmp_path / "out" / "report.html").read_text()


def test_a_headless_replay_of_it_ends_with_the_sentence(shortened, bright_model):
    told = orapp("replay", shortened, "--headless", "--model", bright_model)
    assert told.returncode == 2
    assert "of its pictures are missing" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_session_that_was_only_cut_off_is_replayed_to_its_end(tmp_path, bright_model):
    folder = write_session(tmp_path / "s", 40, why=None)
    told = orapp("replay", folder, "--headless", "--model", bright_model)
    assert told.returncode == 0, told.stderr


def test_a_broken_chain_is_not_exported(tmp_path):
    folder = write_session(tmp_path / "s")
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    line = json.loads(lines[-3])
    lines[-3] = json.dumps(line | {"t": line["t"] + 1}) + "\n"
    (folder / "events.jsonl").write_text("".join(lines))
    told = orapp("export", folder, "--dicom", tmp_path / "out")
    assert told.returncode == 2
    assert "damaged" in told.stderr
    assert not (tmp_path / "out").exists()


def test_an_export_of_a_session_that_was_cut_off_says_so(tmp_path):
    folder = write_session(tmp_path / "s")
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["kind"] == "end"
    (folder / "events.jsonl").write_text("".join(lines[:-1]))
    assert "cut off" in " ".join(to_dicom(folder, tmp_path / "out").notes)


def test_qa_follows_links_and_takes_a_session_without_its_head_for_broken(tmp_path, bright_model):
    write_session(tmp_path / "elsewhere" / "s", 12)
    archive = tmp_path / "archive"
    headless = write_session(archive / "headless", 12)
    (headless / "session.json").unlink()
    (archive / "link").symlink_to(tmp_path / "elsewhere")
    (archive / "link-back").symlink_to(archive)
    told = orapp(
        *("qa", "run", archive, "--out", tmp_path / "out"),
        *("--engine", "openvino", "--model", bright_model, "--no-pictures"),
    )
    assert told.returncode == 1, told.stdout + told.stderr
    rows = (tmp_path / "out" / "cases.csv").read_text().splitlines()
    assert len(rows) == 3, rows  # the head line, the broken one, the linked one
    assert all("session:" in row for row in rows[1:])


def test_what_is_cut_off_or_there_twice_is_not_sent(tmp_path):
    session = write_session(tmp_path / "s", 6)
    out = tmp_path / "out"
    to_dicom(session, out)
    (run,) = out.glob("run-*.dcm")
    (out / "again.dcm").write_bytes(run.read_bytes())
    told = orapp("send", out, "ANY@127.0.0.1:1")
    assert told.returncode == 2
    assert "two files in 'out' are the same object" in told.stderr
    (out / "again.dcm").unlink()
    run.write_bytes(run.read_bytes()[:-3000])
    told = orapp("send", out, "ANY@127.0.0.1:1")
    assert told.returncode == 2
    assert run.name in told.stderr
    assert "Traceback" not in told.stderr
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("name", ["run-0001.dcm", "outlines-0001.dcm", "measures-0001.dcm"])
def test_no_object_that_is_cut_off_is_sent(tmp_path, name, share):
    out = tmp_path / "out"
    to_dicom(write_session(tmp_path / "s", 6), out)
    assert len(items_in(out)) == 3
    whole = (out / name).read_bytes()
    (out / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(OrappError, match=f"'{name}' is (cut off|broken|not a DICOM file)"):
        items_in(out)
