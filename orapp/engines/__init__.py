"""What runs the network: one small protocol, three backends, one door."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from orapp.errors import NotThere, OrappError
from orapp.frames import Gray

if TYPE_CHECKING:
    from orapp.engines.trust import Manifest


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine to open; plain data, so that it can be sent to the segmenting process.

    Attributes:
        model: name of a shipped model (`pfnet-lite`) or a folder with a manifest.toml.
        backend: `tensorrt`, `openvino`, `torch`, or `auto`: TensorRT where a plan is ready, else
            OpenVINO.
        delay_ms: test option: each inference takes this much longer.
        raise_at: test option: the engine raises at this inference (counted from 1); 0 is never.
        spike_at: test option: this inference takes a second longer; 0 is never.
        threads: of OpenVINO; 0 is as many as it likes. Sums are taken in another order with
            another number: what the model judges may differ in its seventh digit.
    """

    model: str = "pfnet-lite"
    backend: str = "auto"
    delay_ms: int = 0
    raise_at: int = 0
    spike_at: int = 0
    threads: int = 0


def beside_a_display(spec: EngineSpec) -> EngineSpec:
    """The engine for a live run: it leaves one core to picture and grabber.

    Measured once, on 2 cores at 30/s, outlines are 2 ms sooner at p50 and 7 ms at p95 so, although
    the engine alone takes 3 ms longer: its threads wait for each other, and one of them would
    stand in line behind each painting.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return replace(spec, threads=spec.threads or max((cores or 2) - 1, 1))


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What exactly computes, for the report.

    Attributes:
        name: the model's name from its manifest.
        backend: library and version, such as `openvino 2026.1 CPU fp32`.
        model_sha256: of the ONNX file, 64 hex digits.
        input_size: (h, w) that `infer` takes and returns.
        threshold: probability (0 to 1) from which a pixel belongs to a fracture.
        min_area: smallest outline that counts, as a fraction of the picture's area.
        least_broken: probability of a fracture in the picture from which it is outlined.
        least_spine: probability of a spine from which a view is supported.
        precision: fp32, fp16 or int8.
        why: with `auto`, why this backend was taken; else empty.
        trained_on: what the model has learned from, by its manifest.
    """

    name: str
    backend: str
    model_sha256: str
    input_size: tuple[int, int]
    threshold: float
    min_area: float
    least_broken: float
    least_spine: float
    precision: str = "fp32"
    why: str = ""
    trained_on: str = ""


@dataclass(frozen=True, slots=True)
class Inference:
    """What a model says about one picture.

    Attributes:
        probability: (h, w) uint8 at the network's size, of an acute fracture; 255 is certain.
            Valid until the engine's next call.
        broken: probability (0 to 1) that the picture shows a fracture.
        spine: probability (0 to 1) that it shows a spine.
    """

    probability: Gray
    broken: float
    spine: float


class Engine(Protocol):
    """A loaded model. Used by one thread; a context manager that frees what it holds."""

    identity: EngineIdentity

    def infer(self, image: Gray) -> Inference:
        """Where the fracture is, and what of picture it is.

        Args:
            image: (h, w) uint8 at `identity.input_size`.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def identity(manifest: "Manifest", backend: str, precision: str = "fp32") -> EngineIdentity:
    """What the report says about a model that a backend has loaded."""
    return EngineIdentity(
        manifest.name,
        backend,
        manifest.sha256,
        (manifest.input_height, manifest.input_width),
        manifest.threshold,
        manifest.min_area,
        manifest.least_broken,
        manifest.least_spine,
        precision,
        trained_on=manifest.trained_on,
    )


def check_image(image: Gray, expected: EngineIdentity) -> None:
    """Raises ValueError unless the image is (h, w) uint8 at the network's size."""
    if image.shape != expected.input_size or image.dtype != "uint8":
        raise ValueError(
            f"the engine takes uint8 {expected.input_size}, not {image.dtype} {image.shape}"
        )


def open_engine(spec: EngineSpec) -> Engine:
    """Checks the model against its manifest, loads it and runs it once to warm it up.

    Raises:
        OrappError: unknown model, hash that differs from the manifest, backend not installed, no
            plan that may be loaded.
    """
    from orapp.engines.trust import find_model, load_manifest

    folder: Path = find_model(spec.model)
    manifest = load_manifest(folder)
    return with_faults(_open(spec.backend, folder, manifest, spec.threads), spec)


def with_faults(engine: Engine, spec: EngineSpec) -> Engine:
    """The engine, made slow or failing if the spec's test options ask for it."""
    if spec.delay_ms or spec.raise_at or spec.spike_at:
        from orapp.engines.faulty import FaultyEngine

        return FaultyEngine(engine, spec)
    return engine


def _open(backend: str, folder: Path, manifest: "Manifest", threads: int) -> Engine:
    if backend == "auto":
        return _open_best(folder, manifest, threads)
    if backend == "openvino":
        from orapp.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(folder, manifest, threads=threads)
    if backend == "torch":
        from orapp.engines.torch import TorchEngine

        return TorchEngine(folder, manifest)
    if backend == "tensorrt":
        return _open_tensorrt(manifest)
    raise OrappError(f"'{backend}' is not an engine", "use tensorrt, openvino or torch")


def _open_tensorrt(manifest: "Manifest") -> Engine:
    """The first flavour and precision of which a plan may be loaded.

    Raises:
        OrappError: there is none; in the words of a refusal, if a plan was refused.
    """
    from orapp.engines.build import runtimes_here
    from orapp.engines.plans import PlanCache, plans_folder
    from orapp.engines.tensorrt import TensorRtEngine

    refusals: list[OrappError] = []
    for here in runtimes_here():
        try:
            precision, plan = PlanCache(plans_folder()).best(manifest, here)
            return TensorRtEngine(manifest, plan, here, precision)
        except OrappError as error:
            refusals.append(error)
    raise next((r for r in refusals if not isinstance(r, NotThere)), refusals[0])


def _open_best(folder: Path, manifest: "Manifest", threads: int) -> Engine:
    """TensorRT if a plan is ready, else OpenVINO; the identity says why."""
    engine: Engine
    try:
        engine = _open_tensorrt(manifest)
        why = "a plan for this GPU is ready"
    except OrappError as error:
        engine, why = _open("openvino", folder, manifest, threads), f"no TensorRT: {error.what}"
    except Exception as error:  # a driver's libraries raise what they like; the case goes on
        said = " ".join(str(error).split())[:200] or type(error).__name__
        engine, why = _open("openvino", folder, manifest, threads), f"no TensorRT: {said}"
    engine.identity = replace(engine.identity, why=why)
    return engine
