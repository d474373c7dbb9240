"""OpenVINO on the CPU: the embedded default."""

import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from orapp.engines import Inference, check_image, identity
from orapp.engines.trust import Manifest, read_checked
from orapp.errors import NotThere, OrappError
from orapp.frames import Gray


class OpenVinoEngine:
    """Compiled from the checked bytes, low latency.

    In float32 (bf16 is slower without AMX), or in int8 where the model ships so.

    Args:
        folder: of the model.
        manifest: what it is.
        precision: fp32 or int8.
        threads: see `EngineSpec`.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, precision: str = "fp32", *, threads: int = 0
    ) -> None:
        form = manifest.form(precision)
        if form is None:
            raise NotThere(f"{manifest.name} does not ship as {precision}", "choose another one")
        openvino = _openvino()
        backend = f"openvino {openvino.__version__.split('-')[0]} CPU {precision}"
        self.identity = identity(manifest, backend, precision)
        data = read_checked(folder, form.file, form.sha256)
        core = openvino.Core()
        settings: dict[str, str | int] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            compiled = core.compile_model(core.read_model(data), "CPU", settings)
        except RuntimeError as error:
            raise OrappError(
                f"OpenVINO can't load {form.file}: {str(error).splitlines()[0]}",
                "export the model again",
            ) from None
        self._input = np.zeros((1, 1, *self.identity.input_size), np.uint8)
        ports = (*compiled.inputs, *compiled.outputs)
        shapes = {
            port.any_name: (port.get_element_type().get_type_name(), *port.get_shape())
            for port in ports
        }
        picture = ("u8", *self._input.shape)
        expected = {"image": picture, "probability": picture, "judged": ("f32", 1, 2)}
        if shapes != expected:
            raise OrappError(
                f"{form.file} takes and gives {shapes}, orapp expects {expected}",
                "export the model again",
            )
        self._request: Any = compiled.create_infer_request()
        self._request.set_input_tensor(openvino.Tensor(self._input, shared_memory=True))
        self._request.infer()

    def infer(self, image: Gray) -> Inference:
        """See `Engine.infer`."""
        check_image(image, self.identity)
        self._input[0, 0] = image
        self._request.infer()
        probability: Gray = self._request.get_tensor("probability").data[0, 0]
        broken, spine = self._request.get_tensor("judged").data[0].tolist()
        return Inference(probability, broken, spine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._request = None


def _openvino() -> Any:
    """OpenVINO without the module that reports each start to its vendor: nothing leaves an OR."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
