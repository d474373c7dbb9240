"""`orapp session show` and `orapp live --record`, as their users call them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sessions import START_NS, write_session

ROOT = Path(__file__).parent.parent


def orapp(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "orapp", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
    )


def rows(output):
    """The table as a dict: name of the row, what it says."""
    found = [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in output.splitlines()]
    return {row[0]: row[1] for row in found if len(row) == 2}


@pytest.fixture
def folder(tmp_path):
    return write_session(tmp_path / "session-1")


def test_show_tells_what_a_session_holds_and_that_it_is_whole(folder):
    done = orapp("session", "show", folder)
    assert (done.returncode, done.stderr) == (0, "")
    told = rows(done.stdout)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", told.pop("started"))
    assert told == {
        "case": "case 7",
        "source": "square, 160x120, 15 frames/s",
        "length": "0 min 0.7 s",
        "frames": "12",
        "gaps": "1, 3 frames not recorded",
        "segmentations": "4, the engine never came up",
        "events": "2",
        "markers": "1",
        "chain": "verifies",
        "ended": "closed after frame 11, 0.7 s after the first: stopped by the user",
    }


def test_show_lists_events_with_their_times(folder):
    head = json.loads((folder / "session.json").read_text())
    done = orapp("session", "show", "--events", folder)
    assert done.returncode == 0
    seconds = (START_NS + 1_500_000_000 - head["started_ns"]) / 1e9
    (line,) = [line for line in done.stdout.splitlines() if "balloon" in line]
    assert line.split() == [f"{seconds:.3f}", "s", "marker", "balloon", "is", "in"]


def test_a_session_that_was_cut_off_is_shown_and_is_no_error(folder):
    events = folder / "events.jsonl"
    events.write_bytes(events.read_bytes()[:-300])
    done = orapp("session", "show", folder)
    told = rows(done.stdout)
    assert done.returncode == 0
    assert told["chain"] == "verifies"
    assert told["ended"] == "cut off after frame 11, 0.7 s after the first: it was never closed"


def test_damage_is_said_and_is_exit_code_1(folder, tmp_path):
    forged = Path(shutil.copytree(folder, tmp_path / "forged"))
    events = forged / "events.jsonl"
    events.write_text(events.read_text().replace("balloon", "needle!"))
    done = orapp("session", "show", forged)
    assert done.returncode == 1
    told = rows(done.stdout)
    assert told["chain"] == "does not verify"
    assert told["damage"] == "the chain does not hold: line 21 is not the one that was written"
    film = folder / "frames-0000.mkv"
    data = bytearray(film.read_bytes())
    data[len(data) // 3] ^= 0x10
    film.write_bytes(data)
    done = orapp("session", "show", folder)
    assert done.returncode == 1
    told = rows(done.stdout)
    assert told["chain"] == "verifies"
    assert re.fullmatch(r"1 pictures are missing or damaged, .* of frame \d+", told["damage"])


def test_what_is_no_session_is_one_sentence_and_exit_code_2(tmp_path):
    done = orapp("session", "show", tmp_path)
    assert done.returncode == 2
    sentence = "is no session: it holds no session.json; give the folder of a session.\n"
    assert done.stderr == f"orapp: '{tmp_path.name}' {sentence}"
    assert done.stdout == ""


def test_a_session_from_elsewhere_does_not_steer_the_terminal(folder):
    head = json.loads((folder / "session.json").read_text())
    head["case"] = "\x1b[31m[bold]\x07"
    (folder / "session.json").write_text(json.dumps(head))
    (folder / "events.jsonl").write_text("")
    done = orapp("session", "show", folder)
    assert "\x1b" not in done.stdout
    assert rows(done.stdout)["case"] == "?[31m[bold]?"


def test_live_records_and_what_it_recorded_can_be_played(tmp_path):
    report = tmp_path / "report.json"
    source = "simulated:?size=256"
    run = ("live", "--headless", "--seconds", 2, "--record", tmp_path / "records")
    done = orapp(*run, "--source", source, "--report", report)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "records").iterdir()
    assert re.search(r"\nrecording  \d+ frames, \d+ not recorded", done.stdout)
    assert done.stdout.endswith(f"\nrecorded in {folder}\n")
    recording = json.loads(report.read_text())["recording"]
    assert recording["state"] == "stopped"
    shown = orapp("session", "show", folder)
    assert shown.returncode == 0, shown.stdout
    told = rows(shown.stdout)
    assert told["frames"] == str(recording["frames"])
    assert told["ended"].endswith(": the session ended")
    assert str(tmp_path) not in report.read_text()
    played = orapp("live", "--headless", "--source", f"session:{folder}", "--report", report)
    assert played.returncode == 0, played.stderr
    assert json.loads(report.read_text())["frames"]["captured"] == recording["frames"]


def test_a_folder_that_cannot_be_recorded_into_is_said_before_anything_starts(tmp_path):
    (tmp_path / "file").write_text("")
    done = orapp("live", "--headless", "--seconds", 1, "--record", tmp_path / "file")
    assert done.returncode == 2
    assert done.stderr.startswith("orapp: the recording can't be written (")
    assert done.stderr.count("\n") == 1
