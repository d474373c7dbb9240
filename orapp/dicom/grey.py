"""The run itself: Multi-frame Grayscale Byte Secondary Capture, or X-Ray Angiographic."""

from itertools import pairwise
from typing import Any

from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
)

import orapp
from orapp.dicom.runs import Run
from orapp.dicom.study import Series, Study
from orapp.orientation import Orientation
from orapp.settings import Measures
from orapp.sources.dicom_facts import checked_facts

CONVERSIONS = {"v4l2": "DV", "simulated": "SYN"}
"""By kind of source; whatever came from a file was converted on a workstation."""
OPPOSITE = str.maketrans("LRAPHF", "RLPAFH")


def why_no_xa(source: dict[str, Any]) -> str:
    """Why a session can't become an XA object; empty if it can."""
    if source.get("kind") != "dicom":
        return "the source was not DICOM"
    facts = checked_facts(source.get("facts"))
    if facts.get("Modality") != "XA":
        return "the session doesn't say that its source was XA"
    if facts.get("RadiationSetting") not in ("SC", "GR"):
        return "the source stated no RadiationSetting"
    if facts.get("Plane") != "SINGLE PLANE":
        return "the source was not of a single plane"
    return ""


def grey_image(
    run: Run, study: Study, source: dict[str, Any], rate_hz: float, number: int, *, burned_in: bool
) -> Dataset:
    """One run as a whole object; its pixels stay in the run's spool until it is written.

    Args:
        run: with at least one frame.
        study: who and when.
        source: as the session's head has it.
        rate_hz: nominal; 0 if unknown.
        number: of this object in its series, from 1.
        burned_in: whether text may be in the pixels.
    """
    xa = not why_no_xa(source)
    facts = checked_facts(source.get("facts"))
    kind = (
        XRayAngiographicImageStorage if xa else MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    )
    modality = "XA" if xa else "OT" if source.get("kind") == "simulated" else "RF"
    made = study.head(Series(1, modality, "Fluoroscopy, kept by orapp"), kind, number)
    made.file_meta.TransferSyntaxUID = JPEGLSLossless if run.packed else ExplicitVRLittleEndian
    when = study.at(run.places[0].captured_ns)
    if when is not None:
        study.date(made, when)
        made.AcquisitionDateTime = f"{when:%Y%m%d%H%M%S.%f}+0000"
    _put_words(made, run.orientation, study, facts)
    if xa:
        _put_xa(made, facts)
    else:
        _put_sc(made, source, run.orientation)
    made.BurnedInAnnotation = "YES" if burned_in else "NO"
    if facts.get("LossyImageCompression") == "01":
        made.LossyImageCompression = "01"
    _put_times(made, run, rate_hz)
    _put_pixels(made, run)
    return made


def _put_sc(made: Dataset, source: dict[str, Any], turned: Orientation) -> None:
    kind = str(source.get("kind"))
    original = kind in CONVERSIONS and not turned.is_changed
    made.ImageType = ["ORIGINAL" if original else "DERIVED", "SECONDARY"]
    made.ConversionType = CONVERSIONS.get(kind, "WSD")
    made.SecondaryCaptureDeviceManufacturer = "orapp"
    made.SecondaryCaptureDeviceSoftwareVersions = orapp.__version__
    made.PresentationLUTShape = "IDENTITY"
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "0", "1", "US"


def _put_xa(made: Dataset, facts: dict[str, Any]) -> None:
    made.ImageType = ["DERIVED", "PRIMARY", "SINGLE PLANE"]
    made.PixelIntensityRelationship = "DISP"  # windowed to 8 bit when it was read
    made.RadiationSetting = facts["RadiationSetting"]
    made.KVP = facts.get("KVP")
    for keyword in ("XRayTubeCurrent", "ExposureTime"):
        known = facts.get(keyword)
        setattr(made, keyword, None if known is None else round(known))
    for keyword in ("PositionerPrimaryAngle", "PositionerSecondaryAngle"):
        setattr(made, keyword, facts.get(keyword))
    made.PositionerMotion = facts.get("PositionerMotion")
    for keyword in ("DistanceSourceToPatient", "DistanceSourceToDetector"):
        if facts.get(keyword) is not None:
            setattr(made, keyword, facts[keyword])


def put_spacing(made: Dataset, run: Run, source: dict[str, Any], choices: Measures) -> None:
    """Says how many mm a pixel is, and by what, if the site calibrated it for such pictures.

    Only on what was captured here: an imported run is another device's.
    """
    here = source.get("kind") in CONVERSIONS and choices.for_width == run.size[1]
    if choices.mm_per_px is None or not here:
        return
    made.PixelSpacing = [f"{choices.mm_per_px:.6g}"] * 2
    if choices.mm_per_px_from is not None:
        made.PixelSpacingCalibrationType = choices.mm_per_px_from.upper()
        sd = choices.mm_per_px_uncertainty
        known = "unknown" if sd is None else f"{sd:.2g} mm per pixel"
        made.PixelSpacingCalibrationDescription = f"In the plane of the spine, SD {known}, by orapp"


def _put_words(made: Dataset, turned: Orientation, study: Study, facts: dict[str, Any]) -> None:
    """The orientation in words, and where the patient lies in it as far as that is known."""
    words = (
        ["Grey levels as the source's window shows them, 8 bit"] if facts.get("Modality") else []
    )
    if turned.is_changed:
        words.append(f"pixels {turned.text} against the picture that was captured")
    if study.cleaned:
        words.append("burned-in text blanked")
    if words:
        made.ImageComments = "; ".join(words)
        made.DerivationDescription = "; ".join(words)
    made.PatientOrientation = turned_directions(facts.get("PatientOrientation"), turned)


def turned_directions(known: Any, turned: Orientation) -> list[str] | None:
    """PatientOrientation (of the rows, of the columns) after turning; None if it isn't known."""
    if not known:
        return None
    row, column = (str(each) for each in known)
    for _ in range(turned.quarter_turns):
        row, column = column.translate(OPPOSITE), row
    return [row.translate(OPPOSITE) if turned.mirrored else row, column]


def _put_times(made: Dataset, run: Run, rate_hz: float) -> None:
    times = run.times_ms()
    steps = [0.0, *(after - before for before, after in pairwise(times))]
    made.NumberOfFrames = len(times)
    if len(times) == 1:  # a single frame has no time step, and may not point to one
        return
    made.FrameIncrementPointer = Tag("FrameTimeVector")
    made.FrameTimeVector = [f"{step:.3f}" for step in steps]
    if rate_hz >= 1:
        made.CineRate = made.RecommendedDisplayFrameRate = round(rate_hz)


def _put_pixels(made: Dataset, run: Run) -> None:
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = run.seen_size
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelRepresentation = 0
    made.PixelData = run.finish()
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = run.packed
