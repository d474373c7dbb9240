"""Compiles a model with TensorRT or TensorRT-RTX, before the case and never during it.

Both are strongly typed: precision is in the ONNX. TensorRT-RTX also compiles on a machine without
a GPU, for compute capabilities that are named. No layer is left to a fallback: what the parser does
not take is an error.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from orapp.engines.gpu import find_gpu
from orapp.engines.plans import Flavour, PlanCache, PlanKey, Precision, Runtime
from orapp.engines.trust import Manifest, read_checked
from orapp.errors import NotThere, OrappError

MODULES: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
DEFAULT_TARGETS = ("sm86", "sm89", "sm120")

Progress = Callable[[str, int, int], None]
"""Called with a phase, its steps that are done, and all its steps."""


def find_tensorrt(flavour: Flavour | None = None) -> tuple[Flavour, Any]:
    """The module of a flavour, or of the first that is installed and loads.

    Raises:
        NotThere: it is not installed.
        OrappError: it is, but its libraries can't be loaded.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as the driver's own tool counts
    broken: OrappError | None = None
    for name in (flavour,) if flavour else tuple(MODULES):
        try:
            return name, importlib.import_module(MODULES[name])
        except ImportError:
            continue
        except Exception as error:  # what a missing library raises differs
            why = " ".join(str(error).split())[:200]
            broken = broken or OrappError(f"{name} can't be loaded: {why}", "see docs/gpu.md")
    raise broken or NotThere(f"{flavour or 'TensorRT'} is not installed", "see docs/gpu.md")


def runtimes_here() -> list[Runtime]:
    """What this machine would load a plan with: one for each flavour, at least one."""
    gpu, found = find_gpu(), []
    for flavour in MODULES:
        with suppress(OrappError):
            name, trt = find_tensorrt(flavour)
            found.append(Runtime(name, trt.__version__, gpu))
    return found or [Runtime("", "", gpu)]


def build(
    folder: Path,
    manifest: Manifest,
    precision: Precision,
    cache: PlanCache,
    *,
    flavour: Flavour | None = None,
    targets: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[Path, PlanKey]:
    """Compiles one model in one precision and puts the plan into the cache.

    Args:
        folder: of the model; its ONNX is read only if it is what the manifest names.
        manifest: of the model.
        precision: fp32, fp16 or int8; the model must ship that form.
        cache: where the plan goes.
        flavour: of TensorRT; the first that is installed if None.
        targets: compute capabilities (TensorRT-RTX only), such as `sm86`; without them, and
            without a GPU, `DEFAULT_TARGETS`.
        progress: see `Progress`.

    Raises:
        OrappError: the form does not ship, TensorRT is missing or refuses the graph or a target.
    """
    form = manifest.form(precision)
    if form is None:
        raise NotThere(f"{manifest.name} does not ship as {precision}", "choose another one")
    name, trt = find_tensorrt(flavour)
    gpu = find_gpu()
    if name == "tensorrt-rtx" and gpu is None and not targets:
        targets = DEFAULT_TARGETS
    if name == "tensorrt" and targets:
        raise OrappError("tensorrt compiles for the GPU of this machine only", "leave out --for")
    if gpu is None and not targets:
        raise OrappError("this machine has no NVIDIA GPU with a driver", "see docs/gpu.md")
    compiled = tuple(targets)
    if name == "tensorrt-rtx" and gpu is not None and not targets:
        compiled = (gpu.compute,)
    key = PlanKey(
        model=manifest.name,
        model_sha256=manifest.sha256,
        source_sha256=form.sha256,
        flavour=name,
        version=trt.__version__,
        precision=precision,
        targets=tuple(targets),
        gpu=gpu.name if gpu else "",
        compute=gpu.compute if gpu else "",
        driver=gpu.driver if gpu else "",
        input_height=manifest.input_height,
        input_width=manifest.input_width,
    )
    onnx = read_checked(folder, form.file, form.sha256)
    return cache.store(key, compile_plan(trt, onnx, compiled, progress)), key


def compile_plan(
    trt: Any, onnx: bytes, targets: Sequence[str] = (), progress: Progress | None = None
) -> bytes:
    """Plan bytes of an ONNX graph.

    Raises:
        OrappError: the parser or the builder refuses it; says in whose words.
    """
    log = make_log(trt)
    try:
        builder = trt.Builder(log)
    except TypeError:  # CUDA did not start
        raise OrappError(f"TensorRT does not start: {log.last}", "see docs/gpu.md") from None
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx):
        first = parser.get_error(0).desc() if parser.num_errors else log.last
        raise OrappError(f"TensorRT can't read the model: {first}", "export the model again")
    config = builder.create_builder_config()
    if progress is not None:
        config.progress_monitor = _monitor(trt, progress)
    if targets:
        _name_targets(trt, config, targets)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise OrappError(
            f"TensorRT can't compile the model: {log.last or 'no reason given'}",
            "choose another precision or target",
        )
    return bytes(plan)


def _name_targets(trt: Any, config: Any, targets: Sequence[str]) -> None:
    known = trt.ComputeCapability.__members__
    config.num_compute_capabilities = len(targets)
    for k, target in enumerate(targets):
        if not target.startswith("sm") or target.upper() not in known:
            names = ", ".join(n.lower() for n in known if n.startswith("SM"))
            raise OrappError(f"'{target}' is no target of TensorRT-RTX", f"use some of {names}")
        config.set_compute_capability(known[target.upper()], k)


def make_log(trt: Any) -> Any:
    """A TensorRT logger that keeps the last error, as one line, in `last`."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.last = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.last = " ".join(message.split())[:300]

    return Log()


def _monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._steps: dict[str, int] = {}

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:  # noqa: ARG002
            self._steps[name] = steps
            progress(name, 0, steps)

        def phase_finish(self, name: str) -> None:
            steps = self._steps.pop(name, 0)
            progress(name, steps, steps)

        def step_complete(self, name: str, step: int) -> bool:
            progress(name, step + 1, self._steps.get(name, 0))
            return True

    return Monitor()
