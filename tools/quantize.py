r"""Writes a model's int8 form: explicit Q/DQ from calibration frames, for TensorRT and OpenVINO.

    python -m tools.quantize --choose    # writes calibration/int8/frames.csv
    python -m tools.quantize --model engines/pfnet-lite

The second writes model-int8.onnx and enters it in the manifest.

Frames are named by source, exposure, polarity and SHA-256; no picture is stored. Weights are
symmetric per channel, activations symmetric per tensor with the range of 99.999 % of their values,
biases stay float32 (what TensorRT takes). Convolutions alone are quantised, and of these the wide
ones, in which the time goes: narrow ones lose most and gain least.
"""

import argparse
import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.progress import track

from orapp.engines.trust import MANIFEST, Manifest, load_manifest, read_checked
from orapp.errors import OrappError
from orapp.pfnet.export import form_lines
from orapp.shrink import shrink
from orapp.sources.simulated import SimulatedRun, parse_options

FRAMES = Path(__file__).parent.parent / "calibration" / "int8" / "frames.csv"
SEEDS, EXPOSURES = range(500, 524), (0, 110, 170)
SIDE = 512
NARROW = 24
"""Convolutions with so few channels out, or fewer, stay in float32."""

Gray = NDArray[np.uint8]


def choose(file: Path) -> None:
    """Writes the list: simulated runs, fractured and healthy, before and with the trocar."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["source", "exposure", "inverted", "sha256"])
        for seed in track(SEEDS, "runs"):
            scene = "healthy" if seed % 3 == 0 else "fracture"
            uri = f"simulated:?scene={scene}&seed={seed}&size={SIDE}"
            run = SimulatedRun(parse_options(uri))
            for exposure in EXPOSURES:
                picture = run.picture(exposure)
                digest = hashlib.sha256(picture.tobytes()).hexdigest()
                table.writerow([uri, exposure, seed % 2, digest])


def frames(file: Path, size: tuple[int, int]) -> Iterator[Gray]:
    """The listed frames at the network's size.

    Raises:
        OrappError: a frame is not the one that the list names.
    """
    runs: dict[str, SimulatedRun] = {}
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            uri = row["source"]
            run = runs.setdefault(uri, SimulatedRun(parse_options(uri)))
            picture = run.picture(int(row["exposure"]))
            if hashlib.sha256(picture.tobytes()).hexdigest() != row["sha256"]:
                raise OrappError(
                    f"exposure {row['exposure']} of '{uri}' is not the frame that was chosen",
                    "choose the calibration frames again",
                )
            yield shrink(255 - picture if row["inverted"] == "1" else picture, size)


def quantise(model: Path, pictures: Sequence[Gray], out: Path) -> None:
    """Writes the Q/DQ form of an ONNX model, calibrated on (h, w) uint8 pictures."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(pictures)

        def get_next(self) -> dict[str, Any] | None:
            picture = next(self._left, None)
            return None if picture is None else {"image": picture[None, None]}

    quantize_static(
        str(model),
        str(out),
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=narrow(onnx.load(model)),
        calibrate_method=CalibrationMethod.Percentile,
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "QuantizeBias": False,
        },
    )


def narrow(model: onnx.ModelProto) -> list[str]:
    """Convolutions that stay in float32; among them those that give the maps."""
    shapes = {w.name: tuple(w.dims) for w in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and shapes.get(node.input[1], (0,))[0] <= NARROW
    ]


def enter(folder: Path, manifest: Manifest, file: Path) -> None:
    """Names the int8 form in the model's manifest, in place of an older one."""
    path = folder / MANIFEST
    text = re.sub(r"\n*\[forms\.int8\]\n(?:[^\[\n][^\n]*\n)*", "\n", path.read_text())
    path.write_text(text.rstrip() + "\n\n" + "\n".join(form_lines("int8", file)) + "\n")
    assert load_manifest(folder).name == manifest.name


def main() -> None:
    """Reads the command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", type=Path, default=Path("engines/pfnet-lite"))
    arguments.add_argument("--frames", type=Path, default=FRAMES)
    arguments.add_argument("--choose", action="store_true", help="write the list of frames")
    given = arguments.parse_args()
    if given.choose:
        choose(given.frames)
        return
    manifest = load_manifest(given.model)
    read_checked(given.model, manifest.file, manifest.sha256)
    size = manifest.input_height, manifest.input_width
    pictures = list(track(frames(given.frames, size), "calibration frames"))
    out = given.model / "model-int8.onnx"
    quantise(given.model / manifest.file, pictures, out)
    enter(given.model, manifest, out)
    print(f"{out.name}: {out.stat().st_size / 1e6:.1f} MB, from {len(pictures)} frames")


if __name__ == "__main__":
    main()
