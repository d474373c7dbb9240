"""What keys, pedals and buttons do, and what they answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orapp.display.controls import HELD
from orapp.display.explaining import Explaining
from orapp.display.language import say
from orapp.display.look import Look
from orapp.display.reference import Kind
from orapp.display.strip import CaseLine
from orapp.display.theme import Tone
from orapp.errors import OrappError
from orapp.frames import Frame, Gray
from orapp.orientation import Orientation

if TYPE_CHECKING:
    from orapp.display.window import SurgeonWindow
    from orapp.live import LiveSession

NOTICE_NS = 4_000_000_000
FAULT_NS = 20_000_000_000
"""So long a banner says that a recording has stopped; the case line goes on saying it."""
QUESTION_NS = 6_000_000_000


class Actions:
    """Does one action after the other on the window, and logs each.

    Args:
        window: whose.
        recordings: folder for the sessions that a key starts.
    """

    REPEATING = (
        *("brighter", "darker", "more_contrast", "less_contrast"),
        *("step_forward", "step_back"),
    )
    """A key that is held does these again and again."""

    def __init__(self, window: SurgeonWindow, recordings: Path | None) -> None:
        self._window = window
        self._recordings = recordings or Path.home() / "orapp-sessions"
        self.hidden = self.hidden_while_held = self.probability = False
        self.explaining = Explaining(self._explained)
        self.explained: tuple[Frame, Gray, str] | None = None
        self._explained_clock = ""
        self._starting: threading.Thread | None = None
        self._refused = ""
        self._notice, self._notice_until_ns = "", 0
        self._asked_until_ns = 0
        self._marks = 0
        self._does: dict[str, Callable[[], object]] = {
            HELD: self._hide,
            "toggle_outline": self._toggle_outline,
            "store_reference": self._store,
            "clear_reference": self._clear,
            "freeze": self._freeze,
            "measures": self._toggle_measures,
            "set_baseline": self._set_baseline,
            "marker": self._mark,
            "record": self._record,
            "rotate": lambda: self._turn(window.look.orientation.turned()),
            "mirror": lambda: self._turn(window.look.orientation.flipped()),
            "invert": lambda: self._level(replace(window.look, inverted=not window.look.inverted)),
            "brighter": lambda: self._level(window.look.stepped(brightness=1)),
            "darker": lambda: self._level(window.look.stepped(brightness=-1)),
            "more_contrast": lambda: self._level(window.look.stepped(contrast=1)),
            "less_contrast": lambda: self._level(window.look.stepped(contrast=-1)),
            "window_reset": lambda: self._level(Look(window.look.orientation)),
            "probability": self._toggle_probability,
            "grad_cam": self._explain,
            "full_screen": self._full_screen,
            "help": window.toggle_help,
            "quit": window.close,
        }

    def act(self, action: str) -> None:
        """Does it; before a session is attached only the window itself can be handled."""
        if self._window.session is None and action not in ("full_screen", "help", "quit"):
            return
        if action not in ("quit", *self.REPEATING):
            self._log("key", action)
        if action != "quit":
            self._asked_until_ns = 0
        does, replay = self._does.get(action), self._window.replay
        if replay is not None and action in replay.does:
            self.tell(replay.does[action]() or "")
            self._window.repaint_all()
        elif does is not None:
            does()

    def release(self) -> None:
        """The key that hides the outline is let go."""
        if self.hidden_while_held:
            self.hidden_while_held = False
            self._log("key", f"{HELD} let go")
            self._window.repaint_all()

    def tell(self, text: str) -> None:
        """Says something for some seconds in the case line."""
        self._notice, self._notice_until_ns = text, time.monotonic_ns() + NOTICE_NS

    def case_line(self, now_ns: int) -> CaseLine:
        """What the case line says now."""
        self._started_recording()
        notice = self._notice if now_ns < self._notice_until_ns else ""
        replay = self._window.replay
        if replay is not None:
            return replay.case_line(self._window.view.frame, self._window.case, notice)
        clock = f"{datetime.now():%Y-%m-%d  %H:%M:%S}"
        return CaseLine(self._window.case, notice, self._chips(now_ns), clock)

    def lit(self) -> list[str]:
        """The actions that are on."""
        look, shelf = self._window.look, self._window.shelf
        on = {
            HELD: self.hidden_while_held,
            "toggle_outline": self.hidden or self.doubts,
            "store_reference": shelf.has(Kind.STORED),
            "freeze": shelf.has(Kind.FROZEN),
            "measures": self._window.measuring.on,
            "set_baseline": self._window.measuring.baseline is not None,
            "record": self._is_recording(),
            "rotate": look.orientation.quarter_turns != 0,
            "mirror": look.orientation.mirrored,
            "invert": look.inverted,
            "window_reset": look.has_levels,
            "help": self._window.help.isVisible(),
        }
        return [action for action, is_on in on.items() if is_on]

    @property
    def doubts(self) -> bool:
        """Whether outlines wait for a person's word on the site profile."""
        session = self._window.session
        return session is not None and session.site_doubt != ""

    def question(self, now_ns: int) -> str:
        """What the next press of `quit`, or of the outline's key, decides; empty if nothing."""
        if now_ns < self._asked_until_ns:
            return say("RECORDING - quit once more to stop it and leave; it goes on by itself")
        if not self.doubts:
            return ""
        key = (*self._window.profile.keys.toggle_outline, "-")[0]
        asked = say(
            "ANOTHER C-ARM? Not the video that the site profile is for: nothing is outlined. "
            "{key}: outline all the same"
        )
        return asked.format(key=key)

    def may_quit(self) -> bool:
        """True if the window may close; while recording only when asked twice."""
        now_ns = time.monotonic_ns()
        if not self._is_recording() or now_ns < self._asked_until_ns:
            return True
        self._asked_until_ns = now_ns + QUESTION_NS
        self._window.repaint_all()
        return False

    def recording_fault(self) -> str:
        """Why a recording has stopped by itself; empty if it has not."""
        session = self._window.session
        if session is None or session.recording.state != "stopped":
            return ""
        status = session.recording
        new = time.monotonic_ns() - status.since_ns < FAULT_NS
        return status.fault if new else ""

    def log_look(self) -> None:
        """Writes down how the grey levels are shown now."""
        self._log("setting", self._window.look.levels_text)

    def _log(self, kind: str, text: str) -> None:
        if self._window.session is not None:
            self._window.session.events.add(kind, text)

    def _is_recording(self) -> bool:
        session = self._window.session
        return session is not None and session.recording.state == "recording"

    def _chips(self, now_ns: int) -> tuple[tuple[str, Tone], ...]:
        session = self._window.session
        if session is None or session.recording.state == "off":
            return ()
        status = session.recording
        if status.state == "stopped":
            failed = [(say("RECORDING HAS STOPPED"), Tone.CARE)]
            return tuple(failed if status.fault else [(say("not recording"), Tone.CALM)])
        if not status.frames:
            return ((say("RECORDING WAITS FOR A PICTURE"), Tone.CARE),)
        seconds = max(now_ns - status.since_ns, 0) // 1_000_000_000
        chips = [(say("RECORDING {time}").format(time=_length(seconds)), Tone.GOOD)]
        if status.disk_low:
            left = f"{status.free_bytes / 1e9:.1f}"
            chips.append((say("DISK LOW: {left} GB left").format(left=left), Tone.CARE))
        if status.dropped:
            lost = say("{count} frames not recorded").format(count=status.dropped)
            chips.append((lost, Tone.CARE))
        return tuple(chips)

    def _hide(self) -> None:
        self.hidden_while_held = True
        self._window.repaint_all()

    def _toggle_outline(self) -> None:
        session = self._window.session
        if session is not None and self.doubts:
            session.confirm_site()
            self._window.repaint_all()
            return
        self.hidden = not self.hidden
        self._window.repaint_all()

    def _put(self, kind: Kind, done: str) -> None:
        frame, window = self._window.view.frame, self._window
        current = window.is_current()
        if frame is None or not current or not self._keep(kind, frame):
            self.tell(say("there is no picture to keep"))
        else:
            self._log("reference", f"{kind}: frame {frame.index}")
            self.tell(done)
        window.repaint_all()

    def _keep(self, kind: Kind, frame: Frame) -> bool:
        window = self._window
        return window.shelf.put(kind, frame, window.segmentation, window.exposed_clock)

    def _store(self) -> None:
        self._put(Kind.STORED, say("stored as reference"))

    def _clear(self) -> None:
        if self._window.shelf.drop(Kind.STORED):
            self.tell(say("the stored reference is cleared"))
        else:
            self.tell(say("no reference is stored"))
        self._window.repaint_all()

    def _freeze(self) -> None:
        if self._window.shelf.drop(Kind.FROZEN):
            self.tell(say("the frozen picture is let go"))
            self._window.repaint_all()
        else:
            self._put(Kind.FROZEN, say("frozen beside the live picture"))

    def _mark(self) -> None:
        self._marks += 1
        frame = self._window.view.frame
        where = f" at frame {frame.index}" if frame is not None else ""
        self._log("marker", f"mark {self._marks}{where}")
        clock = f"{datetime.now():%H:%M:%S}"
        text = say("mark {number} at {clock}").format(number=self._marks, clock=clock)
        recorded = self._is_recording()
        self.tell(text if recorded else f"{text} - {say('not recording')}")
        self._window.repaint_all()

    def _toggle_measures(self) -> None:
        measuring = self._window.measuring
        measuring.on = not measuring.on
        self._log("setting", f"measures {'on' if measuring.on else 'off'}")
        self._window.repaint_all()

    def _set_baseline(self) -> None:
        measuring = self._window.measuring
        if not measuring.on:
            self.tell(say("the measures are off"))
        elif measuring.set_baseline():
            self.tell(say("this is the baseline now"))
        else:
            self.tell(say("nothing is measured on this picture"))
        self._window.repaint_all()

    def _turn(self, orientation: Orientation) -> None:
        self._log("orientation", orientation.text)
        self._window.look = replace(self._window.look, orientation=orientation)

    def _level(self, look: Look) -> None:
        changed = look != self._window.look
        self._window.look = look
        if changed:
            self.log_look()

    def _toggle_probability(self) -> None:
        self.probability = not self.probability
        self._window.repaint_all()

    def _explain(self) -> None:
        """Of the picture that is shown now; the second press takes it away."""
        window, session = self._window, self._window.session
        assert session is not None
        if self.explained is not None:
            self.explained = None
        elif window.view.frame is not None and not self.explaining.busy:
            self._explained_clock = window.exposed_clock
            self.explaining.start(window.view.frame, session.model, session.text)
            self.tell(say("looking where the judgement looks"))
        window.repaint_all()

    def _explained(self, frame: Frame, heat: Gray | None, why: str) -> None:
        if heat is None:
            self.tell(say("not explained: {why}").format(why=why))
        else:
            self.explained = frame, heat, self._explained_clock
        self._window.repaint_all()

    def _full_screen(self) -> None:
        window = self._window
        window.showNormal() if window.isFullScreen() else window.showFullScreen()

    def _record(self) -> None:
        session = self._window.session
        assert session is not None
        if self._starting is not None:
            return
        if self._is_recording():
            session.stop_recording()
            self.tell(say("the recording is stopped"))
        else:
            self._start_recording(session)
        self._window.repaint_all()

    def _start_recording(self, session: LiveSession) -> None:
        """In a thread: making a folder on a disk that hangs must not hold up the picture."""
        look = self._window.look
        said = [("orientation", look.orientation.text), ("setting", look.levels_text)]

        def start() -> None:
            try:
                session.start_recording(self._recordings, self._window.case, said)
                self._refused = ""
            except OrappError as error:
                self._refused = error.what
            except OSError as error:
                self._refused = (error.strerror or type(error).__name__).lower()

        self._starting = threading.Thread(target=start, name="orapp-record-start", daemon=True)
        self._starting.start()

    def _started_recording(self) -> None:
        """Looks whether the thread is through, and says how it went."""
        if self._starting is None or self._starting.is_alive():
            return
        self._starting = None
        if self._refused:
            self.tell(say("not recording: {why}").format(why=self._refused))
            return
        self.tell(say("recording"))


def _length(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
