"""Steps of training: on a GPU, one is recorded as a CUDA graph and replayed."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from orapp.pfnet.export import standardise
from orapp.pfnet.losses import pfnet_loss
from tools.comparators import device_of, forward

BODIES_WEIGHT = 0.5
"""Of the second map's loss, all vertebral bodies, beside the fracture's."""
JUDGE_WEIGHT = 1.0
WARM_UP = 3
"""Steps before one is recorded, as CUDA wants it; on the first batch."""
LARGEST_GRADIENT = 5.0


class Steps:
    """Trains a network batch by batch.

    A small network launches more than a thousand kernels in a step, which takes a GPU's host longer
    than the GPU; replaying them as one graph does not. All batches must then be of one size.

    Args:
        network: where it is, it is trained.
        rate: the learning rate to begin with.
        precision: `f32`, or `bf16` for the network; the losses stay float32.

    Attributes:
        optimiser: AdamW, as torch has it.
    """

    def __init__(self, network: nn.Module, rate: float, precision: str = "f32") -> None:
        self.network, self._precision = network, precision
        self._on_gpu = device_of(network).type == "cuda"
        self.optimiser = torch.optim.AdamW(
            network.parameters(),
            lr=torch.tensor(rate, device=device_of(network)) if self._on_gpu else rate,
            weight_decay=1e-3,
            capturable=self._on_gpu,
        )
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: list[Tensor] = []
        self._loss = torch.zeros(())

    def set_rate(self, rate: float) -> None:
        """Of the next steps."""
        for group in self.optimiser.param_groups:
            if self._on_gpu:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def __call__(self, batch: Sequence[Tensor]) -> Tensor:
        """One step; returns the loss, one number.

        Args:
            batch: pictures (B, 1, H, W) uint8, masks (B, 2, H, W) uint8, and what is true of the
                picture, (B, 2): a body is broken, it is a spine.
        """
        if not self._on_gpu:
            return self._step(batch)
        if self._graph is None:
            self._record(batch)
            assert self._graph is not None
        for place, plane in zip(self._batch, batch, strict=True):
            place.copy_(plane)
        self._graph.replay()
        return self._loss.clone()

    def _record(self, batch: Sequence[Tensor]) -> None:
        self._batch = [plane.to(device_of(self.network)) for plane in batch]
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                self._step(self._batch)
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._loss = self._step(self._batch)

    def _step(self, batch: Sequence[Tensor]) -> Tensor:
        image, masks, truth = batch
        target = F.avg_pool2d(masks.float() / 255, 2).round()
        kind, some = image.device.type, self._precision == "bf16"
        with torch.autocast(kind, torch.bfloat16, enabled=some, cache_enabled=not self._on_gpu):
            outputs, judged = forward(self.network, standardise(image), shrink=2)
        outputs, judged = [o.float() for o in outputs], judged.float()
        losses = pfnet_loss(outputs, target, window=15)
        loss = losses[0] + BODIES_WEIGHT * losses[1]
        loss = loss + JUDGE_WEIGHT * F.binary_cross_entropy_with_logits(judged, truth)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        return loss.detach()
