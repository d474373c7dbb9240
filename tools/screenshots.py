"""Draws every state of the screen: real sessions, real faults, one picture each in docs/screens.

make screenshots      # under Xvfb, 1920x1080, shrunk to 1280 for the page
"""

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtWidgets import QApplication, QWidget
from rich.progress import track

from orapp.backlog import RecordingLimits
from orapp.display.language import use_language
from orapp.display.replay import Replay
from orapp.display.run import application_for
from orapp.display.window import SurgeonWindow
from orapp.engines import EngineSpec
from orapp.frames import AiState
from orapp.live import LiveSession
from orapp.overlay import OverlayRules
from orapp.recorded import read_recorded
from orapp.settings import Measures, OutlineRules, Screen, SiteProfile
from orapp.sources import Source, open_source
from orapp.sources.reel import SessionReel
from orapp.sources.transport import Transport

WAIT_S = 90.0
LATERAL = SiteProfile(measures=Measures(shown=True, anterior="left"))
LABELLED = SiteProfile(outline=OutlineRules(label=True))


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        name, caption: of the file, and on the page.
        until: what to wait for.
        source: its URI.
        keys: actions, once an outline is there (or at once where there never is one).
        delay_ms: of the engine.
        kill: kill -9 the engine, once it is ready.
        replay: the source is a session to be replayed.
        of: the widget to draw; the window by default.
    """

    name: str
    caption: str
    until: Callable[[SurgeonWindow], bool]
    source: str = "simulated:?seed=7"
    keys: tuple[str, ...] = ()
    delay_ms: int = 0
    kill: bool = False
    profile: SiteProfile = field(default_factory=SiteProfile)
    mode: str = "paired"
    case: str = "2026-113"
    limits: RecordingLimits | None = None
    replay: bool = False
    of: Callable[[SurgeonWindow], QWidget | None] = lambda window: window


def _signal(words: str) -> Callable[[SurgeonWindow], bool]:
    def told(window: SurgeonWindow) -> bool:
        said = window.view.words
        return said is not None and said.signal == words

    return told


def _outlined(window: SurgeonWindow) -> bool:
    return window.view.overlay is not None


def _banner(text: str) -> Callable[[SurgeonWindow], bool]:
    return lambda w: w.view.words is not None and text in w.view.words.banner


def _case_line(text: str) -> Callable[[SurgeonWindow], bool]:
    return lambda w: text in w.case_line.accessibleDescription() and _outlined(w)


def _both(one: Callable[[SurgeonWindow], bool]) -> Callable[[SurgeonWindow], bool]:
    return lambda w: one(w) and _outlined(w)


def _starting(window: SurgeonWindow) -> bool:
    started = window.session is not None and window.session.ai.state is AiState.STARTING
    return started and window.view.frame is not None


def _replayed(window: SurgeonWindow) -> bool:
    stands = window.replay is not None and not window.replay.standing.playing
    return stands and _outlined(window) and window.side.view.overlay is not None


def shots(menu: Path, run: Path) -> list[Shot]:
    """All of them; `menu` is a video of a menu screen, `run` a session."""
    hold = _both(_signal("LAST IMAGE HOLD"))
    lost = "simulated:?seed=7&fault=unplug@6s-60s"
    return [
        Shot("x-ray-on", "X-ray on, the fracture outlined on the very exposure shown", _outlined),
        Shot("starting", "The picture is there before the AI is", _starting),
        Shot(
            "hold",
            "Last image hold with its age; measures of a lateral view",
            hold,
            profile=LATERAL,
        ),
        Shot(
            "reference",
            "A stored reference on the right; the confidence as a label",
            _case_line("stored as reference"),
            keys=("store_reference",),
            profile=LABELLED,
        ),
        Shot(
            "frozen-by-key",
            "Frozen beside the live picture, which stays live",
            _case_line("frozen beside"),
            keys=("freeze",),
        ),
        Shot(
            "hidden",
            "The outline hidden by key",
            lambda w: w.outline_hidden,
            keys=("toggle_outline",),
        ),
        Shot(
            "healthy",
            "No fracture outlined",
            lambda w: "no fracture" in w.view.words.finding if w.view.words else False,
            source="simulated:?seed=3&scene=healthy",
        ),
        Shot(
            "no-signal", "The cable is out: dark, dated, worded", _signal("NO SIGNAL"), source=lost
        ),
        Shot(
            "input-frozen",
            "Not a pixel changes, not even the clock",
            _signal("INPUT FROZEN"),
            source="simulated:?seed=7&fault=freeze@5s-60s",
        ),
        Shot(
            "black",
            "A black picture",
            _signal("BLACK PICTURE"),
            source="simulated:?seed=7&fault=black@5s-60s",
        ),
        Shot(
            "view-not-supported",
            "A menu screen is no spine",
            lambda w: w.view.words is not None and w.view.words.ai == "VIEW NOT SUPPORTED",
            source=f"file:{menu}",
        ),
        Shot(
            "ai-late",
            "The engine does not keep up: said, not guessed",
            _banner("AI late"),
            delay_ms=400,
        ),
        Shot("ai-off", "The engine was killed: the video goes on", _banner("AI off"), kill=True),
        Shot(
            "aged",
            "Live mode: an outline of before is dashed, with its age",
            lambda w: w.view.overlay is not None and w.view.overlay.style == "aged",
            delay_ms=110,
            mode="live",
        ),
        Shot("mirrored", "Turned and mirrored: always said", _outlined, keys=("rotate", "mirror")),
        Shot(
            "levels",
            "Grey levels for the eye only",
            _outlined,
            keys=("invert", "brighter", "more_contrast", "more_contrast"),
        ),
        Shot(
            "recording",
            "Recording, a mark set, the disk nearly full",
            _case_line("mark 1"),
            keys=("record", "marker"),
            limits=RecordingLimits(low_bytes=10**18),
        ),
        Shot(
            "quit",
            "Quitting asks first while recording",
            _banner("RECORDING"),
            keys=("record", "quit"),
        ),
        Shot(
            "probability",
            "The engineer's view: the map of probability",
            _both(lambda w: w.side.view.frame is not None),
            keys=("probability",),
        ),
        Shot("help", "The keys, over the right half only", _outlined, keys=("help",)),
        Shot(
            "replay",
            "A session replayed: the outline as it was recorded beside the new one",
            _replayed,
            source=f"session:{run}",
            keys=("play_pause", "next_event"),
            replay=True,
        ),
        Shot("german", "In German", _outlined, profile=SiteProfile(screen=Screen(language="de"))),
        Shot(
            "assistant",
            "The assistant's window",
            lambda w: w.assistant is not None and w.assistant.view.overlay is not None,
            profile=SiteProfile(screen=Screen(assistant=True)),
            of=lambda w: w.assistant,
        ),
    ]


def _source(shot: Shot) -> tuple[Source, Replay | None]:
    if not shot.replay:
        return open_source(shot.source), None
    reel = SessionReel(shot.source.partition(":")[2])
    transport = Transport(reel)
    return transport, Replay(transport, read_recorded(reel.reader))


def draw(shot: Shot, out: Path, application: QApplication, recordings: Path) -> None:
    """Runs the session until the state is there, and draws it."""
    translator = use_language(application, shot.profile.screen.language)
    source, replay = _source(shot)
    window = SurgeonWindow(shot.profile, case=shot.case, recordings=recordings, replay=replay)
    session = LiveSession(
        source,
        EngineSpec("pfnet-lite", "openvino", shot.delay_ms),
        rules=OverlayRules("live" if shot.mode == "live" else "paired"),
        on_news=window.wake.ring,
        recording_limits=shot.limits,
    )
    window.resize(1920, 1080)
    window.show()
    try:
        window.attach(session)
        session.start()
        _prepare(shot, window, session, application)
        _wait(shot.until, window, application, shot.name)
        widget = shot.of(window)
        assert widget is not None
        _save(widget, out / f"{shot.name}.jpg")
    finally:
        session.stop()
        window.wake.close()
        window.close()
        window.deleteLater()
        if translator is not None:
            application.removeTranslator(translator)
        application.processEvents()


def _prepare(
    shot: Shot, window: SurgeonWindow, session: LiveSession, application: QApplication
) -> None:
    if shot.kill:
        _wait(_outlined, window, application, shot.name)
        os.kill(session.worker.pid or 0, signal.SIGKILL)
    if shot.keys:
        _wait(_outlined, window, application, shot.name)
        for action in shot.keys:
            window.act(action)
            _rest(application, 0.3)


def _rest(application: QApplication, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        application.processEvents()
        time.sleep(0.002)


def _wait(
    true: Callable[[SurgeonWindow], bool], window: SurgeonWindow, app: QApplication, name: str
) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true(window):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name}: the state did not come")
        app.processEvents()
        time.sleep(0.002)


def _save(widget: QWidget, path: Path) -> None:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    widget.grab().save(buffer, "PNG")
    drawn = cv2.imdecode(np.frombuffer(buffer.data().data(), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    size = 1280, round(drawn.shape[0] * 1280 / drawn.shape[1])
    small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), small, [cv2.IMWRITE_JPEG_QUALITY, 88])


def write_menu(path: Path) -> None:
    """A video of what a C-arm shows between patients: a list, and a clock that ticks."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("ffv1", rate=15)
        stream.width = stream.height = 768
        stream.pix_fmt = "gray"
        for k in range(900):
            page = np.full((768, 768), 24, np.uint8)
            for row, text in enumerate(("EXAMINATION", "Spine AP", "Spine LAT", "Pelvis", "Dose")):
                cv2.putText(page, text, (90, 150 + 90 * row), 0, 1.6, 210, 3, cv2.LINE_AA)
            cv2.putText(page, f"{k // 15:02d}:{k % 15:02d}", (560, 700), 0, 1.4, 180, 2)
            frame = av.VideoFrame.from_ndarray(page, format="gray")
            film.mux(stream.encode(frame))
        film.mux(stream.encode())


