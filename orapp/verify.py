"""An engine against torch in float32, on the golden frames that ship with its model (C6)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from orapp.engines import (
    Engine,
    EngineIdentity,
    EngineSpec,
    Inference,
    open_engine,
    with_faults,
)
from orapp.engines.trust import Bounds, Manifest, find_model, load_manifest, read_checked
from orapp.errors import OrappError
from orapp.golden import Golden, read_golden
from orapp.outline import dense
from orapp.segment import outlines_of


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an engine was from the reference, the worst over all golden frames.

    Attributes:
        frames: that were compared.
        outlined: of them, those in which the reference outlines something.
        max_difference, mean_difference, outline_px, judged, dice: as in `Bounds`.
    """

    frames: int
    outlined: int
    max_difference: float
    mean_difference: float
    outline_px: float
    judged: float
    dice: float

    def beyond(self, bounds: Bounds) -> list[str]:
        """Every bound that does not hold, with its figure; a comparison of nothing holds none."""
        if self.outlined == 0:
            return ["no frame with an outline was compared"]
        found = [
            f"{name.replace('_', ' ')} {getattr(self, name):.3g} > {getattr(bounds, name):g}"
            for name in ("max_difference", "mean_difference", "outline_px", "judged")
            if not getattr(self, name) <= getattr(bounds, name)
        ]
        if not self.dice >= bounds.dice:
            found.append(f"dice {self.dice:.4f} < {bounds.dice:g}")
        return found


def load_golden(folder: Path, manifest: Manifest) -> Golden:
    """The model's golden frames, if they are those that its manifest names.

    Raises:
        OrappError: the file can't be read, differs, or holds something else.
    """
    data = read_checked(folder, manifest.golden.file, manifest.golden.sha256)
    return read_golden(data, (manifest.input_height, manifest.input_width))


def compare(engine: Engine, golden: Golden) -> Difference:
    """Runs the engine on every golden frame."""
    identity = engine.identity
    truths = [
        Inference(p, float(j[0]), float(j[1]))
        for p, j in zip(golden.probability, golden.judged, strict=True)
    ]
    rows = np.array(
        [
            _one(identity, truth, engine.infer(image))
            for image, truth in zip(golden.images, truths, strict=True)
        ]
    )
    outlined = sum(bool(outlines_of(t, identity, identity.input_size)) for t in truths)
    most, least = rows.max(0).tolist(), rows.min(0).tolist()
    return Difference(len(rows), outlined, most[0], most[1], most[2], most[3], least[4])


def every_engine(folder: Path, manifest: Manifest) -> Iterator[tuple[str, Engine | OrappError]]:
    """Every engine that could be, opened, or with what keeps it from being so."""
    from orapp.engines.build import runtimes_here
    from orapp.engines.openvino import OpenVinoEngine
    from orapp.engines.plans import PRECISIONS, PlanCache, Precision, Runtime, plans_folder
    from orapp.engines.tensorrt import TensorRtEngine
    from orapp.engines.torch import TorchEngine

    def tensorrt(here: Runtime, precision: Precision) -> Engine:
        plan = PlanCache(plans_folder()).load(manifest, precision, here)
        return TensorRtEngine(manifest, plan, here, precision)

    makers: dict[str, Callable[[], Engine]] = {
        "torch fp32": partial(TorchEngine, folder, manifest),
        "openvino fp32": partial(OpenVinoEngine, folder, manifest),
        "openvino int8": partial(OpenVinoEngine, folder, manifest, "int8"),
    }
    makers |= {
        f"{here.flavour or 'tensorrt'} {p}": partial(tensorrt, here, p)
        for here in runtimes_here()
        for p in PRECISIONS
    }
    for name, make in makers.items():
        try:
            yield name, make()
        except OrappError as error:
            yield name, error


def bounds_of(engine: Engine, manifest: Manifest) -> Bounds:
    """The bounds for the engine's precision; raises OrappError if the manifest names none."""
    for precision, bounds in manifest.bounds.items():
        if precision == engine.identity.precision:
            return bounds
    raise OrappError(
        f"the manifest of {manifest.name} has no bounds for {engine.identity.precision}",
        "install the model again",
    )


def check(engine: Engine, golden: Golden, bounds: Bounds) -> None:
    """The check at start-up: raises OrappError if the engine is not what its model is."""
    beyond = compare(engine, golden).beyond(bounds)
    if beyond:
        raise OrappError(
            f"the engine is not what its model is: {', '.join(beyond)}",
            f"run 'orapp engine verify {engine.identity.name}'",
        )


def open_verified(spec: EngineSpec) -> Engine:
    """Opens an engine and checks it; the test options of the spec act after the check.

    With `auto`, OpenVINO stands in for a TensorRT engine that is not what its model is.

    Raises:
        OrappError: as `open_engine`, or the engine is not what its model is.
    """
    try:
        engine = _open_and_check(spec)
    except OrappError as error:
        if spec.backend != "auto":
            raise
        engine = _open_and_check(replace(spec, backend="openvino"))
        if not engine.identity.why:
            engine.identity = replace(engine.identity, why=f"no TensorRT: {error.what}")
    return with_faults(engine, spec)


def _open_and_check(spec: EngineSpec) -> Engine:
    folder = find_model(spec.model)
    manifest = load_manifest(folder)
    engine = open_engine(replace(spec, delay_ms=0, raise_at=0, spike_at=0))
    try:
        check(engine, load_golden(folder, manifest), bounds_of(engine, manifest))
    except Exception:
        engine.__exit__(None, None, None)
        raise
    return engine


def _one(
    identity: EngineIdentity, truth: Inference, seen: Inference
) -> tuple[float, float, float, float, float]:
    away = np.abs(truth.probability.astype(int) - seen.probability)
    wrong = np.max([abs(truth.broken - seen.broken), abs(truth.spine - seen.spine)])  # keeps NaN
    apart, dice = compare_outlines(identity, truth, seen)
    return float(away.max()), float(away.mean()), apart, float(wrong), dice


def compare_outlines(
    identity: EngineIdentity, truth: Inference, seen: Inference
) -> tuple[float, float]:
    """What would be drawn: Hausdorff distance in map pixels, and Dice of the masks.

    An outline that one draws and the other doesn't is the map's side away.
    """
    height, width = identity.input_size
    one, two = (outlines_of(x, identity, (height, width)) for x in (truth, seen))
    if not one and not two:
        return 0.0, 1.0
    if len(one) != len(two):
        return float(max(height, width)), 0.0
    a, b = (np.concatenate([dense(o.points) for o in outlines]) for outlines in (one, two))
    apart = np.linalg.norm(a[:, None] - b[None], axis=2)
    level = identity.threshold * 255
    p, q = truth.probability >= level, seen.probability >= level
    dice = 2 * int((p & q).sum()) / (int(p.sum()) + int(q.sum()))
    return float(max(apart.min(0).max(), apart.min(1).max())), dice
