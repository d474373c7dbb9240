"""What is loaded is what the manifest names: models are found, read and checked here."""

import hashlib
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orapp.errors import OrappError

MANIFEST = "manifest.toml"
MAX_MANIFEST_BYTES = 64 * 1024
MAX_MODEL_BYTES = 1024**3
SHA256 = Field(pattern=r"^[0-9a-f]{64}$")
_FILE = Field(pattern=r"^[A-Za-z0-9_.-]+$")


class Weights(BaseModel):
    """The same model for the torch reference.

    Attributes:
        file: safetensors beside the manifest.
        sha256: of that file.
        network: which network they belong to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str = _FILE
    sha256: str = SHA256
    network: Literal["pfnet", "pfnet-lite"]


class File(BaseModel):
    """A file of the model.

    Attributes:
        file: beside the manifest.
        sha256: of that file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str = _FILE
    sha256: str = SHA256


class Bounds(BaseModel):
    """How far an engine may be from the reference, on the golden frames.

    Attributes:
        max_difference, mean_difference: of the probability, in 255ths.
        outline_px: largest distance between outlines, in pixels of the network's map.
        judged: largest difference of a judgement, 0 to 1.
        dice: of the masks, at least.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_difference: float = Field(ge=0, le=255)
    mean_difference: float = Field(ge=0, le=255)
    outline_px: float = Field(ge=0)
    judged: float = Field(ge=0, le=1)
    dice: float = Field(ge=0, le=1)


class Manifest(BaseModel):
    """What a model is, and how to know that it is this one.

    Attributes:
        name: the model's name.
        file: the ONNX beside the manifest: uint8 (1, 1, h, w) in; out come `probability`, the
            same, and `judged`, float32 (1, 2): a body is broken, it is a spine.
        sha256: of that file.
        input_height, input_width: h and w.
        threshold: probability (0 to 1) from which a pixel belongs to a fracture.
        min_area: smallest outline that counts, as a fraction of the picture's area.
        least_broken: probability of a fracture in the picture from which it is outlined.
        least_spine: probability of a spine from which a view is supported.
        trained_on: in one sentence.
        licence: SPDX identifier.
        metrics: figures, each with a name that says of what.
        torch: weights of the reference, if they ship.
        forms: the graph in other precisions, `fp16` and `int8`, if they ship.
        golden: pictures with the reference's answers, see orapp/golden.py.
        bounds: by precision, how far an engine may be from these.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    file: str = _FILE
    sha256: str = SHA256
    input_height: int = Field(ge=32, le=2048)
    input_width: int = Field(ge=32, le=2048)
    threshold: float = Field(gt=0, lt=1)
    min_area: float = Field(ge=0, lt=1)
    least_broken: float = Field(ge=0, le=1)
    least_spine: float = Field(ge=0, le=1)
    trained_on: str
    licence: str
    metrics: dict[str, float | str] = {}
    torch: Weights | None = None
    forms: dict[Literal["fp16", "int8"], File] = {}
    golden: File
    bounds: dict[Literal["fp32", "fp16", "int8"], Bounds]

    def form(self, precision: str) -> File | None:
        """The file of a precision (fp32, fp16, int8), or None if it does not ship."""
        if precision == "fp32":
            return File(file=self.file, sha256=self.sha256)
        return self.forms.get(precision)  # type: ignore[call-overload, no-any-return]


def models_folder() -> Path:
    """Where the models that ship lie: in the checkout, or in the installed package."""
    package = Path(__file__).parent.parent
    installed = package / "_shipped" / "engines"
    return installed if installed.is_dir() else package.parent / "engines"


def model_names() -> list[str]:
    """The models that ship."""
    return sorted(p.parent.name for p in models_folder().glob(f"*/{MANIFEST}"))


def find_model(name: str) -> Path:
    """The folder of a shipped model, by name, or any folder with a manifest.

    Raises:
        OrappError: there is none.
    """
    # A plain name means a model that ships, whatever lies in the working directory.
    for folder in (models_folder() / name, Path(name)):
        try:
            if (folder / MANIFEST).is_file():
                return folder
        except OSError as error:
            what = f"model '{Path(name).name}' can't be read: {error.strerror}"
            raise OrappError(what, "check its permissions") from None
    known = model_names()
    raise OrappError(
        f"there is no model '{Path(name).name}'",
        f"use one of {', '.join(known) or 'none'} or a folder with a {MANIFEST}",
    )


def load_manifest(folder: Path) -> Manifest:
    """Reads and validates a manifest, and that its files are there.

    Raises:
        OrappError: it is too large, no TOML, has a wrong or missing field, or a file is missing.
    """
    path = folder / MANIFEST
    try:
        raw = _read(path, MAX_MANIFEST_BYTES)
        manifest = Manifest.model_validate(tomllib.loads(raw.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OrappError(f"{_in(folder)} is not TOML: {error}", "restore it") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise OrappError(
            f"{_in(folder)}: field '{where}': {first['msg'].lower()}", "restore it"
        ) from None
    for name in _files(manifest):
        if not (folder / name).is_file():
            raise OrappError(f"{name} is missing beside {_in(folder)}", "install the model again")
    return manifest


def check_model(name: str) -> None:
    """Finds a model and reads all that its manifest names.

    Raises:
        OrappError: there is no such model, or one of its files is not what the manifest says.
    """
    folder = find_model(name)
    manifest = load_manifest(folder)
    for file, sha256 in _files(manifest).items():
        read_checked(folder, file, sha256)


def _files(manifest: Manifest) -> dict[str, str]:
    """All files of a model with their SHA-256."""
    files = {manifest.file: manifest.sha256}
    if manifest.torch is not None:
        files[manifest.torch.file] = manifest.torch.sha256
    return files | {f.file: f.sha256 for f in (*manifest.forms.values(), manifest.golden)}


def read_checked(folder: Path, name: str, sha256: str) -> bytes:
    """The bytes of a model file, if they are those that the manifest names.

    What is hashed is what is returned: load from these bytes, not from the file.

    Raises:
        OrappError: the file can't be read or differs.
    """
    data = _read(folder / name, MAX_MODEL_BYTES)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise OrappError(
            f"{name} of {folder.name} is not the file that its manifest names (SHA-256 differs)",
            "install the model again",
        )
    return data


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise OrappError(
            f"{path.name} of {path.parent.name} can't be read: {error.strerror}",
            "check the file and its permissions",
        ) from None
    if len(data) > limit:
        raise OrappError(f"{path.name} is larger than {limit} bytes", "install the model again")
    return data


def _in(folder: Path) -> str:
    return f"{MANIFEST} of {folder.name}"
