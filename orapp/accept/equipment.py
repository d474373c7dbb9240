"""What is looked at before any picture: the engine against its model, and the calibration."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from orapp.accept.budget import Calibration
from orapp.accept.checks import Check, failed, not_checked, passed
from orapp.engines import EngineSpec
from orapp.engines.plans import plans_folder
from orapp.engines.trust import find_model, load_manifest
from orapp.errors import NotThere, OrappError
from orapp.settings import SiteProfile
from orapp.sources import SourceFormat
from orapp.verify import bounds_of, compare, every_engine, load_golden, open_verified

ENGINE, CALIBRATION = "engine", "calibration"


def check_engine(spec: EngineSpec) -> tuple[list[Check], dict[str, str]]:
    """The engine that the case would use, then every other one that there is.

    Returns:
        Checks, and the SHA-256 of what computes, by name.
    """
    try:
        hashes = _hashes(spec)
        with open_verified(replace(spec, delay_ms=0, raise_at=0)) as engine:
            used = engine.identity
            why = f" ({used.why})" if used.why else ""
            checks = [passed(ENGINE, "in use", f"{used.name} on {used.backend}{why}")]
    except OrappError as error:
        return [failed(ENGINE, "in use", error.what)], {}
    manifest = load_manifest(find_model(spec.model))
    golden = load_golden(find_model(spec.model), manifest)
    for name, opened in every_engine(find_model(spec.model), manifest):
        if isinstance(opened, NotThere):
            continue
        if isinstance(opened, OrappError):
            checks.append(failed(ENGINE, name, f"refused: {opened.what}"))
            continue
        with opened as engine:
            seen = compare(engine, golden)
            beyond = seen.beyond(bounds_of(engine, manifest))
        if beyond:
            checks.append(failed(ENGINE, name, f"differs from its model: {', '.join(beyond)}"))
        else:
            checks.append(
                passed(
                    ENGINE, name, f"as the reference: Dice {seen.dice:.4f}, {seen.frames} frames"
                )
            )
    return checks, hashes


def _hashes(spec: EngineSpec) -> dict[str, str]:
    manifest = load_manifest(find_model(spec.model))
    hashes = {
        f"model {manifest.name}": manifest.sha256,
        f"golden frames of {manifest.name}": manifest.golden.sha256,
    }
    for plan in sorted(plans_folder().glob(f"{manifest.name}-*.plan")):
        hashes[f"plan {plan.stem}"] = hashlib.sha256(plan.read_bytes()).hexdigest()
    return hashes


def check_video(profile: SiteProfile, report: dict[str, Any]) -> list[Check]:
    """Whether the video that was seen is the profile's, as a run's report says."""
    if profile.picture is None or not report:
        return []
    doubt = report["profile"]["doubt"]
    if doubt:
        why = f"{doubt}: is it another C-arm? calibrate again"
        return [failed(CALIBRATION, "video", why)]
    return [passed(CALIBRATION, "video", "looks as when it was calibrated")]


def check_calibration(
    profile: SiteProfile, given: Path | None, form: SourceFormat, limits: Calibration
) -> list[Check]:
    """Whether a site profile was given and fits the source; it was read before."""
    if given is None:
        why = "no site profile was given: calibrate, and give it with --profile"
        make = failed if limits.required else not_checked
        return [make(CALIBRATION, "site profile", why)]
    checks = [passed(CALIBRATION, "site profile", f"'{profile.name}' is valid")]
    picture = profile.picture
    if picture is None:
        words = "the profile has none: the raw frame is the picture"
        return [*checks, passed(CALIBRATION, "picture", words)]
    wanted, seen = (picture.width, picture.height), (form.width, form.height)
    if wanted != seen:
        why = f"made for {wanted[0]}x{wanted[1]}, the source gives {seen[0]}x{seen[1]}"
        return [*checks, failed(CALIBRATION, "picture", why)]
    return [*checks, passed(CALIBRATION, "picture", f"fits the source, {seen[0]}x{seen[1]}")]
