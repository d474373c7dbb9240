"""Compiled engines on disk: what each was built for, and whether it may be loaded (C6).

A plan is native code: to deserialise it is to run it. It is loaded only if its whole key matches
this machine and this model, and its digest, keyed by a secret of this machine, verifies.
"""

import hashlib
import hmac
import json
import os
import platform
import secrets
import stat
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orapp.engines.gpu import Gpu
from orapp.engines.trust import SHA256, Manifest
from orapp.errors import NotThere, OrappError
from orapp.files import replace_file

Flavour = Literal["tensorrt", "tensorrt-rtx"]
Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp16", "int8", "fp32")
"""In the order in which `auto` takes them."""
MAX_PLAN_BYTES = 4 * 1024**3
MAX_LABEL_BYTES = 16 * 1024
SECRET = "secret"
SECRET_BYTES = 32


class PlanKey(BaseModel):
    """Everything that a plan was built for.

    Attributes:
        model: name of the model.
        model_sha256: of the model's ONNX, as its manifest names it.
        source_sha256: of the ONNX that was compiled: the model's own, or its fp16 or int8 form.
        flavour, version: of TensorRT.
        precision: of the graph.
        targets: compute capabilities that were named, such as `sm86`; empty if it was built for
            the GPU of this machine alone.
        gpu, compute, driver: of this machine's GPU; empty if it had none.
        input_height, input_width: of the network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    model_sha256: str = SHA256
    source_sha256: str = SHA256
    flavour: Flavour
    version: str = Field(pattern=r"^[0-9.]{1,32}$")
    precision: Precision
    targets: tuple[str, ...] = ()
    gpu: str = ""
    compute: str = ""
    driver: str = ""
    input_height: int
    input_width: int

    @property
    def name(self) -> str:
        """File name without suffix: readable, and different for every key."""
        digest = hashlib.sha256(_canonical(self)).hexdigest()
        return f"{self.model}-{self.flavour}-{self.precision}-{digest[:12]}"


class Label(BaseModel):
    """What lies beside a plan: its key, its size, and the digest of both."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: PlanKey
    size: int = Field(ge=0)
    digest: str = SHA256


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan in the cache.

    Attributes:
        path: of the plan file.
        key: what it was built for, None if its label can't be read.
        refusal: why it may not be loaded, "" if it is ready.
    """

    path: Path
    key: PlanKey | None
    refusal: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """What this machine would load a plan with; empty or None where there is none."""

    flavour: str
    version: str
    gpu: Gpu | None


def plans_folder() -> Path:
    """The user's cache of plans, after the XDG base directory specification."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "orapp" / "plans"


