"""The measures of a run as a structured report (TID 1500); each outline is a region of a frame."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import highdicom.sr as sr
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ComprehensiveSRStorage

import orapp
from orapp.dicom.measured import Measured, Number
from orapp.dicom.runs import Run
from orapp.dicom.seg import FRACTURE, VERTEBRA, engine_name
from orapp.dicom.study import Series, Study, new_uid
from orapp.frames import Outline, Polygon, Segmentation

SERIES = Series(3, "SR", "Measures by orapp, research use only")
SCHEME = "99ORAPP"
PIXELS, NONE, PERCENT = (
    Code("{pixels}", "UCUM", "pixels"),
    Code("1", "UCUM", "no units"),
    Code("%", "UCUM", "percent"),
)
UNITS = {
    "mm": Code("mm", "UCUM", "millimeter"),
    "mm2": Code("mm2", "UCUM", "square millimeter"),
    "px": PIXELS,
    "px2": PIXELS,
    "deg": Code("deg", "UCUM", "degree"),
    "percent": PERCENT,
}
AREA = Code("42798000", "SCT", "Area")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
SCORE = Code("SCORE", SCHEME, "Probability that the view holds a fracture")
FLUOROSCOPY = Code("44491008", "SCT", "Fluoroscopy")
TITLE = Code("126000", "DCM", "Imaging Measurement Report")
ENGLISH = Code("en", "RFC5646", "English")
DEVICE = Code("121007", "DCM", "Device")


def report(
    run: Run,
    frames: Sequence[tuple[int, Segmentation]],
    measured: Sequence[tuple[int, Measured]],
    image: Dataset,
    study: Study,
    number: int,
) -> Dataset:
    """The report on one run.

    Args:
        run: whose frames they are; it became `image`.
        image: what is referenced.
        frames: its frames with outlines: place from 1, segmentation.
        measured: measures of its frames, with the frames' places from 1.
        study: who and when.
        number: of this object in its series, from 1.
    """
    groups = [
        _region(run, image, place, seen, nth, engine_name(seen, study))
        for place, seen in frames
        for nth in range(len(seen.outlines))
    ] + [_measures(image, place, each) for place, each in measured]
    head = study.head(SERIES, ComprehensiveSRStorage, number)
    made = sr.ComprehensiveSR(
        evidence=[image],
        content=_content(groups)[0],
        series_instance_uid=head.SeriesInstanceUID,
        series_number=SERIES.number,
        sop_instance_uid=head.SOPInstanceUID,
        instance_number=number,
        manufacturer="orapp",
        is_complete=True,
        series_description=head.SeriesDescription,
        manufacturer_model_name="orapp",
        software_versions=orapp.__version__,
    )
    study.date(made, datetime.now(UTC))
    study.sign(made)
    return made


def _content(groups: list[Any]) -> sr.MeasurementReport:
    """Title, who measured (this program), and the groups."""
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=new_uid(), name="orapp", manufacturer_name="orapp", model_name="orapp"
    )
    observer = sr.ObserverContext(
        observer_type=sr.CodedConcept.from_code(DEVICE), observer_identifying_attributes=device
    )
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=sr.CodedConcept.from_code(FLUOROSCOPY),
        imaging_measurements=groups,
        title=sr.CodedConcept.from_code(TITLE),
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(
            sr.CodedConcept.from_code(ENGLISH)
        ),
    )


def _region(run: Run, image: Dataset, place: int, seen: Segmentation, nth: int, engine: str) -> Any:
    outline = seen.outlines[nth]
    frame = sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID, [place])
    region = sr.ImageRegion("POLYLINE", polyline(outline.points, run), frame)
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(new_uid(), f"frame {place} outline {nth + 1}"),
        referenced_region=region,
        finding_type=Code(*FRACTURE),
        finding_sites=[sr.FindingSite(anatomic_location=Code(*VERTEBRA))],
        algorithm_id=sr.AlgorithmIdentification(engine, orapp.__version__),
        measurements=list(_numbers(outline, seen)),
    )


def _numbers(outline: Outline, seen: Segmentation) -> Iterator[sr.Measurement]:
    yield sr.Measurement(AREA, round(outline.area_px, 2), PIXELS)
    yield sr.Measurement(CERTAINTY, round(outline.mean_probability * 100, 3), PERCENT)
    if math.isfinite(seen.score):
        yield sr.Measurement(SCORE, round(seen.score, 5), NONE)


def polyline(points: Polygon, run: Run) -> NDArray[np.float64]:
    """A closed polygon (N, 2) as DICOM has it, (N + 1, 2): turned, and 0.5 is a pixel's centre."""
    seen = run.orientation.points(points, run.size).astype(np.float64) + 0.5
    high, wide = run.seen_size
    inside = np.clip(seen, 0, [wide, high])
    return np.vstack([inside, inside[:1]])


def _measures(image: Dataset, place: int, measured: Measured) -> Any:
    source = sr.SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID, [place])
    by = "points corrected by a person" if measured.corrected else "points found by orapp"
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(new_uid(), f"frame {place} measures, {by}"),
        finding_sites=[sr.FindingSite(anatomic_location=Code(*VERTEBRA))],
        measurements=[_number(each, measured) for each in measured.numbers],
        source_images=[source],
    )


def _number(number: Number, measured: Measured) -> sr.Measurement:
    """A measure under a name of its own: there is no standard code for a vertebra's ratios."""
    key, words = number.key, number.key.replace("_", " ")
    if measured.over and "ratio" in key:
        words += f" over {measured.over}"
    short = key if len(key) <= 16 else f"{key[:9]}-{hashlib.sha256(key.encode()).hexdigest()[:6]}"
    band = None
    if number.band is not None:
        band = sr.MeasurementProperties(
            upper_measurement_uncertainty=number.band, lower_measurement_uncertainty=number.band
        )
    name = Code(short.upper(), SCHEME, words)
    return sr.Measurement(name, number.value, _unit(number), properties=band)


def _unit(number: Number) -> Code:
    if number.unit is not None:
        return UNITS[number.unit + "2" * number.key.startswith("area")]
    return UNITS.get(number.key.rpartition("_")[2], NONE)
