"""What the program has said: its states over time, and what it still has to say."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.soak.program import Line

SIGNALS = (
    "connecting",
    "X-ray on",
    "last image hold",
    "input frozen",
    "black picture",
    "no signal",
)
AI = ("AI starting", "AI ready", "AI late", "AI off")
SHOWN = {"X-ray on", "last image hold"}
NOT_LIVE = {"input frozen", "black picture", "no signal"}


class States:
    """One state over time, read from the log's lines of one kind."""

    def __init__(self, kind: str, words: Sequence[str]) -> None:
        self._kind, self._words = kind, tuple(words)
        self.changes: list[tuple[float, str]] = [(0.0, words[0])]

    def hear(self, line: Line) -> None:
        """Takes the next line."""
        word = line.text.partition(":")[0]
        if line.kind == self._kind and word in self._words:
            self.changes.append((line.time, word))

    def between(self, begin: float, end: float) -> set[str]:
        """The states that there were from `begin` to `end`."""
        found: set[str] = set()
        for k, (since, word) in enumerate(self.changes):
            until = self.changes[k + 1][0] if k + 1 < len(self.changes) else float("inf")
            if since <= end and until >= begin:
                found.add(word)
        return found

    @property
    def now(self) -> str:
        """The newest."""
        return self.changes[-1][1]

    @property
    def since(self) -> float:
        """Since when it holds."""
        return self.changes[-1][0]


@dataclass(slots=True)
class Expected:
    """A line that has to come.

    Attributes:
        contract: which promise it is of.
        what: in words, for the breach.
        kind, pattern: of the line.
        since: wall time from which it counts.
        within_s: how long it may take, and the time that the machine did not give.
        spare_s: a simulated C-arm that runs later than this makes up for it by hurrying through
            what has to be said, so that nobody can see it.
        times: gets how long it took, in s; or None.
    """

    contract: str
    what: str
    kind: str
    pattern: re.Pattern[str]
    since: float
    within_s: float
    spare_s: float = float("inf")
    times: Callable[[float], None] | None = None

    def met_by(self, line: Line) -> bool:
        """Whether this is the line."""
        later = line.time >= self.since - 0.002  # the log's stamps are cut to ms
        return later and line.kind == self.kind and bool(self.pattern.match(line.text))


@dataclass(frozen=True, slots=True)
class Allowed:
    """AI off for this reason, from `begin` to `end`, has been asked for."""

    pattern: re.Pattern[str]
    begin: float
    end: float