def record_run(root: Path) -> Path:
    """A session of some seconds with a mark."""
    spec = EngineSpec("pfnet-lite", "openvino")
    waiting = LiveSession(open_source("simulated:?seed=7"), spec)
    waiting.start_recording(root, "2026-113")
    with waiting as session:
        for seconds, mark in ((8, "mark 1"), (3, "mark 2")):
            time.sleep(seconds)
            session.events.add("marker", f"{mark} at frame {session.grabber.captured - 1}")
        time.sleep(4)
    assert session.recording_folder is not None
    return session.recording_folder


def write_page(out: Path, drawn: list[Shot]) -> None:
    """README.md beside the pictures."""
    parts = ["# Every state of the screen\n", "Drawn by `make screenshots` from real sessions.\n"]
    parts += [f"## {s.caption}\n![{s.caption}]({s.name}.jpg)\n" for s in drawn]
    (out / "README.md").write_text("\n".join(parts))


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("docs/screens"))
    arguments.add_argument("--only", nargs="*", help="names; all of them by default")
    given = arguments.parse_args()
    application = application_for(headless=False)
    with tempfile.TemporaryDirectory() as folder:
        menu = Path(folder) / "menu.mkv"
        write_menu(menu)
        every = shots(menu, record_run(Path(folder) / "runs"))
        for shot in track([s for s in every if not given.only or s.name in given.only], "drawing"):
            draw(shot, given.out, application, Path(folder) / "sessions")
    write_page(given.out, every)


if __name__ == "__main__":
    main()
