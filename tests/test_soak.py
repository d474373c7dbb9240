"""The soak finds nothing in what is sound, and everything that is planted."""

import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtGui import QImage

from orapp import barcode
from orapp.display.window import SurgeonWindow
from orapp.display.words import Moment, words_for
from orapp.frames import AiState, AiStatus, Frame, Outline, Overlay, OverlayStyle, Signal
from tests.sessions import write_session
from tools.soak.__main__ import main, soak
from tools.soak.ending import Sample, judge_growth, judge_left_over, judge_recording, judge_report
from tools.soak.history import Expected
from tools.soak.judge import Judge
from tools.soak.machine import MachineWatch
from tools.soak.outlines import Seen, judge_outlines
from tools.soak.plan import THEMES, Plan, plan_run
from tools.soak.program import Line, Program, parse
from tools.soak.record import Record, markdown
from tools.soak.run import Run
from tools.soak.screen import SCREEN, seen
from tools.soak.xserver import XServer

NOW = 1_000_000.0
"""Wall time of the judged moments, s."""


class Machine:
    """Says that the machine gave no time for so long."""

    def __init__(self, waited_s: float = 0.0) -> None:
        self.waited_s = waited_s

    def waited(self, begin: float, end: float) -> float:
        return self.waited_s

    engine_waited = lost_for_long = waited

    def engine_reads(self, begin, end):
        return 0


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "found")


@pytest.fixture
def judge(record):
    made = Judge(Plan(0, 1, "kill", 30.0), Machine(), record)
    for kind, text in (("signal", "X-ray on"), ("ai", "AI ready: it computes")):
        made.hear(Line(NOW, kind, text))
    return made


def broken(record):
    return [(breach.contract, breach.what) for breach in record.breaches]


@pytest.fixture
def window(qtbot):
    made = SurgeonWindow()
    qtbot.addWidget(made)
    made.resize(*SCREEN)
    yield made
    made.wake.close()
    made.close()


SQUARE = np.array([[300, 300], [700, 300], [700, 700], [300, 700]], np.float32)


def shown(window, number, *, signal=Signal.XRAY_ON, ai=AiState.READY, outline=False, said=True):
    """A look at a window that shows this; it says what is wrong only if `said`."""
    noise = np.random.default_rng(number).integers(60, 180, (1024, 1024), dtype=np.uint8)
    barcode.draw(noise, number)
    frame = Frame(number, noise, 0, number)
    drawn = Overlay(number, number, (Outline(SQUARE, 1.6e5, 0.9),), OverlayStyle.PAIRED, 9.0)
    told = (signal, ai) if said else (Signal.XRAY_ON, AiState.READY)
    text = f"{told[0]} since 12:00:00: pulled out"
    status = AiStatus(told[1], "for a test", 0)
    overlay = drawn if outline else None
    words = words_for(Moment(told[0], text, status, frame=frame, overlay=overlay))
    window.view.present(frame, overlay, words)
    window.top.say(words)
    image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    return seen(rows[:, : image.width()].copy())


def watch(judge, looks, begin, step=0.2):
    """Lets the judge see these looks, one every `step` s."""
    for k, one in enumerate(looks):
        at = NOW + begin + k * step
        judge.see(replace(one, time=at, until=at + 0.01))
    judge.finish(NOW + begin + 5)


def test_a_sound_screen_breaks_nothing(judge, record, window):
    looks = [shown(window, n, outline=n % 2 == 1) for n in range(30, 42, 2)]
    watch(judge, looks, 2.0, 2 / 15)
    assert looks[0].code == 30
    assert broken(record) == []
    assert record.checks["looks at the window"] == 5
    assert record.checks["pixels: frame numbers never go backwards"] == 5


@pytest.mark.parametrize("state", [Signal.LOST, Signal.FROZEN, Signal.BLACK])
@pytest.mark.parametrize("said", [True, False])
def test_a_picture_that_is_not_live_and_looks_so_is_a_breach(judge, record, window, state, said):
    judge.hear(Line(NOW + 1, "signal", f"{state}: pulled out"))
    watch(judge, [shown(window, n, signal=state, said=said) for n in (1, 1, 1)], 2.0)
    assert (broken(record) == []) == said
    if not said:
        assert ("C4", f"not so on the screen: words over the picture: {state}") in broken(record)
        assert (record.folder / record.breaches[0].picture).stat().st_size > 10_000


