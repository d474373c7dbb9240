"""What runs the network: one small protocol, three backends, one door."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from orapp.errors import OrappError
from orapp.frames import Gray

if TYPE_CHECKING:
    from orapp.engines.trust import Manifest


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine to open; plain data, so that it can be sent to the segmenting process.

    Attributes:
        model: name of a shipped model (`pfnet-lite`) or a folder with a manifest.toml.
        backend: `openvino`, `torch`, or `auto` (the best one installed).
        delay_ms: test option: each inference takes this much longer.
        raise_at: test option: the engine raises at this inference (counted from 1); 0 is never.
    """

    model: str = "pfnet-lite"
    backend: str = "auto"
    delay_ms: int = 0
    raise_at: int = 0


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What exactly computes, for the report.

    Attributes:
        name: the model's name from its manifest.
        backend: library and version, such as `openvino 2026.1 CPU f32`.
        model_sha256: of the ONNX file, 64 hex digits.
        input_size: (h, w) that `infer` takes and returns.
        threshold: probability (0 to 1) from which a pixel belongs to a fracture.
        min_area: smallest outline that counts, as a fraction of the picture's area.
        least_broken: probability of a fracture in the picture from which it is outlined.
        least_spine: probability of a spine from which a view is supported.
    """

    name: str
    backend: str
    model_sha256: str
    input_size: tuple[int, int]
    threshold: float
    min_area: float
    least_broken: float
    least_spine: float


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


def identity(manifest: "Manifest", backend: str) -> EngineIdentity:
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
        OrappError: unknown model, hash that differs from the manifest, backend not installed.
    """
    from orapp.engines.trust import find_model, load_manifest

    folder: Path = find_model(spec.model)
    manifest = load_manifest(folder)
    engine: Engine
    if spec.backend in ("auto", "openvino"):
        from orapp.engines.openvino import OpenVinoEngine

        engine = OpenVinoEngine(folder, manifest)
    elif spec.backend == "torch":
        from orapp.engines.torch import TorchEngine

        engine = TorchEngine(folder, manifest)
    else:
        raise OrappError(f"'{spec.backend}' is not an engine", "use openvino or torch")
    if spec.delay_ms or spec.raise_at:
        from orapp.engines.faulty import FaultyEngine

        return FaultyEngine(engine, spec)
    return engine
