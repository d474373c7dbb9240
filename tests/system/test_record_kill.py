"""kill -9 at any moment while recording costs the last second at most (C5).

Twelve kills; `ORAPP_LONG=1` makes 200 of them, and prints the figures with `pytest -s`.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from orapp.cli import app
from orapp.session import SessionReader
from tests.sessions import SQUARES
from tests.system.program import WAIT_S

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("ORAPP_LONG") == "1"
KILLS, LIVE_KILLS = (180, 20) if LONG else (9, 3)
SECOND_NS = 1_000_000_000
LIVE = ("live", "--headless", "--source", "simulated:?size=256&video=60", "--record")

if LONG:
    pytestmark = pytest.mark.timeout(3600)


class Recording:
    """A process that records, to be killed."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self._stamps = folder / "stamps.txt"
        self.records = folder / "records"
        with self._stamps.open("wb") as stamps, (folder / "errors.txt").open("wb") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.system.recording"),
                    *map(str, arguments),
                    str(self.records),
                ],
                cwd=ROOT,
                stdout=stamps,
                stderr=errors,
            )

    def stamps(self) -> list[tuple[int, int]]:
        """Index and capture, in ns, of every frame that came so far."""
        lines = self._stamps.read_text().splitlines(keepends=True)
        pairs = [line.split() for line in lines if line.endswith("\n")]
        return [(int(index), int(ns)) for index, ns in pairs]

    def kill_after(self, seconds: float) -> None:
        """Kills it with -9 so long after its first frame; its children must end by themselves."""
        deadline = time.monotonic() + WAIT_S
        while not self._stamps.stat().st_size:
            assert self.process.poll() is None, (self._stamps.parent / "errors.txt").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(seconds)
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WAIT_S)
        assert psutil.wait_procs(children, timeout=WAIT_S)[1] == []

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def lost_ns(recording: Recording, squares: bool) -> int:
    """Checks what is left; returns the time of the frames that are not."""
    stamps = recording.stamps()
    (folder,) = recording.records.iterdir()
    if not (folder / "session.json").exists():  # killed before the first frame was written
        return stamps[-1][1] - stamps[0][1]
    with SessionReader(folder) as reader:
        verdict, got = reader.verify(), []
        for frame in reader.frames():
            if squares:
                assert frame.pixels.tobytes() == SQUARES.picture(frame.index).tobytes()
            got.append((frame.index, frame.captured_ns))
        missing = {n for first, last, _ in reader.gaps for n in range(first, last + 1)}
        segmented = set(reader.segmentations())
    assert (verdict.chain_ok, verdict.problems, verdict.whole) == (True, (), False)
    assert verdict.frames == len(got)
    shown = CliRunner().invoke(app, ["session", "show", str(folder)])
    assert shown.exit_code == 0
    if not got:
        assert "cut off before the first frame: it was never closed" in shown.stdout
        return stamps[-1][1] - stamps[0][1]
    last, last_ns = got[-1]
    assert [pair for pair in stamps if pair[0] <= last and pair[0] not in missing] == got
    assert segmented <= {index for index, _ in stamps}
    assert f"cut off after frame {last}, " in shown.stdout
    return stamps[-1][1] - last_ns


def kill_often(tmp_path: Path, kills: int, within_s: float, *arguments: object) -> None:
    chance = random.Random(6)
    lost = []
    for number in range(kills):
        folder = tmp_path / str(number)
        folder.mkdir()
        recording = Recording(folder, *arguments)
        try:
            recording.kill_after(chance.uniform(0, within_s))
        finally:
            recording.close()
        lost.append(lost_ns(recording, squares=arguments[0] == "frames"))
    print(
        f"{kills} kills; lost at most {max(lost) / 1e6:.0f} ms, "
        f"{sum(lost) / len(lost) / 1e6:.1f} ms on average"
    )
    assert max(lost) <= SECOND_NS


def test_a_killed_recorder_loses_a_second_at_most(tmp_path):
    kill_often(tmp_path, KILLS, 1.5, "frames")


def test_a_killed_live_session_loses_a_second_at_most(tmp_path):
    kill_often(tmp_path, LIVE_KILLS, 4.0, "live", *LIVE)
