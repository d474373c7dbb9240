"""What is done to the program: runs and their faults, all from one seed."""

import random
from dataclasses import dataclass, field

THEMES = (
    "kill",
    "hang",
    "raise",
    "slow paired",
    "slow live",
    "source",
    "full disk",
    "kill recording",
    "recording",
    "rates",
    "window",
    "mixture",
)
RATES = ((7.5, 0, 1024), (15, 0, 1024), (15, 60, 768), (30, 0, 768), (30, 60, 512), (60, 0, 512))
"""Pulses per second, video frames per second (0: the same), side in pixels."""
SEEDS = (1, 2, 3, 6, 7, 8, 9, 10, 11, 12)
"""Of the simulated C-arm: runs whose fracture is outlined on nearly every exposure."""
SOURCE_FAULTS = {"unplug": 2.5, "freeze": 5.5, "black": 2.0, "stall": 2.0, "resize": 4.0}
WINDOW_ACTS = ("resize", "cover", "minimise")
HOGS = ("cpu", "disk", "memory")
SIZES = ((1280, 900), (1600, 1000), (1000, 1000), (1900, 760))
LONG_RUN, LONG_S = 6, 600.0
"""The run of this number is long, if there is time: only there a slow leak shows."""


@dataclass(frozen=True, slots=True)
class Act:
    """One fault: what, when (s after the engine was ready), for how long (s), how."""

    kind: str
    at_s: float
    for_s: float = 0.0
    detail: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of the program.

    Attributes:
        number, seed: with them it can be planned again.
        theme: one of `THEMES`.
        seconds: its length.
        rate, video, size: of the source: pulses and frames per second, side in pixels.
        mode, max_age_ms: how outlines may be drawn.
        delay_ms, raise_at: what is wrong with the engine.
        record: "", "disk" or "small disk".
        end: how it ends: "time", "term" or "kill".
        faults: of the source: kind, from, until, in seconds of its run.
        acts: what is done from outside.
        scene_seed: of the simulated C-arm.
    """

    number: int
    seed: int
    theme: str
    seconds: float
    rate: float = 15
    video: float = 0
    size: int = 1024
    mode: str = "paired"
    max_age_ms: int = 200
    delay_ms: int = 0
    raise_at: int = 0
    record: str = ""
    end: str = "time"
    faults: tuple[tuple[str, float, float], ...] = ()
    acts: tuple[Act, ...] = field(default=())
    scene_seed: int = 1

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.video or self.rate

    def source(self) -> str:
        """The source's URI."""
        options = {"seed": self.scene_seed, "rate": self.rate, "size": self.size}
        if self.video:
            options["video"] = self.video
        uri = "simulated:?" + "&".join(f"{name}={value:g}" for name, value in options.items())
        uri += "&code=on"
        if self.faults:
            uri += "&fault=" + ",".join(f"{k}@{a:g}s-{b:g}s" for k, a, b in self.faults)
        return uri

    def arguments(self) -> list[str]:
        """Of `orapp live`, without those that say where its files go."""
        words = ["--source", self.source(), "--full-screen", "--mode", self.mode]
        words += ["--max-outline-age-ms", f"{self.max_age_ms}"]
        if self.end == "time":
            words += ["--seconds", f"{self.seconds:g}"]
        if self.delay_ms:
            words += ["--engine-delay-ms", f"{self.delay_ms}"]
        if self.raise_at:
            words += ["--engine-raise-at", f"{self.raise_at}"]
        return words


def plan_run(seed: int, number: int, left_s: float = 1e9) -> Plan:
    """The run of this number; themes come in shuffled rounds, so that none is left out.

    Args:
        seed: of the whole soak.
        number: from 0.
        left_s: time that is left, in s: the run is not much longer.
    """
    order = list(THEMES)
    random.Random(f"{seed} round {number // len(THEMES)}").shuffle(order)
    chance = random.Random(f"{seed} run {number}")
    theme = order[number % len(THEMES)]
    seconds = min(chance.uniform(32, 58), max(left_s, 20))
    if number == LONG_RUN and left_s > 2 * LONG_S:
        theme, seconds = "mixture", LONG_S
    rate, video, size = chance.choice(RATES) if theme in ("rates", "window") else (15, 0, 1024)
    said = {"rate": rate, "video": video, "size": size, "scene_seed": chance.choice(SEEDS)}
    said |= _theme(theme, chance, seconds)
    acts = said.pop("acts", []) + _hogs(chance, seconds)
    ordered = tuple(sorted(acts, key=lambda act: act.at_s))
    return Plan(number, seed, theme, round(seconds, 1), acts=ordered, **said)


