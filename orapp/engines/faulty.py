"""An engine made slow or failing on purpose, for tests and drills."""

import time
from types import TracebackType
from typing import Self

from orapp.engines import Engine, EngineSpec, Inference
from orapp.frames import Gray

SPIKE_S = 1.0


class FaultyEngine:
    """A real engine that answers late, or once raises or takes long at a given inference."""

    def __init__(self, engine: Engine, spec: EngineSpec) -> None:
        self.identity = engine.identity
        self._engine, self._spec, self._count = engine, spec, 0

    def infer(self, image: Gray) -> Inference:
        """See `Engine.infer`; raises RuntimeError at inference `raise_at`."""
        self._count += 1
        if self._count == self._spec.raise_at:
            raise RuntimeError("raised on purpose (test option)")
        if self._count == self._spec.spike_at:
            time.sleep(SPIKE_S)
        if self._spec.delay_ms:
            time.sleep(self._spec.delay_ms / 1000)
        return self._engine.infer(image)

    def __enter__(self) -> Self:
        self._engine.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._engine.__exit__(kind, error, trace)
