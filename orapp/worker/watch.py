"""When a child counts as late, silent or lost: pure judgements on stamps."""

from collections import deque
from dataclasses import dataclass

from orapp.frames import AiState

_LOOK_EVERY_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How patient the parent is with its child.

    Attributes:
        silent_ms: a heartbeat older than this means "does not answer".
        lost_ms: silence from which the child is killed and restarted.
        late_ms: a frame in work for longer than this makes the AI late.
        overtaken_is_late: answers that mostly come when a newer exposure is there make the AI
            late; for paired mode, in which nobody would see them.
        answer_limit_ms: a frame in work for longer than this gets the child killed.
        start_limit_s: time for loading the model.
        stop_limit_s: time for a child to end by itself.
        backoff_s: waits before the restarts that follow each other.
        good_work_s: work without a fault after which the waits begin anew.
    """

    silent_ms: float = 200.0
    lost_ms: float = 1200.0
    late_ms: float = 200.0
    overtaken_is_late: bool = True
    answer_limit_ms: float = 2000.0
    start_limit_s: float = 60.0
    stop_limit_s: float = 1.0
    backoff_s: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    good_work_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the child stands.

    Attributes:
        state: READY, LATE or OFF.
        reason: for the screen; empty when all is well.
        lost: the child must be killed.
        look_again_ns: when the verdict can change without a word from the child.
    """

    state: AiState
    reason: str
    lost: bool
    look_again_ns: int


class Punctuality:
    """Whether answers mostly come after their exposure has gone.

    Over the last 8 answers: 6 of them overtaken make it so, 2 or fewer end it; in between it
    stays as it was, so that an engine that just keeps up doesn't make the screen change its mind.
    """

    def __init__(self) -> None:
        self._overtaken: deque[bool] = deque(maxlen=8)
        self.overtaken = False

    def note(self, overtaken: bool) -> None:
        """An answer came; True if a newer exposure was there already."""
        self._overtaken.append(overtaken)
        count = sum(self._overtaken)
        if count >= 6 or count <= 2:
            self.overtaken = count >= 6


def judge(
    now_ns: int,
    heard_ns: int,
    working_since_ns: int | None,
    last_answer_ms: float,
    limits: WorkerLimits,
    *,
    overtaken: bool = False,
) -> Verdict:
    """Judges a child that has said that it is ready.

    Args:
        now_ns: monotonic time.
        heard_ns: its last heartbeat.
        working_since_ns: when the frame in work was handed over; None if there is none.
        last_answer_ms: how long its last answer took, so that a slow engine is steadily late.
        limits: the patience.
        overtaken: its answers mostly come when a newer exposure is there.
    """
    silent_ms = (now_ns - heard_ns) / 1e6
    working_ms = 0.0 if working_since_ns is None else (now_ns - working_since_ns) / 1e6
    if silent_ms > limits.lost_ms:
        return Verdict(AiState.OFF, "segmentation does not answer", True, now_ns)
    if working_ms > limits.answer_limit_ms:
        reason = f"segmentation gave no answer for {limits.answer_limit_ms / 1000:g} s"
        return Verdict(AiState.OFF, reason, True, now_ns)
    if silent_ms > limits.silent_ms:
        reason = "segmentation does not answer"
        return Verdict(AiState.OFF, reason, False, now_ns + _LOOK_EVERY_NS)
    look_again_ns = heard_ns + _after(limits.silent_ms)
    if working_since_ns is not None:
        for limit_ms in (limits.late_ms, limits.answer_limit_ms):
            if working_ms <= limit_ms:
                look_again_ns = min(look_again_ns, working_since_ns + _after(limit_ms))
    if max(working_ms, last_answer_ms) > limits.late_ms:
        reason = f"an answer takes longer than {limits.late_ms:g} ms"
        return Verdict(AiState.LATE, reason, False, look_again_ns)
    if overtaken and limits.overtaken_is_late:
        reason = "outlines come after their exposure has gone; live mode shows them, with their age"
        return Verdict(AiState.LATE, reason, False, look_again_ns)
    return Verdict(AiState.READY, "", False, look_again_ns)


def _after(limit_ms: float) -> int:
    return int(limit_ms * 1e6) + 1_000_000