class PlanCache:
    """The plans of this machine, in a folder with the machine's secret."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def store(self, key: PlanKey, plan: bytes) -> Path:
        """Writes a plan and its label; an older plan of the same key is replaced.

        Raises:
            OrappError: the folder can't be written, or the secret can't be used.
        """
        secret = self._secret(make=True)
        path = self._folder / f"{key.name}.plan"
        digest = _digest(secret, key, plan)
        path.with_suffix(".toml").unlink(missing_ok=True)  # no label, no loading: never a mix
        replace_file(path, lambda part: _write(part, plan))
        text = _label(key, len(plan), digest)
        replace_file(path.with_suffix(".toml"), lambda part: _write(part, text.encode()))
        return path

    def plans(self, manifests: dict[str, Manifest], runtimes: Sequence[Runtime]) -> Iterator[Plan]:
        """Every plan, with the reason for which it is refused; nothing is deserialised."""
        for path in sorted(self._folder.glob("*.plan")):
            key: PlanKey | None = None
            try:
                key, _ = self._verified(path)
                manifest = manifests.get(key.model)
                if manifest is None:
                    raise OrappError(
                        f"'{key.model}' does not ship with orapp: it is checked when it is opened",
                        "give its folder to 'orapp live --model'",
                    )
                flavour = key.flavour
                here = next((r for r in runtimes if r.flavour == flavour), runtimes[0])
                refuse_mismatch(key, manifest, here)
            except OrappError as error:
                yield Plan(path, key, str(error))
            else:
                yield Plan(path, key, "")

    def load(self, manifest: Manifest, precision: Precision, here: Runtime) -> bytes:
        """The bytes of the plan for this model and precision on this machine.

        What is verified is what is returned.

        Raises:
            OrappError: there is none, or the best that there is may not be loaded; says why.
        """
        _refuse_without_tensorrt(here)
        refusals: list[OrappError] = []
        for path in self._paths(manifest, precision, here):
            try:
                key, plan = self._verified(path)
                refuse_mismatch(key, manifest, here)
            except OrappError as error:
                refusals.append(error)
            else:
                return plan
        if refusals:
            raise refusals[0]
        what = f"no {precision} plan of {manifest.name} has been built by {here.flavour}"
        raise NotThere(what, build_command(manifest.name, precision))

    def best(self, manifest: Manifest, here: Runtime) -> tuple[Precision, bytes]:
        """Precision and bytes of the first plan that may be loaded, in the order of `PRECISIONS`.

        Raises:
            OrappError: there is none; if one was refused, says why.
        """
        _refuse_without_tensorrt(here)
        refusal: OrappError | None = None
        for precision in PRECISIONS:
            if self._paths(manifest, precision, here):
                try:
                    return precision, self.load(manifest, precision, here)
                except OrappError as error:
                    refusal = refusal or error
        raise refusal or NotThere(
            f"no plan of {manifest.name} has been built",
            build_command(manifest.name, "fp16"),
        )

    def _paths(self, manifest: Manifest, precision: Precision, here: Runtime) -> list[Path]:
        start = f"{manifest.name}-{here.flavour}-{precision}-"
        return sorted(self._folder.glob(f"{start}*.plan"), key=_age)

    def clear(self) -> int:
        """Removes all plans and labels, and the secret; returns how many plans there were."""
        plans = list(self._folder.glob("*.plan"))
        try:
            for path in [*plans, *self._folder.glob("*.toml"), self._folder / SECRET]:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OrappError(
                f"the plans can't be removed: {error.strerror}", "check the permissions"
            ) from None
        return len(plans)

    def _verified(self, path: Path) -> tuple[PlanKey, bytes]:
        """Key and bytes of a plan that is what orapp wrote."""
        secret = self._secret(make=False)
        label = _read_label(path.with_suffix(".toml"))
        plan = _read(path, MAX_PLAN_BYTES)
        rebuild = build_command(label.key.model, label.key.precision)
        if path.stem != label.key.name:
            raise OrappError(f"{path.name} bears the name of another plan", rebuild)
        if len(plan) != label.size:
            what = f"{path.name} is cut: {len(plan)} of {label.size} bytes are there"
            raise OrappError(what, rebuild)
        if not hmac.compare_digest(_digest(secret, label.key, plan), label.digest):
            what = f"{path.name} or its label was changed after it was built (digest differs)"
            raise OrappError(what, rebuild)
        return label.key, plan

    def _secret(self, *, make: bool) -> bytes:
        path = self._folder / SECRET
        try:
            if make and not path.exists():
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with suppress(FileExistsError), os.fdopen(os.open(path, flags, 0o600), "wb") as f:
                    f.write(secrets.token_bytes(SECRET_BYTES))
            if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise OrappError(
                    "others can read the secret that plans are signed with",
                    "run 'orapp engine clear' and build them again",
                )
            secret = path.read_bytes()
        except OSError as error:
            raise OrappError(
                f"the secret that plans are signed with can't be used: {error.strerror}",
                "run 'orapp engine clear' and build them again",
            ) from None
        if len(secret) != SECRET_BYTES:
            raise OrappError(
                "the secret that plans are signed with is damaged",
                "run 'orapp engine clear' and build them again",
            )
        return secret


def refuse_mismatch(key: PlanKey, manifest: Manifest, here: Runtime) -> None:
    """Raises OrappError, naming the first difference, unless the plan is for this machine."""
    rebuild = build_command(key.model, key.precision)
    form = manifest.form(key.precision)
    size = manifest.input_height, manifest.input_width
    if key.model_sha256 != manifest.sha256 or form is None or key.source_sha256 != form.sha256:
        raise OrappError(f"the plan was built from another {key.model} (SHA-256 differs)", rebuild)
    if (key.input_height, key.input_width) != size:
        raise OrappError("the plan was built for another input size", rebuild)
    _refuse_without_tensorrt(here)
    if (key.flavour, key.version) != (here.flavour, here.version):
        what = f"the plan was built by {key.flavour} {key.version}, here is {here.flavour} "
        raise OrappError(what + here.version, rebuild)
    if here.gpu is None:
        raise NotThere("this machine has no NVIDIA GPU with a driver", "see docs/gpu.md")
    if key.targets and here.gpu.compute not in key.targets:
        what = f"the plan was built for {', '.join(key.targets)}, this GPU is "
        raise OrappError(what + here.gpu.compute, rebuild)
    if key.targets and not key.gpu:
        return  # built before this machine had its GPU
    for name, built, now in (
        ("GPU", key.gpu, here.gpu.name),
        ("compute capability", key.compute, here.gpu.compute),
        ("driver", key.driver, here.gpu.driver),
    ):
        if built != now:
            raise OrappError(f"the plan was built for {name} {built}, here is {now}", rebuild)


def _refuse_without_tensorrt(here: Runtime) -> None:
    if not here.flavour:
        raise NotThere("TensorRT is not installed", "see docs/gpu.md")


def build_command(model: str, precision: str) -> str:
    """What to do about a plan that is missing or refused."""
    return f"run 'orapp engine build {model} --precision {precision}' before the case"


def _age(path: Path) -> float:
    """Newest first; a file that vanishes is the oldest."""
    with suppress(OSError):
        return -path.stat().st_mtime
    return 0.0


def _canonical(key: PlanKey) -> bytes:
    return json.dumps(key.model_dump(mode="json"), sort_keys=True).encode()


def _machine() -> bytes:
    """What tells this machine from one that shares its home folder; 32 bytes."""
    said = b""
    with suppress(OSError):
        said = Path("/etc/machine-id").read_bytes()
    return hashlib.sha256(said or platform.node().encode()).digest()


def _digest(secret: bytes, key: PlanKey, plan: bytes) -> str:
    """HMAC-SHA256 over the machine, the key, its length first, and the plan."""
    said = _canonical(key)
    signed = hmac.new(secret, _machine(), hashlib.sha256)
    signed.update(len(said).to_bytes(8, "big") + said)
    signed.update(plan)
    return signed.hexdigest()


def _label(key: PlanKey, size: int, digest: str) -> str:
    lines = ["# Written by orapp with the plan beside it."]
    lines += [f"size = {size}", f'digest = "{digest}"', "", "[key]"]
    lines += [f"{k} = {json.dumps(v)}" for k, v in key.model_dump(mode="json").items()]
    return "\n".join(lines) + "\n"


def _read_label(path: Path) -> Label:
    try:
        return Label.model_validate(tomllib.loads(_read(path, MAX_LABEL_BYTES).decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError):
        raise OrappError(f"{path.name} is damaged", "run 'orapp engine clear'") from None


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise OrappError(
            f"{path.name} can't be read: {error.strerror}", "run 'orapp engine clear'"
        ) from None
    if len(data) > limit:
        raise OrappError(f"{path.name} is larger than {limit} bytes", "run 'orapp engine clear'")
    return data


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o600)
