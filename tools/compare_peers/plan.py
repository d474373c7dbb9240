"""What a runner is told: one JSON object on its command line. Needs nothing but Python."""

import json
from dataclasses import asdict, dataclass

STALL_S = 2.0
SLOW_MS = 120
SETTLE_S = 1.0
"""Between the first answer of the model and the first frame that counts."""
GRACE_S = 0.5
"""What is shown later than this after the last frame doesn't count."""
SCENES = {
    "real": "the real model",
    "slow": f"the model made {SLOW_MS} ms slower",
    "stall": f"the source gives nothing for {STALL_S:g} s",
    "raise": "the model raises once",
    "spike": "one inference takes 1 s longer",
}
FAULTS = ("stall", "raise", "spike")


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of one peer.

    Attributes:
        variant: how the peer is set, in the runner's own words.
        scene: one of `SCENES`.
        rate_hz: frames per second of the source.
        seconds: that count, from `SETTLE_S` after the model's first answer.
        clip: of the frames, (N, H, W) uint8 in a .npy file, shown round and round.
        records: file that the runner writes its lines into.
        model: name or folder of the model.
    """

    variant: str
    scene: str
    rate_hz: float
    seconds: float
    clip: str
    records: str
    model: str = "pfnet-lite"

    @property
    def stall_s(self) -> tuple[float, float]:
        """From when to when the source gives nothing, in s from the first frame that counts."""
        if self.scene != "stall":
            return 0.0, 0.0
        return self.seconds / 2, self.seconds / 2 + STALL_S

    @property
    def fault_at(self) -> int:
        """The inference that raises or takes longer, counted from 1: about half-way.

        No second one comes in a new process of the model's, which counts anew.
        """
        return round(self.rate_hz * (SETTLE_S + self.seconds / 2))

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @staticmethod
    def of_json(text: str) -> "Plan":
        """From the command line."""
        return Plan(**json.loads(text))
