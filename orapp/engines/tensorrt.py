"""TensorRT and TensorRT-RTX on a GPU, with pycuda for memory and the stream.

Pinned host buffers, one stream, asynchronous copies, addresses by name; nothing is allocated per
frame. TensorRT-RTX captures the whole graph as a CUDA graph by itself.
"""

from types import TracebackType
from typing import Any, Self

import numpy as np

from orapp.engines import EngineIdentity, Inference, check_image, identity
from orapp.engines.build import find_tensorrt, make_log
from orapp.engines.gpu import Gpu
from orapp.engines.plans import Precision, Runtime
from orapp.engines.trust import Manifest
from orapp.errors import OrappError
from orapp.frames import Gray


class TensorRtEngine:
    """A plan that the cache has verified, deserialised and warm.

    Args:
        manifest: of the model.
        plan: bytes that `PlanCache.load` returned; deserialising them is running them.
        here: the runtime that the plan was verified for.
        precision: of the plan.

    Raises:
        OrappError: TensorRT, pycuda, the driver or the plan refuses; in their words.
    """

    identity: EngineIdentity

    def __init__(
        self, manifest: Manifest, plan: bytes, here: Runtime, precision: Precision
    ) -> None:
        _, trt = find_tensorrt(here.flavour)  # type: ignore[arg-type]
        backend = f"{here.flavour} {trt.__version__} GPU {precision}"
        self.identity = identity(manifest, backend, precision)
        self._log = make_log(trt)
        self._primary: Any = None
        self._buffers: dict[str, tuple[np.ndarray, Any]] = {}
        try:
            if here.gpu is not None:
                self._enter_gpu(here.gpu)
            self._load(trt, plan, manifest)
        except Exception as error:
            self._leave()
            if isinstance(error, OrappError):
                raise
            why = " ".join(str(error).split())[:300]
            raise OrappError(f"the GPU refuses the plan: {why}", "see docs/gpu.md") from None

    def _enter_gpu(self, expected: Gpu) -> None:
        """Makes the GPU's context current, if it is the GPU that the plan was verified for."""
        self._cuda = _pycuda()
        device = self._cuda.Device(0)
        major, minor = device.compute_capability()
        if (device.name(), f"sm{major}{minor}") != (expected.name, expected.compute):
            raise OrappError(
                f"CUDA's first GPU is {device.name()}, the driver's is {expected.name}",
                "unset CUDA_VISIBLE_DEVICES",
            )
        self._primary = device.retain_primary_context()
        self._primary.push()

    def _load(self, trt: Any, plan: bytes, manifest: Manifest) -> None:
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise OrappError(f"TensorRT refuses the plan: {self._log.last}", "see docs/gpu.md")
        self._check_tensors(trt, manifest)
        self._context = self._make_context(trt)
        if self._context is None:
            raise RuntimeError(self._log.last or "no execution context")
        self._stream = self._cuda.Stream()
        self._buffers = {name: self._buffer(name) for name in self._shapes()}
        self._run()

    def infer(self, image: Gray) -> Inference:
        """See `Engine.infer`."""
        check_image(image, self.identity)
        self._buffers["image"][0][0, 0] = image
        self._run()
        broken, spine = self._buffers["judged"][0][0].tolist()
        return Inference(self._buffers["probability"][0][0, 0], broken, spine)

    def _run(self) -> None:
        host, device = self._buffers["image"]
        self._cuda.memcpy_htod_async(device, host, self._stream)
        if not self._context.execute_async_v3(self._stream.handle):
            raise RuntimeError(f"TensorRT did not run: {self._log.last or 'no reason given'}")
        for name in ("probability", "judged"):
            host, device = self._buffers[name]
            self._cuda.memcpy_dtoh_async(host, device, self._stream)
        self._stream.synchronize()

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        names = (self._engine.get_tensor_name(k) for k in range(self._engine.num_io_tensors))
        return {name: tuple(self._engine.get_tensor_shape(name)) for name in names}

    def _check_tensors(self, trt: Any, manifest: Manifest) -> None:
        picture = (1, 1, manifest.input_height, manifest.input_width)
        into, out = trt.TensorIOMode.INPUT, trt.TensorIOMode.OUTPUT
        expected = {
            "image": (into, trt.uint8, picture),
            "probability": (out, trt.uint8, picture),
            "judged": (out, trt.float32, (1, 2)),
        }
        engine = self._engine
        found = {
            name: (engine.get_tensor_mode(name), engine.get_tensor_dtype(name), shape)
            for name, shape in self._shapes().items()
        }
        if found != expected:
            raise OrappError(f"the plan takes and gives {found}", "build it again")

    def _make_context(self, trt: Any) -> Any:
        if not hasattr(trt, "CudaGraphStrategy"):
            return self._engine.create_execution_context()
        settings = self._engine.create_runtime_config()
        settings.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        return self._engine.create_execution_context(settings)

    def _buffer(self, name: str) -> tuple[np.ndarray, Any]:
        kind = np.float32 if name == "judged" else np.uint8
        host = self._cuda.pagelocked_zeros(self._shapes()[name], kind)
        device = self._cuda.mem_alloc(host.nbytes)
        if not self._context.set_tensor_address(name, int(device)):
            raise RuntimeError(self._log.last or f"no address for {name}")
        return host, device

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        """Frees memory and engine while their context is there; may be called twice."""
        self._buffers = {}
        self._stream = self._context = self._engine = self._runtime = None
        if self._primary is not None:
            self._primary.pop()
            self._primary = None


def _pycuda() -> Any:
    """The driver module of pycuda, which imports only where a driver is."""
    try:
        import pycuda.driver as cuda
    except ImportError:
        raise OrappError(
            "pycuda is not installed, or finds no NVIDIA driver", "see docs/gpu.md"
        ) from None
    cuda.init()
    return cuda
