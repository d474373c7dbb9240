"""From what was found to a site profile, with a sentence on every value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np

from orapp.calibrate.delay import GrabberDelay
from orapp.calibrate.engine_time import EngineTime, advise
from orapp.calibrate.findings import Findings
from orapp.calibrate.plate import PlateFit
from orapp.calibrate.spacing import Spacing
from orapp.settings import Measures, OutlineRules, Picture, SiteProfile

BY_HAND = "set by hand"
SAME_SIZE = 1e-3
"""Pixels that differ by less count as of the same size."""
PLACES = {
    "width": "picture.width",
    "height": "picture.height",
    "area": "picture.area",
    "circle": "picture.circle",
    "text": "picture.text",
    "black": "picture.black",
    "white": "picture.white",
    "inverted": "picture.inverted",
    "rotate": "picture.rotate",
    "mirror": "picture.mirror",
    "rate_hz": "device.rate_hz",
    "pulse_hz": "device.pulse_hz",
    "repeats": "device.repeats",
}
"""Where each finding goes in the profile."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a profile is made from.

    Attributes:
        findings: of the clip; `correct` puts a person's word into it.
        plate: of the area that the findings have; None for a flat panel, or if none was shown.
        spacing: of the calibrated picture, or None.
        engine: on this machine, or None if it was not measured.
        mode: what a person chose in place of the advice, or None.
        delay: of the grabber, if it was measured; else what was known before stays.
        flat: a person said that the detector is a flat panel.
    """

    findings: Findings
    plate: PlateFit | None = None
    spacing: Spacing | None = None
    engine: EngineTime | None = None
    mode: str | None = None
    delay: GrabberDelay | None = None
    flat: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A profile, and what a person should know of it.

    Attributes:
        profile: ready to be written.
        notes: by place (`picture.area`), how the value came about, one sentence each.
        unsure: places that a person should look at.
    """

    profile: SiteProfile
    notes: dict[str, str] = field(default_factory=dict)
    unsure: tuple[str, ...] = ()


def correct(findings: Findings, changes: Mapping[str, Any]) -> Findings:
    """The findings with what a person says otherwise, which is then sure."""
    notes = dict(findings.notes)
    for name in changes:
        notes[name] = BY_HAND
    unsure = tuple(name for name in findings.unsure if name not in changes)
    return replace(findings, notes=notes, unsure=unsure, **changes)


def propose(
    evidence: Evidence,
    name: str,
    before: SiteProfile | None = None,
    *,
    by: str,
    today: date | None = None,
) -> Proposal:
    """The profile that the evidence speaks for.

    Args:
        evidence: what was found.
        name: of the profile.
        before: what stands already; keys, screen, export and what no evidence speaks of are kept.
        by: how it was made, for `device.calibrated_by`.
        today: the date; now by default.
    """
    old = before or SiteProfile()
    notes = {place: evidence.findings.notes.get(f, "") for f, place in PLACES.items()}
    notes["picture.width"] = notes["picture.height"] = "of the raw video; others are refused"
    raw = old.model_dump(exclude_unset=True)
    raw |= {
        "name": plain(name)[:80] or "site",
        "version": 1,
        "device": _device(evidence, old, notes, plain(by), today or date.today()),
        "picture": _picture(evidence, notes),
        "outline": _outline(evidence, old, notes).model_dump(),
        "measures": _measures(evidence, old, notes).model_dump(),
    }
    signature = _signature(evidence.findings, notes)
    if signature:
        raw["signature"] = signature
    unsure = tuple(PLACES[one] for one in evidence.findings.unsure if one in PLACES)
    return Proposal(SiteProfile.model_validate(raw), notes, unsure)


