"""What a comparison lets pass, from TOML that a person can read."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orapp.engines.trust import models_folder
from orapp.errors import OrappError

LARGEST = 64 * 1024
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Pixels = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]


class Tolerances(BaseModel):
    """Limits for one case; `calibration/qa-tolerances.toml` says what each of them is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    dice_mean: Share
    dice_min: Share
    one_sided: Share
    distance_mean_px: Pixels
    distance_p95_px: Pixels
    detection_change: Share
    flicker_change: Share
    identical_when_same: bool = True


def shipped_tolerances() -> Path:
    """The file that ships, in the checkout or in the installed package."""
    return models_folder().parent / "calibration" / "qa-tolerances.toml"


def load_tolerances(path: Path | None) -> Tolerances:
    """Reads tolerances; None reads the file that ships.

    Raises:
        OrappError: it can't be read, is no TOML, or a figure is missing, unknown or out of range.
    """
    path = shipped_tolerances() if path is None else path
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise OrappError(
            f"the tolerances '{path.name}' can't be read ({why})", "check it"
        ) from None
    if len(raw) > LARGEST:
        raise OrappError(f"'{path.name}' holds no tolerances: it is too large", "check the path")
    try:
        return Tolerances.model_validate(tomllib.loads(raw.decode()))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = f"the tolerances '{path.name}' are wrong at {place}: {first['msg'].lower()}"
        raise OrappError(what[:300], "correct it") from None
    except (ValueError, RecursionError):
        raise OrappError(f"the tolerances '{path.name}' are no TOML", "correct it") from None