def test_an_outline_over_a_lost_signal_is_a_breach(judge, record, window):
    judge.hear(Line(NOW + 1, "signal", "no signal: pulled out"))
    watch(judge, [shown(window, 1, signal=Signal.LOST, outline=True)] * 3, 2.0)
    assert {contract for contract, _ in broken(record)} == {"C1"}


@pytest.mark.parametrize("said", [True, False])
def test_ai_off_that_is_not_on_the_screen_is_a_breach(judge, record, window, said):
    judge.allow_off("killed", NOW)
    judge.hear(Line(NOW + 1, "ai", "AI off: it was killed by signal 9"))
    looks = [shown(window, n, ai=AiState.OFF, said=said) for n in (30, 33, 36)]
    watch(judge, looks, 2.0)
    assert (broken(record) == []) == said
    if not said:
        assert ("C2", "not so on the screen: the banner while AI is off") in broken(record)


def test_an_outline_without_an_engine_is_a_breach(judge, record, window):
    judge.allow_off("killed", NOW)
    judge.hear(Line(NOW + 1, "ai", "AI off: it was killed by signal 9"))
    looks = [shown(window, n, ai=AiState.OFF, outline=True) for n in (30, 33, 36)]
    watch(judge, looks, 2.0)
    assert ("C1", "not so on the screen: no outline without an engine") in broken(record)


def test_a_picture_that_stands_is_a_breach(judge, record, window):
    watch(judge, [shown(window, 30)] * 9, 2.0)
    told = [what for _, what in broken(record)]
    assert "not so on the screen: the picture goes on" in told


def test_a_picture_number_that_goes_back_is_a_breach(judge, record, window):
    watch(judge, [shown(window, n) for n in (30, 34, 33)], 2.0, 2 / 15)
    assert broken(record) == [("C1", "not so on the screen: frame numbers never go backwards")]


@pytest.mark.parametrize("waited_s", [0.0, 0.3])
def test_ai_off_must_be_said_soon_unless_the_machine_stood(record, waited_s):
    judge = Judge(Plan(0, 1, "kill", 30.0), Machine(waited_s), record)
    judge.allow_off("killed", NOW)
    off = re.compile("AI off")
    judge.expect(Expected("C2", "AI off after kill -9", "ai", off, NOW, 0.25))
    judge.hear(Line(NOW + 0.4, "ai", "AI off: killed"))
    assert record.breaches == record.excused == []  # until the machine has had its word
    judge.tick(NOW + 1.1)
    assert [contract for contract, _ in broken(record)] == ([] if waited_s else ["C2"])
    assert len(record.excused) == (1 if waited_s else 0)


def test_what_is_never_said_is_a_breach(judge, record):
    judge.expect(Expected("C4", "unplug is said", "signal", re.compile("no signal"), NOW, 1.0))
    judge.tick(NOW + 2)
    assert broken(record) == []
    judge.tick(NOW + 4)
    assert broken(record) == [("C4", "unplug is said: not at all, not within 1000 ms")]


@pytest.mark.parametrize(
    "line",
    ["Traceback (most recent call last):", "2026-01-01 10:00:00,000 orapp watcher: it failed"],
)
def test_a_line_that_does_not_belong_there_is_a_breach(judge, record, line):
    judge.hear(parse(line))
    assert [contract for contract, _ in broken(record)] == ["log"]


def test_ai_off_without_a_cause_is_a_breach(judge, record):
    judge.hear(Line(NOW + 5, "ai", "AI off: the engine failed"))
    judge.tick(NOW + 5.7)
    assert [contract for contract, _ in broken(record)] == ["C2"]