def _theme(theme: str, chance: random.Random, seconds: float) -> dict:
    end = chance.choice(("time", "time", "term"))
    mode = chance.choice(("paired", "live"))
    made = {
        "kill": lambda: {"acts": _acts(chance, seconds, ("kill",)), "mode": mode},
        "hang": lambda: {"acts": _acts(chance, seconds, ("stop",)), "mode": mode},
        "raise": lambda: {"raise_at": chance.randint(60, 150), "mode": mode},
        "slow paired": lambda: {"delay_ms": chance.choice((90, 150, 300)), "mode": "paired"},
        "slow live": lambda: {
            "delay_ms": chance.choice((60, 120, 250)),
            "mode": "live",
            "max_age_ms": chance.choice((200, 500)),
        },
        "source": lambda: {"faults": _faults(chance, seconds), "mode": mode},
        "full disk": lambda: {"record": "small disk", "acts": _fill(chance, seconds)},
        "kill recording": lambda: {"record": "disk", "end": "kill"},
        "recording": lambda: {"record": "disk", "acts": _acts(chance, seconds, ("kill", "stop"))},
        "rates": lambda: {"mode": mode, "acts": _acts(chance, seconds, ("kill",))},
        "window": lambda: {"acts": _acts(chance, seconds, WINDOW_ACTS)},
        "mixture": lambda: {
            "faults": _faults(chance, seconds),
            "acts": _acts(chance, seconds, ("kill", "kill", "stop", "stop", *WINDOW_ACTS)),
            "mode": mode,
            "record": chance.choice(("", "disk")) if seconds < LONG_S else "",
        },
    }[theme]()
    record = "disk" if not made.get("faults") and chance.random() < 0.4 else ""
    return {"end": end, "record": record} | made


def _acts(chance: random.Random, seconds: float, kinds: tuple[str, ...]) -> list[Act]:
    """One every ten seconds or so, with room at the end for what has to come back."""
    acts, at_s = [], chance.uniform(3, 6)
    while at_s < seconds - 14:
        kind = chance.choice(kinds)
        for_s = {"stop": chance.choice((0.1, 0.6, 0.9, 2.5, 4.0))}.get(kind, 3.0)
        detail = chance.choice(SIZES) if kind == "resize" else ()
        acts.append(Act(kind, round(at_s, 2), for_s, detail))
        at_s += chance.uniform(6, 10)
    return acts


def _fill(chance: random.Random, seconds: float) -> list[Act]:
    """Half of the small disks fill up by the recording alone, half of a sudden."""
    if chance.random() < 0.5:
        return []
    return [Act("fill", round(chance.uniform(3, seconds / 3), 2))]


def _hogs(chance: random.Random, seconds: float) -> list[Act]:
    """In every minute each kind with some luck."""
    acts = []
    for begin in range(0, max(int(seconds) - 20, 1), 60):
        for kind in HOGS:
            if chance.random() < 0.3:
                at_s = begin + chance.uniform(1, min(max(seconds - begin - 12, 2), 50))
                count = chance.randint(1, 2) if kind == "cpu" else 1
                acts.append(Act(kind, round(at_s, 2), round(chance.uniform(3, 7), 2), (count,)))
    return acts


def _faults(chance: random.Random, seconds: float) -> tuple[tuple[str, float, float], ...]:
    faults, at_s = [], chance.uniform(6, 9)
    while at_s < seconds - 14 and len(faults) < 30:
        kind = chance.choice(sorted(SOURCE_FAULTS))
        for_s = SOURCE_FAULTS[kind] + chance.uniform(0, 1.5)
        faults.append((kind, round(at_s, 1), round(at_s + for_s, 1)))
        at_s += for_s + chance.uniform(6, 12)
    return tuple(faults)
