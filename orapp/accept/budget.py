"""What a workstation must keep to, from TOML that a person can read."""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orapp.engines.trust import models_folder
from orapp.errors import OrappError

LARGEST = 64 * 1024
Ms = Annotated[float, Field(gt=0, le=600_000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Calibration(_Table):
    """Whether a site profile must be given."""

    required: bool = True


class Latency(_Table):
    """For the run under load, from when the engine was ready."""

    picture_p99_ms: Ms = 33.0
    outline_p99_ms: Ms = 100.0
    missed_frames: Count = 0
    mispaired: Count = 0
    unsegmented_percent: Percent = 1.0
    rate_percent: Percent = 95.0


class Faults(_Table):
    """For each fault of the drill."""

    banner_ms: Ms = 250.0
    no_signal_ms: Ms = 1000.0
    back_ms: Ms = 20_000.0
    missed_frames: Count = 0


class Recording(_Table):
    """For the disk that recordings go to."""

    free_gb: Amount = 2.0
    dropped_frames: Count = 0


class Soak(_Table):
    """For the soak; what grows is judged by a robust slope."""

    least_minutes: Amount = 0.0
    memory_mb_per_hour: Amount = 50.0
    memory_slack_mb: Amount = 25.0
    threads: Amount = 0.5
    descriptors: Amount = 0.5
    missed_frames: Count = 0


class Budget(_Table):
    """All limits; `calibration/accept-budget.toml` says what each of them is."""

    calibration: Calibration = Calibration()
    latency: Latency = Latency()
    faults: Faults = Faults()
    recording: Recording = Recording()
    soak: Soak = Soak()


def shipped_budget() -> Path:
    """The file that ships, in the checkout or in the installed package."""
    return models_folder().parent / "calibration" / "accept-budget.toml"


def load_budget(path: Path | None) -> tuple[Budget, str]:
    """Reads a budget; None reads the file that ships. What is left out is as orapp does it.

    Returns:
        The budget, and the SHA-256 of its file.

    Raises:
        OrappError: it can't be read, is no TOML, or a limit is unknown or out of range.
    """
    path = shipped_budget() if path is None else path
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise OrappError(f"the budget '{path.name}' can't be read ({why})", "check it") from None
    if len(raw) > LARGEST:
        raise OrappError(f"'{path.name}' is no budget: it is too large", "check the path")
    try:
        budget = Budget.model_validate(tomllib.loads(raw.decode()))
    except ValidationError as error:
        first = error.errors()[0]
        place = _printable(".".join(str(part) for part in first["loc"]))
        what = f"the budget '{path.name}' is wrong at {place}: {first['msg'].lower()}"
        raise OrappError(what, "correct it") from None
    except (ValueError, RecursionError):
        raise OrappError(f"the budget '{path.name}' is no TOML", "correct it") from None
    return budget, hashlib.sha256(raw).hexdigest()


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:120])
