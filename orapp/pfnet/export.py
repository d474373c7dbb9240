"""From trained weights to a model folder: ONNX with everything in the graph, weights, manifest."""

import copy
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from orapp.frames import Gray
from orapp.golden import Golden, write_golden
from orapp.pfnet.network import ChannelAttention, Judge, PFNet, SpatialAttention

BOUNDS = {
    "fp32": (4, 0.05, 0.5, 0.01, 0.999),
    "fp16": (40, 0.2, 1.5, 0.03, 0.99),
    "int8": (255, 1.0, 3.0, 0.1, 0.95),
}
"""For the manifest, in the order of `Bounds`: by precision."""


def standardise(image: Tensor) -> Tensor:
    """(B, 1, H, W) grey values -> float32, mean 0 and deviation 1 over each picture.

    One grey level is added to the deviation, so that a blank picture stays blank.
    """
    x = image.float()
    away = x - x.mean((2, 3), keepdim=True)
    return away / (away.square().mean((2, 3), keepdim=True).sqrt() + 1.0)


class Deployed(nn.Module):
    """What runs in every engine: grey values in; the fracture's map and two judgements out."""

    def __init__(self, network: PFNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, 1, h, w) uint8 -> the same, 255 is certain; (1, 2) float32: broken, spine."""
        kind = next(self.network.backbone.parameters()).dtype
        outputs, judged = self.network.all_outputs(standardise(image).to(kind))
        if judged is None:
            raise ValueError("a network that does not judge the whole picture can't be deployed")
        logits = outputs[-1][:, :1].float()
        probability = (torch.sigmoid(logits) * 255.0 + 0.5).to(torch.uint8)
        return probability, torch.sigmoid(judged)


def export(
    network: PFNet,
    folder: Path,
    *,
    name: str,
    network_name: str,
    size: tuple[int, int],
    threshold: float,
    min_area: float,
    least_broken: float,
    least_spine: float,
    trained_on: str,
    licence: str,
    metrics: dict[str, float | str],
    golden: Gray,
) -> None:
    """Writes a whole model folder: ONNX in float32 and fp16, weights, golden frames, manifest.

    `network` is trained and has a judge; `golden` is (N, h, w) uint8 at the network's size, and
    some of it should show a fracture. All else stands in the manifest as it is.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    network = network.eval()
    onnx_file, weights_file = folder / "model.onnx", folder / "weights.safetensors"
    half_file, golden_file = folder / "model-fp16.onnx", folder / "golden.npz"
    to_onnx(Deployed(network).eval(), onnx_file, size)
    to_onnx(Deployed(halved(network)).eval(), half_file, size)
    write_golden(golden_file, answer(network, golden))
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, weights_file)
    lines = [
        "# Written by orapp.pfnet.export; orapp loads a file only if its SHA-256 stands here.",
        f'name = "{name}"',
        f'file = "{onnx_file.name}"',
        f'sha256 = "{_sha256(onnx_file)}"',
        f"input_height = {size[0]}",
        f"input_width = {size[1]}",
        "# From this probability on, a pixel belongs to a fracture.",
        f"threshold = {threshold}",
        "# Smallest outline that counts, as a fraction of the picture's area.",
        f"min_area = {min_area}",
        "# From this probability of a fracture in the picture on, it is outlined.",
        f"least_broken = {least_broken}",
        "# From this probability of a spine on, the view is supported.",
        f"least_spine = {least_spine}",
        f"trained_on = {json.dumps(trained_on)}",
        f'licence = "{licence}"',
        "",
        "[metrics]",
        *(f"{key} = {json.dumps(value)}" for key, value in metrics.items()),
        "",
        "[torch]",
        f'file = "{weights_file.name}"',
        f'sha256 = "{_sha256(weights_file)}"',
        f'network = "{network_name}"',
        "",
        "[golden]",
        f'file = "{golden_file.name}"',
        f'sha256 = "{_sha256(golden_file)}"',
        "",
        *form_lines("fp16", half_file),
        *bound_lines(),
    ]
    weights_file.chmod(0o644)
    (folder / "manifest.toml").write_text("\n".join(lines) + "\n")


def answer(network: PFNet, images: Gray) -> Golden:
    """What the network says in float32 about (N, h, w) uint8."""
    deployed = Deployed(network).eval()
    with torch.no_grad():
        said = [deployed(torch.from_numpy(np.array(image))[None, None]) for image in images]
    probability = np.stack([p[0, 0].numpy() for p, _ in said])
    return Golden(images, probability, np.stack([j[0].numpy() for _, j in said]))


def halved(network: PFNet) -> PFNet:
    """A copy in fp16, but for what overflows or rounds there: standardising, attention, judging.

    The attention modules compute in float32 themselves; their weights stay so, too.
    """
    half = copy.deepcopy(network).half()
    for module in half.modules():
        if isinstance(module, (ChannelAttention, SpatialAttention, Judge)):
            module.float()
    return half


def bound_lines() -> list[str]:
    """How far engines may be from the golden answers: fp32 by rounding alone, int8 at an edge."""
    names = ("max_difference", "mean_difference", "outline_px", "judged", "dice")
    lines = []
    for precision, values in BOUNDS.items():
        lines += ["", f"[bounds.{precision}]"]
        lines += [f"{name} = {value}" for name, value in zip(names, values, strict=True)]
    return lines


def form_lines(precision: str, file: Path) -> list[str]:
    """The manifest's lines about the graph in another precision."""
    return [
        f"[forms.{precision}]",
        f'file = "{file.name}"',
        f'sha256 = "{_sha256(file)}"',
    ]


def to_onnx(deployed: Deployed, file: Path, size: tuple[int, int]) -> None:
    """Writes the graph for pictures of a size (h, w): `image` in, `probability`, `judged` out."""
    torch.onnx.export(
        deployed,
        (torch.zeros((1, 1, *size), dtype=torch.uint8),),
        file,
        input_names=["image"],
        output_names=["probability", "judged"],
        opset_version=18,
        dynamo=True,
        external_data=False,
        optimize=True,
        verbose=False,
    )
    _forget_where_it_was_made(file)


def _forget_where_it_was_made(file: Path) -> None:
    """Takes out what the exporter notes for debugging: paths of the machine, lines of source."""
    import onnx

    model = onnx.load(file)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]  # engines infer the shapes themselves
    onnx.save(model, file)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