def test_what_grows_is_a_breach(judge, record):
    flat = [Sample(10.0 + n, 400.0, 14, 37) for n in range(30)]
    flat[2] = Sample(12.0, 400.0, 14, 35)  # the engine was away
    judge_growth(flat, judge, "program")
    assert broken(record) == []
    leaking = [Sample(10.0 + n, 400.0 + 3 * n, 14 + n // 8, 37) for n in range(30)]
    judge_growth(leaking, judge, "program")
    assert [contract for contract, _ in broken(record)] == ["C3", "C3"]


def test_a_process_that_outlives_the_program_is_a_breach(judge, record):
    program = Program([], (sys.executable, "-c", "import time; time.sleep(60)"))
    orphan = subprocess.Popen(["sleep", "60"])
    try:
        program.everyone.add(orphan.pid)
        program.close()
        judge_left_over(program, judge, patience_s=0.1)
    finally:
        orphan.kill()
        orphan.wait()
    assert [contract for contract, _ in broken(record)] == ["C3"]
    judge_left_over(program, judge, patience_s=5)
    assert len(record.breaches) == 1


def test_missed_frames_and_mispaired_outlines_are_breaches(judge, record):
    frames = {"captured": 450, "dropped_before_display": 5}
    report = {"frames": frames, "outlines": {"mispaired": 0}, "run": {"seconds": 30.0}}
    plan = Plan(0, 1, "kill", 30.0)
    judge_report(report, plan, judge, 0.0, 0.0)
    assert broken(record) == []
    frames["dropped_before_display"] = 20
    judge_report(report, plan, judge, 1.5, 0.0)
    assert broken(record) == []
    report["outlines"]["mispaired"] = 1
    judge_report(report, plan, judge, 0.0, 0.0)
    assert [contract for contract, _ in broken(record)] == ["C1", "C2"]


def test_a_damaged_recording_is_a_breach(judge, record, tmp_path):
    root = tmp_path / "records"
    root.mkdir()
    folder = write_session(root / "session")
    assert judge_recording(root, judge) == folder
    assert broken(record) == []
    lines = next(folder.glob("*.jsonl"))
    lines.write_bytes(lines.read_bytes().replace(b"X-ray on", b"X-ray ON"))
    assert judge_recording(root, judge) is None
    assert [contract for contract, _ in broken(record)] == ["C5"]


def test_an_outline_that_is_not_its_pictures_is_found(tmp_path):
    folder = write_session(tmp_path / "session")
    own = np.array([[1.5, 2.25], [30.126, 4], [9, 40.5 + 3]], np.float32)
    along = np.concatenate(
        [
            a + (b - a) * np.linspace(0, 1, 30)[:, None]
            for a, b in zip(own, np.roll(own, -1, 0), strict=True)
        ]
    )
    points = ((along + 0.5) / (160, 120)).astype(np.float32)
    pixels = np.zeros((4, 4, 4), np.uint8)
    plan = Plan(0, 1, "recording", 30.0)
    right = Seen(NOW, 3, points, 800.0, 0.0, pixels)
    beside = replace(right, points=points + np.float32(0.1))
    none_there = replace(right, code=4)
    assert judge_outlines(folder, [right], plan) == (1, [])
    assert judge_outlines(folder, [beside, none_there], plan)[1] == [beside, none_there]


def test_every_theme_comes_in_every_round():
    plans = [plan_run(7, number) for number in range(24)]
    assert sorted(plan.theme for plan in plans[12:]) == sorted(THEMES)
    assert plans == [plan_run(7, number) for number in range(24)]
    assert {plan.source() for plan in plans} != {plan_run(8, n).source() for n in range(24)}


@pytest.mark.parametrize(
    ("arguments", "display", "said"),
    [
        (["--minutes", "0"], ":0", "--minutes takes a number above 0"),
        (["--minutes", "soon"], ":0", "invalid float value"),
        ([], "", "there is no X server"),
        (["--out", "/dev/null/soak"], ":0", "the record can't be written"),
    ],
)
def test_wrong_input_is_told_in_a_sentence(monkeypatch, capsys, arguments, display, said):
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(sys, "argv", ["soak", *arguments])
    try:
        code = main()
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert said in capsys.readouterr().err


def needs_a_screen():
    if not os.environ.get("DISPLAY"):
        pytest.skip("no X server: DISPLAY is not set; use `make test`, or xvfb-run")


def run_one(plan, record, command=()):
    machine, server = MachineWatch(), XServer()
    try:
        Run(plan, machine, record, server, command).execute()
    finally:
        server.close()
        machine.stop()
    return record


@pytest.mark.skipif(
    not os.environ.get("ORAPP_LONG"), reason="a soak takes its time: set ORAPP_LONG=1 to run it"
)
def test_a_soak_of_the_program_is_clean(qapp, tmp_path):
    needs_a_screen()
    record = soak(0.35, 3, tmp_path / "out")
    assert broken(record) == []
    assert len(record.runs) == 1
    assert record.checks["looks at the window"] > 20
    page = (tmp_path / "out" / "soak.md").read_text()
    assert "No breach." in page


def test_a_window_that_stands_is_caught(qapp, record):
    needs_a_screen()
    command = (sys.executable, "-m", "tests.frozen", "--verbose", "live")
    run_one(Plan(0, 1, "kill", 9.0), record, command)
    stood = [breach for breach in record.breaches if breach.what.endswith("the picture goes on")]
    assert stood
    assert stood[0].contract == "C4"
    assert stood[0].what in markdown(record.as_json(0.2, 1))
    assert (record.folder / stood[0].picture).stat().st_size > 10_000
