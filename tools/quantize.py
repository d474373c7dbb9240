r"""Writes a model's int8 form: explicit Q/DQ from calibration frames, for TensorRT and OpenVINO.

    python -m tools.quantize --choose    # writes calibration/int8/frames.csv
    python -m tools.quantize --model engines/pfnet-lite
    python -m tools.quantize --model MODEL --frames LIST.csv --sessions RECORDINGS

The second writes model-int8.onnx and enters it in the manifest. The third takes frames of recorded
sessions, from a list that `orapp calibrate int8` has picked.

Frames are named by source, exposure, polarity and SHA-256; no picture is stored. Weights are
symmetric per channel, activations symmetric per tensor with the range of 99.999 % of their values,
biases stay float32 (what TensorRT takes). Convolutions alone are quantised, and of these the wide
ones, in which the time goes: narrow ones lose most and gain least.
"""

import argparse
import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.progress import track

from orapp.calibrate.frames_for_int8 import pictures, session_hash
from orapp.engines.trust import MANIFEST, Manifest, load_manifest, read_checked
from orapp.errors import OrappError
from orapp.pfnet.export import form_lines
from orapp.shrink import shrink
from orapp.sources.session import SessionSource
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


def frames(file: Path, size: tuple[int, int], sessions: Sequence[Path] = ()) -> Iterator[Gray]:
    """The listed frames at the network's size.

    Args:
        file: the list.
        size: (h, w) of the network.
        sessions: folders of recordings, or folders of such folders, for a list that names some.

    Raises:
        OrappError: a frame is not the one that the list names, or a session is not there.
    """
    folders = _by_hash(sessions)
    with file.open(newline="") as lines:
        for uri, rows in groupby(csv.DictReader(lines), key=lambda row: row["source"]):
            wanted = {int(row["exposure"]): row for row in rows}
            for number, picture in _pictures(uri, wanted, folders):
                row = wanted.pop(number)
                if hashlib.sha256(picture.tobytes()).hexdigest() != row["sha256"]:
                    raise _not_chosen(number, uri)
                yield shrink(255 - picture if row["inverted"] == "1" else picture, size)
            for number in wanted:
                raise _not_chosen(number, uri)


def _not_chosen(number: int, uri: str) -> OrappError:
    return OrappError(
        f"exposure {number} of '{uri}' is not the frame that was chosen",
        "choose the calibration frames again",
    )


def _pictures(
    uri: str, wanted: Iterable[int], folders: dict[str, Path]
) -> Iterator[tuple[int, Gray]]:
    """The wanted pictures of a source, each with its number."""
    kind, _, name = uri.partition(":")
    if kind != "session":
        run = SimulatedRun(parse_options(uri))
        yield from ((number, run.picture(number)) for number in list(wanted))
        return
    if name not in folders:
        raise OrappError(f"session {name} is not there", "name its folder with --sessions")
    numbers = set(wanted)
    source = SessionSource(str(folders[name]), paced=False)
    for number, (picture, _) in enumerate(pictures(source)):
        if number in numbers:
            yield number, picture


def _by_hash(sessions: Sequence[Path]) -> dict[str, Path]:
    found = [path.parent for place in sessions for path in sorted(place.rglob("session.json"))]
    return {session_hash(folder): folder for folder in found}


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
    arguments.add_argument(
        "--sessions", type=Path, nargs="+", default=[], help="where the list's sessions are"
    )
    arguments.add_argument("--choose", action="store_true", help="write the list of frames")
    given = arguments.parse_args()
    if given.choose:
        choose(given.frames)
        return
    manifest = load_manifest(given.model)
    read_checked(given.model, manifest.file, manifest.sha256)
    size = manifest.input_height, manifest.input_width
    listed = list(track(frames(given.frames, size, given.sessions), "calibration frames"))
    out = given.model / "model-int8.onnx"
    quantise(given.model / manifest.file, listed, out)
    enter(given.model, manifest, out)
    print(f"{out.name}: {out.stat().st_size / 1e6:.1f} MB, from {len(listed)} frames")


if __name__ == "__main__":
    main()
