"""Small real models for the tests, each in a folder with a manifest."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from orapp.golden import Golden, write_golden
from orapp.pfnet.export import export
from orapp.pfnet.variants import pfnet_lite

BRIGHT, DARK = 200, 100


def write_bright_model(
    folder: Path,
    size: tuple[int, int] = (64, 64),
    judged: tuple[float, float] = (1.0, 1.0),
    level: int = BRIGHT,
) -> Path:
    """A model that is certain of every pixel brighter than `level`, and of no other.

    Of a picture that is dark as a whole it says `judged` (a body is broken, it is a spine), of a
    bright one that it is sure of both.
    """
    shape = [1, 1, *size]
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Greater", ["x", "level"], ["bright"]),
        helper.make_node("Cast", ["bright"], ["one"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["one", "full"], ["y"]),
        helper.make_node("Cast", ["y"], ["probability"], to=TensorProto.UINT8),
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Greater", ["flat", "dark"], ["is_bright"]),
        helper.make_node("Where", ["is_bright", "sure", "told"], ["judged"]),
    ]
    constants = [
        helper.make_tensor("level", TensorProto.FLOAT, [], [float(level)]),
        helper.make_tensor("full", TensorProto.FLOAT, [], [255.0]),
        helper.make_tensor("dark", TensorProto.FLOAT, [], [float(DARK)]),
        helper.make_tensor("told", TensorProto.FLOAT, [1, 2], judged),
        helper.make_tensor("sure", TensorProto.FLOAT, [1, 2], [1.0, 1.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info("probability", TensorProto.UINT8, shape),
            helper.make_tensor_value_info("judged", TensorProto.FLOAT, [1, 2]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (3, *size), dtype=np.uint8)
    images[:, 10:30, 10:40] = 255
    marked = np.where(images > level, 255, 0).astype(np.uint8)
    said = np.ones((len(images), 2), np.float32)
    write_golden(folder / "golden.npz", Golden(images, marked, said))
    digest, golden = (
        hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("model.onnx", "golden.npz")
    )
    (folder / "manifest.toml").write_text(
        f'name = "bright"\nfile = "model.onnx"\nsha256 = "{digest}"\n'
        f"input_height = {size[0]}\ninput_width = {size[1]}\nthreshold = 0.5\nmin_area = 0.0005\n"
        "least_broken = 0.5\nleast_spine = 0.5\n"
        'trained_on = "not trained: marks bright pixels"\nlicence = "Apache-2.0"\n'
        f'[golden]\nfile = "golden.npz"\nsha256 = "{golden}"\n'
        "[bounds.fp32]\nmax_difference = 4\nmean_difference = 0.05\noutline_px = 0.5\n"
        "judged = 0.01\ndice = 0.999\n"
    )
    return folder


def write_random_lite(folder: Path, size: tuple[int, int] = (64, 64)) -> Path:
    """pfnet-lite with random weights of a fixed seed, as ONNX and for torch."""
    torch.manual_seed(7)
    network = pfnet_lite(judges=True)
    network(torch.randn(8, 1, *size))  # gives batch normalisation statistics of its own
    export(
        network,
        folder,
        name="random",
        network_name="pfnet-lite",
        size=size,
        threshold=0.5,
        min_area=0.001,
        least_broken=0.0,
        least_spine=0.0,
        trained_on="nothing: random weights",
        licence="Apache-2.0",
        metrics={},
        golden=np.random.default_rng(3).integers(0, 256, (3, *size), dtype=np.uint8),
    )
    return folder
