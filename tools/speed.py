"""Times pfnet-lite as it ships, in OpenVINO, against PFNet with ResNet-50 in torch eager."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from orapp.engines import EngineSpec, open_engine
from orapp.machine import describe_machine
from orapp.pfnet.export import Deployed
from orapp.pfnet.variants import NETWORKS

SIDE = 416
"""Of PFNet's input, as published."""


def speed(repeats: int = 15) -> str:
    """A few lines with medians in ms and their ratio; the two take turns in one process.

    PFNet has random weights: time does not depend on them. Both do the whole graph, grey values
    in, map and judgements out.
    """
    large = Deployed(NETWORKS["pfnet"]()).eval()
    wide = torch.randint(0, 256, (1, 1, SIDE, SIDE), dtype=torch.uint8)
    times: dict[str, list[float]] = {"pfnet": [], "lite": []}
    with open_engine(EngineSpec("pfnet-lite", "openvino")) as engine, torch.inference_mode():
        rng = np.random.default_rng(0)
        small = rng.integers(0, 256, engine.identity.input_size, dtype=np.uint8)
        large(wide)
        for _ in range(repeats):
            times["pfnet"].append(_ms(lambda: large(wide)))
            times["lite"] += [_ms(lambda: engine.infer(small)) for _ in range(20)]
    about = describe_machine()
    slow, fast = (statistics.median(times[k]) for k in ("pfnet", "lite"))
    return "\n".join(
        [
            f"PFNet (ResNet-50) at {SIDE}, torch {torch.__version__} eager: {slow:.1f} ms",
            f"pfnet-lite, {engine.identity.backend}: {fast:.2f} ms",
            f"ratio: {slow / fast:.1f}; {about['cores']} cores of {about['cpu']}",
        ]
    )


def _ms(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)
