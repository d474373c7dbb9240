"""torch on the CPU: the reference that the other engines are verified against."""

from pathlib import Path
from types import TracebackType
from typing import Self

from orapp.engines import EngineIdentity, Inference, check_image, identity
from orapp.engines.trust import Manifest, read_checked
from orapp.errors import NotThere, OrappError
from orapp.frames import Gray


class TorchEngine:
    """The same module that was exported to ONNX, in float32, from checked safetensors."""

    identity: EngineIdentity

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        try:
            import torch
            from safetensors.torch import load
        except ImportError:
            raise NotThere(
                "torch is not installed", "install orapp[train] or use --engine openvino"
            ) from None
        if manifest.torch is None:
            raise OrappError(f"{manifest.name} has no weights for torch", "use --engine openvino")
        from orapp.pfnet.export import Deployed
        from orapp.pfnet.variants import NETWORKS

        self.identity = identity(manifest, f"torch {torch.__version__} CPU fp32")
        weights = load(read_checked(folder, manifest.torch.file, manifest.torch.sha256))
        network = NETWORKS[manifest.torch.network]()
        try:
            network.load_state_dict(weights)
        except RuntimeError:
            raise OrappError(
                f"the weights of {manifest.name} don't fit {manifest.torch.network}",
                "export the model again",
            ) from None
        self._torch = torch
        self._network = Deployed(network).eval()

    def explain(self, image: Gray) -> Gray:
        """Where the judgement looks, (h, w) uint8; see `orapp.pfnet.explain`.

        Raises:
            NotThere: monai is not installed.
        """
        check_image(image, self.identity)
        try:
            from orapp.pfnet.explain import grad_cam
        except ImportError:
            raise NotThere("monai is not installed", "install orapp[train]") from None
        return grad_cam(self._network.network, image)

    def infer(self, image: Gray) -> Inference:
        """See `Engine.infer`."""
        check_image(image, self.identity)
        with self._torch.inference_mode():
            probability, judged = self._network(self._torch.tensor(image)[None, None])
        broken, spine = judged[0].tolist()
        return Inference(probability[0, 0].numpy(), broken, spine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to free beyond memory."""
