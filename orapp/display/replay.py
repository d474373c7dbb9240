"""A replay on the screen: what it says of itself, what its keys do, what stands beside it."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from orapp.display.language import say
from orapp.display.look import Look
from orapp.display.marks import look_words
from orapp.display.side import SidePanel
from orapp.display.strip import CaseLine
from orapp.display.theme import Tone
from orapp.display.words import state_word
from orapp.frames import Frame
from orapp.orientation import Orientation
from orapp.recorded import Happening, Recorded
from orapp.sources.transport import SPEEDS, Standing, Transport


class Replay:
    """A recording that is replayed, and what was recorded beside its pictures.

    Args:
        transport: the source of the session that is shown.
        recorded: what was recorded; by default nothing.

    Attributes:
        does: what its actions do; each may return what to tell.
    """

    def __init__(self, transport: Transport, recorded: Recorded | None = None) -> None:
        self._transport, self._recorded = transport, recorded or Recorded()
        self.does: dict[str, Callable[[], str | None]] = {
            "play_pause": self._play_pause,
            "step_back": lambda: transport.step(-1),
            "step_forward": lambda: transport.step(1),
            "previous_event": lambda: self._jump(-1),
            "next_event": lambda: self._jump(1),
            "slower": lambda: self._hurry(-1),
            "faster": lambda: self._hurry(1),
            "to_start": lambda: transport.seek(0),
            "record": lambda: say("a replay is not recorded: copy the recording instead"),
            "marker": lambda: say("a replay keeps no marks"),
        }

    @property
    def standing(self) -> Standing:
        """Of the transport."""
        return self._transport.standing

    @property
    def happenings(self) -> Sequence[Happening]:
        """What was recorded, by place."""
        return self._recorded.happenings

    def place(self, frame: Frame | None) -> int | None:
        """Where in the recording a frame of the session was; None without one."""
        spot = None if frame is None else self._transport.spot_of(frame.index)
        return None if spot is None else spot[0]

    def seek(self, place: int) -> None:
        """Goes to a place."""
        self._transport.seek(place)

    def chip(self) -> str:
        """What the first chip says: never what a live picture says."""
        now = self.standing
        if now.at_end:
            return say("REPLAY AT ITS END")
        if not now.playing:
            return say("REPLAY PAUSED")
        return say("REPLAY") if now.speed == 1 else say("REPLAY {n}x").format(n=f"{now.speed:g}")

    def clock(self, frame: Frame) -> str:
        """When the frame was recorded: the time of day, or else the time from the start."""
        spot = self._transport.spot_of(frame.index)
        if spot is None:
            return ""
        wall = self._recorded.wall_time(spot[0])
        return f"{wall:%H:%M:%S}" if wall is not None else _length(spot[1])

    def case_line(self, frame: Frame | None, case: str, notice: str) -> CaseLine:
        """The line under the top strip: place, recorded states, recorded wall time."""
        case, now = case or self._recorded.case, self.standing
        spot = None if frame is None else self._transport.spot_of(frame.index)
        if spot is None or frame is None:
            return CaseLine(case, notice)
        place, ms = spot
        told = say("picture {place} of {count}").format(place=place + 1, count=now.length)
        whole = f" / {_length(self._recorded.seconds * 1000)}" if self._recorded.rows else ""
        parts = (f"{_length(ms)}{whole}", told, self._state(frame, place))
        chips = [("  -  ".join(parts), Tone.CALM)]
        fault = now.fault or self._recorded.ended
        if fault:
            chips.append((say("RECORDING {fault}").format(fault=fault), Tone.CARE))
        wall = self._recorded.wall_time(place)
        clock = f"{wall:%Y-%m-%d  %H:%M:%S}.{wall.microsecond // 1000:03d}" if wall else ""
        clock = say("recorded {time}").format(time=clock) if clock else say("no recorded time")
        return CaseLine(case, notice, tuple(chips), clock)

    def _state(self, frame: Frame, place: int) -> str:
        """What the screen said when it was recorded; of a file, what the picture looks like."""
        if place >= len(self._recorded.rows):
            return say("looks like {signal}").format(signal=say(state_word(frame.signal)))
        states = [say(state_word(self._recorded.rows[place].signal))]
        ai = self._recorded.ai(place)
        if ai is not None:
            states.append(say(state_word(ai)))
        with suppress(ValueError):  # nothing, or what only a newer orapp knows
            turned = Orientation.from_text(self._recorded.state("orientation", place))
            states.append(look_words(Look(turned), say))
        return say("was {states}").format(states=", ".join(filter(None, states)))

    def show_beside(self, side: SidePanel, frame: Frame | None, *, hidden: bool) -> None:
        """The right half: the same frame with the outline that was recorded on it."""
        place = self.place(frame)
        if not self._recorded.has_outlines:
            side.show_recorded(say("NO OUTLINES WERE RECORDED"), None, None)
        elif frame is None or place is None:
            side.show_recorded(say("RECORDED OUTLINE"), None, None)
        else:
            overlay = self._recorded.overlay(place, frame.pixels)
            text = " - ".join(part for part in (self._found(place), self._recorded.engine) if part)
            side.show_recorded(text, frame, None if hidden else overlay)

    def _found(self, place: int) -> str:
        """What the recorded engine found on the frame, as a head line."""
        seen = self._recorded.segmentation(place)
        if seen is None:
            return say("RECORDED: not segmented")
        if not seen.view_supported:
            return say("RECORDED: no spine seen")
        return say("RECORDED OUTLINE") if seen.outlines else say("RECORDED: no fracture outlined")

    def _play_pause(self) -> None:
        if self.standing.playing:
            self._transport.pause()
        else:
            self._transport.play()

    def _hurry(self, way: int) -> None:
        at = min(range(len(SPEEDS)), key=lambda k: abs(SPEEDS[k] - self.standing.speed))
        self._transport.set_speed(SPEEDS[max(min(at + way, len(SPEEDS) - 1), 0)])

    def _jump(self, way: int) -> str:
        """To the next event, or the previous one; one key after the other goes on from there."""
        happening = self._recorded.beside(self.standing.heading, way)
        if happening is None:
            return say("no more events that way")
        self._transport.pause()
        self._transport.seek(happening.place)
        there = [h for h in self._recorded.happenings if h.place == happening.place]
        return "; ".join(f"{h.kind}: {h.text}" for h in there[:3])


def _length(ms: float) -> str:
    """Minutes, seconds, tenths."""
    return f"{int(ms // 60_000)}:{ms / 1000 % 60:04.1f}"
