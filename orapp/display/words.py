"""What the screen says about a moment, as plain words. Pure: no Qt, no clock."""

from collections.abc import Callable
from dataclasses import dataclass

from orapp.display.theme import Tone
from orapp.frames import AiState, AiStatus, Frame, Overlay, OverlayStyle, Segmentation, Signal
from orapp.overlay import NO_VIEW_AFTER_S

Say = Callable[[str], str]
"""From English words to the screen's language."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that the words depend on.

    Attributes:
        signal, signal_text: of the session.
        ai: of the session.
        frame: the one that is shown, or None before the first.
        segmentation: the newest that came, or None.
        overlay: what is drawn, or None.
        hidden: the surgeon hides the outline.
        ended: a finite source is through.
        clock: wall time of the last picture, HH:MM:SS.
        shown_ms: capture to shown, lately.
        outline_ms: capture to outline shown, lately.
        rate_hz: frames per second that were shown lately.
        pulse_hz: exposures per second lately.
        held_s: since the exposure that is shown.
        no_view_s: since when no spine is seen; None while one is.
        question: what the next key press decides, or empty.
        recording_fault: why a recording has stopped by itself, or empty.
        replay: what the first chip says in place of the signal while a recording is replayed,
            in the screen's language; empty if the picture is live.
        recorded: the source is finite, a file: what it shows is from then, not from now.
    """

    signal: Signal
    signal_text: str
    ai: AiStatus
    frame: Frame | None = None
    segmentation: Segmentation | None = None
    overlay: Overlay | None = None
    hidden: bool = False
    ended: bool = False
    clock: str = ""
    shown_ms: float | None = None
    outline_ms: float | None = None
    rate_hz: float = 0.0
    pulse_hz: float = 0.0
    held_s: float = 0.0
    no_view_s: float | None = None
    question: str = ""
    recording_fault: str = ""
    replay: str = ""
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What is written where, and how loud.

    Attributes:
        signal, signal_tone: the first chip.
        ai, ai_tone: the second chip.
        finding: what the outline means now.
        finding_tone: CARE where something is missing that may be expected.
        figures: rates and ages.
        banner, banner_tone: across the top of the picture; empty if there is none.
        veil: words over a picture that is not live; empty if it is.
        veil_note: a second, smaller line of it.
    """

    signal: str
    signal_tone: Tone
    ai: str
    ai_tone: Tone
    finding: str
    finding_tone: Tone
    figures: str
    banner: str = ""
    banner_tone: Tone = Tone.CARE
    veil: str = ""
    veil_note: str = ""


_SIGNAL = {
    Signal.CONNECTING: ("CONNECTING", Tone.CALM),
    Signal.XRAY_ON: ("X-RAY ON", Tone.GOOD),
    Signal.HOLD: ("LAST IMAGE HOLD", Tone.CALM),
    Signal.FROZEN: ("INPUT FROZEN", Tone.FAULT),
    Signal.BLACK: ("BLACK PICTURE", Tone.CARE),
    Signal.LOST: ("NO SIGNAL", Tone.FAULT),
}
_AI = {
    AiState.STARTING: ("AI STARTING", Tone.CALM),
    AiState.READY: ("AI READY", Tone.GOOD),
    AiState.LATE: ("AI LATE", Tone.CARE),
    AiState.OFF: ("AI OFF", Tone.CARE),
}
STATES = (
    *(words for words, _ in _SIGNAL.values()),
    *(words for words, _ in _AI.values()),
    "RUN ENDED",
    "VIEW NOT SUPPORTED",
)
"""The words of the two chips."""


def state_word(state: Signal | AiState) -> str:
    """The English word of a state, as the chips say it."""
    return _SIGNAL[state][0] if isinstance(state, Signal) else _AI[state][0]


def words_for(m: Moment, say: Say = str) -> Words:
    """The words for a moment."""
    signal, signal_tone = _SIGNAL[m.signal]
    if m.ended:
        signal, signal_tone = "RUN ENDED", Tone.CALM
    if m.recorded and signal_tone is Tone.GOOD:
        signal_tone = Tone.CALM  # nothing is live
    if m.replay:
        signal_tone = Tone.CALM
    ai, ai_tone = ("VIEW NOT SUPPORTED", Tone.CARE) if _is_no_view(m) else _AI[m.ai.state]
    veil, veil_note = _veil(m, say)
    told = say("RECORDED: {state}").format(state=say(signal)) if m.recorded else say(signal)
    return Words(
        m.replay or told,
        signal_tone,
        say(ai),
        ai_tone,
        _finding(m, say),
        Tone.CARE if m.hidden else Tone.GOOD,
        _figures(m, say),
        _banner(m, say),
        Tone.CARE,
        veil,
        veil_note,
    )


def _banner(m: Moment, say: Say) -> str:
    if m.question:
        return m.question
    if m.ai.state is AiState.OFF:
        return say("AI off: {why}").format(why=m.ai.reason)
    if m.ai.state is AiState.LATE and not _is_answered(m):
        return say("AI late: no outline on the newest picture")
    if m.recording_fault:
        return say("RECORDING HAS STOPPED: {why}").format(why=m.recording_fault)
    return ""


def _is_answered(m: Moment) -> bool:
    """Whether the exposure that is shown has been segmented."""
    if m.frame is None or m.segmentation is None:
        return False
    return m.segmentation.exposure == m.frame.exposure


def _is_veiled(m: Moment) -> bool:
    if m.signal is Signal.LOST or m.frame is None:
        return True
    return m.signal in (Signal.FROZEN, Signal.BLACK) and not m.ended and not m.replay


def _veil(m: Moment, say: Say) -> tuple[str, str]:
    if not _is_veiled(m):
        return "", ""
    if m.signal is Signal.LOST:
        last = say("last picture {clock}").format(clock=m.clock) if m.clock else ""
        why = m.signal_text.partition(": ")[2]
        note = " - ".join(part for part in (last or say("no picture yet"), why) if part)
        return say("NO SIGNAL"), note
    if m.frame is None:
        return say("WAITING FOR PICTURE"), ""
    if m.signal is Signal.FROZEN:
        note = say("not a pixel has changed since {clock}: check the cable")
        return say("INPUT FROZEN"), note.format(clock=m.clock)
    return say("BLACK PICTURE"), say("the C-arm sends a black picture")


def _finding(m: Moment, say: Say) -> str:
    if m.hidden:
        return say("OUTLINE HIDDEN")
    if m.overlay is not None:
        if m.overlay.style is OverlayStyle.AGED:
            return say("outline is {age} ms old").format(age=f"{m.overlay.age_ms:.0f}")
        return say("fracture outlined")
    if m.segmentation is None or not _is_told(m):
        return ""
    if not m.segmentation.view_supported:
        return say("no spine seen: nothing is outlined") if _is_no_view(m) else ""
    outlined = m.segmentation.outlines
    return say("fracture outlined") if outlined else say("no fracture outlined")


def _is_no_view(m: Moment) -> bool:
    """Whether what is shown is no view of a spine: then nobody shall wait for an outline."""
    return m.no_view_s is not None and m.no_view_s >= NO_VIEW_AFTER_S and _is_told(m)


def _is_told(m: Moment) -> bool:
    """Whether the newest answer may be put into words.

    While the next one is being computed the last one's words stay, so that they don't blink.
    """
    if _is_veiled(m) or m.frame is None or m.segmentation is None:
        return False
    if m.ai.state is AiState.READY:
        return m.frame.exposure - m.segmentation.exposure in (0, 1)
    return m.ai.state is AiState.LATE and _is_answered(m)


def _figures(m: Moment, say: Say) -> str:
    if m.signal is Signal.LOST or m.frame is None:
        return ""
    if m.signal is Signal.HOLD and not m.replay:
        return say("held {age} s").format(age=f"{m.held_s:.0f}")
    parts = []
    if m.signal is Signal.XRAY_ON and m.pulse_hz and not m.replay:
        parts.append(say("{rate} pulses/s").format(rate=_rate(m.pulse_hz)))
    if m.rate_hz:
        parts.append(say("video {rate}/s").format(rate=_rate(m.rate_hz)))
    if m.shown_ms is not None:
        parts.append(say("picture {age} ms").format(age=f"{m.shown_ms:.0f}"))
    if m.outline_ms is not None:
        parts.append(say("outline {age} ms").format(age=f"{m.outline_ms:.0f}"))
    return "   ".join(parts)


def _rate(hz: float) -> str:
    """`15`, but `7.5` and `3.8`: slow fluoroscopy is told to a tenth."""
    return f"{hz:.0f}" if hz >= 10 or abs(hz - round(hz)) < 0.1 else f"{hz:.1f}"
