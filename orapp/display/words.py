"""What the screen says about a moment, as plain words. Pure: no Qt, no clock."""

from dataclasses import dataclass

from orapp.display.theme import Tone
from orapp.frames import AiState, AiStatus, Frame, Overlay, OverlayStyle, Segmentation, Signal


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
        held_s: since the exposure that is shown.
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
    held_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Words:
    """What is written where, and how loud.

    Attributes:
        signal, signal_tone: the first chip.
        ai, ai_tone: the second chip.
        finding: what the outline means now.
        figures: rate and ages.
        banner, banner_tone: across the top of the picture; empty if there is none.
        veil: words over a picture that is not live; empty if it is.
        veil_note: a second, smaller line of it.
    """

    signal: str
    signal_tone: Tone
    ai: str
    ai_tone: Tone
    finding: str
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


def words_for(m: Moment) -> Words:
    """The words for a moment."""
    signal, signal_tone = _SIGNAL[m.signal]
    if m.ended:
        signal, signal_tone = "RUN ENDED", Tone.CALM
    ai, ai_tone = ("VIEW NOT SUPPORTED", Tone.CARE) if _is_no_view(m) else _AI[m.ai.state]
    banner, banner_tone = _banner(m)
    veil, veil_note = _veil(m)
    return Words(
        signal,
        signal_tone,
        ai,
        ai_tone,
        _finding(m),
        _figures(m),
        banner,
        banner_tone,
        veil,
        veil_note,
    )


def _banner(m: Moment) -> tuple[str, Tone]:
    if m.ai.state is AiState.OFF:
        return f"AI off: {m.ai.reason}", Tone.CARE
    if m.ai.state is AiState.LATE and not _is_answered(m):
        return "AI late: no outline on the newest picture", Tone.CARE
    return "", Tone.CARE


def _is_answered(m: Moment) -> bool:
    """Whether the exposure that is shown has been segmented."""
    if m.frame is None or m.segmentation is None:
        return False
    return m.segmentation.exposure == m.frame.exposure


def _veil(m: Moment) -> tuple[str, str]:
    last = f"last picture {m.clock}" if m.clock else "no picture yet"
    if m.signal is Signal.LOST:
        why = m.signal_text.partition(": ")[2]
        return "NO SIGNAL", f"{last} - {why}" if why else last
    if m.signal is Signal.FROZEN and not m.ended:
        return "INPUT FROZEN", f"not a pixel has changed since {m.clock}: check the cable"
    if m.signal is Signal.BLACK and not m.ended:
        return "BLACK PICTURE", "the C-arm sends a black picture"
    if m.frame is None:
        return "WAITING FOR PICTURE", ""
    return "", ""


def _finding(m: Moment) -> str:
    if m.hidden:
        return "OUTLINE HIDDEN"
    if m.overlay is not None:
        if m.overlay.style is OverlayStyle.AGED:
            return f"outline is {m.overlay.age_ms:.0f} ms old"
        return "fracture outlined"
    if m.segmentation is None or not _is_told(m):
        return ""
    if not m.segmentation.view_supported:
        return "no spine seen: nothing is outlined"
    return "fracture outlined" if m.segmentation.outlines else "no fracture outlined"


def _is_no_view(m: Moment) -> bool:
    """Whether what is shown is no view of a spine: then nobody shall wait for an outline."""
    return m.segmentation is not None and _is_told(m) and not m.segmentation.view_supported


def _is_told(m: Moment) -> bool:
    """Whether the newest answer may be put into words.

    While the next one is being computed the last one's words stay, so that they don't blink.
    """
    if _veil(m)[0] or m.frame is None or m.segmentation is None:
        return False
    if m.ai.state is AiState.READY:
        return m.frame.exposure - m.segmentation.exposure in (0, 1)
    return m.ai.state is AiState.LATE and _is_answered(m)


def _figures(m: Moment) -> str:
    if m.signal is Signal.LOST or m.frame is None:
        return ""
    if m.signal is Signal.HOLD:
        return f"held {m.held_s:.0f} s"
    parts = [f"{m.rate_hz:.0f} fps"]
    if m.shown_ms is not None:
        parts.append(f"picture {m.shown_ms:.0f} ms")
    if m.outline_ms is not None:
        parts.append(f"outline {m.outline_ms:.0f} ms")
    return "   ".join(parts)