def plain(text: str) -> str:
    """On one line, without what is no text."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _device(
    evidence: Evidence, old: SiteProfile, notes: dict[str, str], by: str, today: date
) -> dict[str, Any]:
    found = evidence.findings
    table = old.device.model_dump(exclude_none=True) if old.device is not None else {}
    field_of = "round field" if found.circle else "square field"
    table |= {
        "description": table.get("description") or f"{field_of} in {found.width}x{found.height}",
        "calibrated_on": today,
        "calibrated_by": by,
        "rate_hz": found.rate_hz,
        "pulse_hz": found.pulse_hz,
        "repeats": found.repeats,
    }
    notes["device.delay_ms"] = "as before" if "delay_ms" in table else "not measured"
    if evidence.delay is not None:
        table["delay_ms"] = round(evidence.delay.ms, 1)
        notes["device.delay_ms"] = evidence.delay.text
    notes["device.description"] = "free text; no serial numbers"
    return table


def _picture(evidence: Evidence, notes: dict[str, str]) -> dict[str, Any]:
    found = evidence.findings
    table: dict[str, Any] = {
        "width": found.width,
        "height": found.height,
        "area": _box(found.area),
        "text": [_box(box) for box in found.text],
        "black": found.black,
        "white": found.white,
        "inverted": found.inverted,
        "rotate": found.rotate or 0,
        "mirror": bool(found.mirror),
    }
    if found.circle is not None:
        c = found.circle
        table["circle"] = {k: round(float(getattr(c, k)), 2) for k in ("x", "y", "radius")}
    if evidence.plate is not None and (bent := evidence.plate.distortion()) is not None:
        table["distortion"] = bent
        notes["picture.distortion"] = evidence.plate.text
    elif evidence.plate is not None:
        notes["picture.distortion"] = evidence.plate.text
    else:
        flat = "a flat panel, by a person's word"
        notes["picture.distortion"] = flat if evidence.flat else "not measured: no plate was shown"
    return table


def _box(box: tuple[int, int, int, int]) -> dict[str, int]:
    return dict(zip(("x", "y", "width", "height"), map(int, box), strict=True))


def _outline(evidence: Evidence, old: SiteProfile, notes: dict[str, str]) -> OutlineRules:
    found = evidence.findings
    if evidence.engine is None:
        notes["outline.mode"] = "as before; the engine was not timed"
        return old.outline
    advice = advise(evidence.engine, found.pulse_hz, found.rate_hz)
    notes["outline.mode"] = advice.why
    notes["outline.max_age_ms"] = "in live mode, an older outline goes"
    if evidence.mode is not None and evidence.mode != advice.mode:
        notes["outline.mode"] = f"{BY_HAND}; {advice.why}"
    mode = evidence.mode or advice.mode
    return old.outline.model_copy(update={"mode": mode, "max_age_ms": advice.max_age_ms})


def _measures(evidence: Evidence, old: SiteProfile, notes: dict[str, str]) -> Measures:
    """The spacing; one of before stays only while the picture's width does."""
    wide = calibrated_width(evidence.findings)
    if evidence.spacing is None:
        if old.measures.mm_per_px is None or old.measures.for_width in (None, wide):
            notes["measures.mm_per_px"] = "as before" if old.measures.mm_per_px else "not measured"
            return _resized(old, evidence, notes)
        notes["measures.mm_per_px"] = "not measured: what stood here was for another width"
        none = {"mm_per_px_uncertainty": None, "mm_per_px_from": None}
        return old.measures.model_copy(update={"mm_per_px": None, "for_width": None} | none)
    spacing = evidence.spacing
    share = spacing.uncertainty / spacing.mm_per_px
    where = "" if spacing.at_spine else "; where the object lay, not where the spine lies"
    notes["measures.mm_per_px"] = f"{spacing.text}; one standard deviation is {share:.1%}{where}"
    notes["measures.for_width"] = "of the calibrated picture"
    return old.measures.model_copy(
        update={
            "mm_per_px": _rounded(spacing.mm_per_px),
            "mm_per_px_uncertainty": _rounded(spacing.uncertainty),
            "mm_per_px_from": spacing.source,
            "for_width": wide,
        }
    )


def _resized(old: SiteProfile, evidence: Evidence, notes: dict[str, str]) -> Measures:
    """The old spacing for the new pixels: another distortion may have made them larger."""
    now = _pixel(picture_of(evidence.findings, evidence.plate))
    kept, times = old.measures, now / _pixel(old.picture)
    if kept.mm_per_px is None or abs(times - 1) < SAME_SIZE:
        return kept
    notes["measures.mm_per_px"] = f"as before, but for pixels {times:.1%} as large"
    sd = kept.mm_per_px_uncertainty
    return kept.model_copy(
        update={
            "mm_per_px": _rounded(kept.mm_per_px * times),
            "mm_per_px_uncertainty": None if sd is None else _rounded(sd * times),
        }
    )


def _pixel(picture: Picture | None) -> float:
    """Size of a calibrated pixel in the middle, in raw ones."""
    bend = None if picture is None else picture.distortion
    return 1.0 if bend is None else bend.size


def picture_of(findings: Findings, plate: PlateFit | None = None) -> Picture:
    """The profile's `[picture]` by itself."""
    return Picture.model_validate(_picture(Evidence(findings, plate), {}))


def calibrated_width(findings: Findings) -> int:
    """Of the picture after the rotation, in pixels."""
    _, _, width, height = findings.area
    return int(height if (findings.rotate or 0) % 180 else width)


def _rounded(value: float) -> float:
    """To five figures."""
    return float(np.format_float_positional(value, 5, fractional=False, trim="-"))


def _signature(found: Findings, notes: dict[str, str]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    if found.hold is not None and found.hold.box is not None:
        table |= {"hold_box": _box(found.hold.box), "hold_pattern": found.hold.pattern}
    notes["signature.hold_box"] = found.notes.get("hold", "")
    if found.no_signal:
        table["no_signal"] = found.no_signal
    notes["signature.no_signal"] = found.notes.get("no_signal", "")
    return table


WHAT = (
    "video",
    "pulses",
    "grabber",
    "image area",
    "round field",
    "text",
    "grey range",
    "polarity",
    "orientation",
    "distortion",
    "spacing",
    "hold",
    "outline",
)
"""What `told` tells, line by line."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line for a person: what, its value, how it was found, and whether to look at it."""

    what: str
    value: str
    why: str
    unsure: bool = False


def told(proposal: Proposal) -> list[Told]:
    """The proposal in lines."""
    profile, notes = proposal.profile, proposal.notes
    picture, device = profile.picture, profile.device
    assert picture is not None
    assert device is not None
    a, c = picture.area, picture.circle
    hold = notes.get("signature.hold_box", "")
    lines = [
        ("video", f"{picture.width}x{picture.height}, {device.rate_hz:g}/s", "device.rate_hz"),
        ("pulses", _pulses(device.pulse_hz, device.repeats), "device.pulse_hz"),
        ("grabber", _delay(device.delay_ms), "device.delay_ms"),
        ("image area", f"{a.width}x{a.height} at {a.x},{a.y}", "picture.area"),
        ("round field", f"radius {c.radius:.1f} at {c.x:.1f},{c.y:.1f}" if c else "none",
         "picture.circle"),
        ("text", f"{len(picture.text)} blocks", "picture.text"),
        ("grey range", f"{picture.black} to {picture.white}", "picture.black"),
        ("polarity", "inverted" if picture.inverted else "as it is", "picture.inverted"),
        ("orientation", _turned(picture.rotate, picture.mirror), "picture.rotate"),
        ("distortion", "taken out" if picture.distortion else "none", "picture.distortion"),
        ("spacing", _spacing(profile.measures), "measures.mm_per_px"),
        ("hold", "with a mark" if "mark that" in hold else "-", "signature.hold_box"),
        ("outline", profile.outline.mode, "outline.mode"),
    ]  # fmt: skip
    return [
        Told(what, value, notes.get(place, ""), place in proposal.unsure)
        for what, value, place in lines
    ]


def _pulses(hz: float, repeats: int) -> str:
    if not hz:
        return "not known"
    return f"{hz:g}/s, {repeats} frames each" if repeats else f"{hz:g}/s, uneven"


def _delay(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.0f} ms late"


def _turned(rotate: int, mirror: bool) -> str:
    words = [f"turn {rotate} clockwise"] * bool(rotate) + ["mirror"] * mirror
    return ", ".join(words) or "as it is"


def _spacing(measures: Measures) -> str:
    if measures.mm_per_px is None:
        return "none"
    sd = measures.mm_per_px_uncertainty
    return f"{measures.mm_per_px:.4f}" + (f" +- {sd:.4f}" if sd else "") + " mm/px"
