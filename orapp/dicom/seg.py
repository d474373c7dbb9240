"""The outlines of a run as a binary DICOM segmentation.

Built with pydicom: highdicom wants a frame of reference, which video has not; its `segread` reads
what is written here.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from pydicom import Dataset
from pydicom.dataset import Dataset as Item
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from orapp.dicom.runs import Run
from orapp.dicom.study import Series, Study, code, new_uid
from orapp.engines.trust import model_names
from orapp.frames import Gray, Outline, Polygon, Segmentation

ABNORMAL = ("49755003", "SCT", "Morphologically Abnormal Structure")
FRACTURE = ("72704001", "SCT", "Fracture")
VERTEBRA = ("51282000", "SCT", "Vertebra")
ENGINE_NAME = re.compile(r"[A-Za-z0-9 ._+-]{1,64}")
SERIES = Series(2, "SEG", "Outlines by orapp, research use only")
COLOUR = (50_000, 30_000, 20_000)
"""CIELab, as DICOM scales it: sky blue, as on screen."""


def filled(points: Polygon, size: tuple[int, int]) -> Gray:
    """The pixels, 1 in (H, W) uint8, whose centres lie within a closed polygon (N, 2)."""
    flips = np.zeros((size[0], size[1] + 1), np.uint8)
    ends = np.roll(points, -1, axis=0)
    for (x0, y0), (x1, y1) in zip(points.astype(np.float64), ends.astype(np.float64), strict=True):
        if y0 == y1:
            continue
        low, high = sorted((y0, y1))
        rows = np.arange(max(int(np.ceil(low)), 0), min(int(np.ceil(high)), size[0]))
        crossing = np.ceil(x0 + (rows - y0) * (x1 - x0) / (y1 - y0))
        flips[rows, np.clip(crossing, 0, size[1]).astype(int)] ^= 1
    inside: Gray = np.bitwise_xor.accumulate(flips, axis=1)[:, :-1]
    return inside


def mask_of(outlines: Sequence[Outline], run: Run) -> Gray:
    """All outlines of a frame filled, (H, W) uint8 0/1, turned as the run is."""
    mask = np.zeros(run.size, np.uint8)
    for outline in outlines:
        mask |= filled(outline.points, run.size)
    return run.orientation.apply(mask)


def segmented(run: Run, seen: dict[int, Segmentation]) -> list[tuple[int, Segmentation]]:
    """Frames of a run with an outline: place in it from 1, and the segmentation."""
    numbered = enumerate((place.index for place in run.places), 1)
    return [(n, seen[index]) for n, index in numbered if index in seen and seen[index].outlines]


def engine_name(seen: Segmentation, study: Study) -> str:
    """What computed it; a name that isn't plain is not passed on.

    De-identified, only the name of a model that ships is: another may be a patient's.
    """
    if study.deidentified and seen.engine not in model_names():
        return "unknown"
    return seen.engine if ENGINE_NAME.fullmatch(seen.engine) else "unknown"


def segmentation_object(
    run: Run,
    frames: Sequence[tuple[int, Segmentation]],
    image: Dataset,
    study: Study,
    number: int,
) -> Dataset:
    """The outlines of one run.

    Args:
        run: whose frames they are.
        image: the object that the run became.
        frames: from `segmented`, at least one.
        study: who and when.
        number: of this object in its series, from 1.
    """
    made = study.head(SERIES, SegmentationStorage, number)
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.ImageType = ["DERIVED", "PRIMARY"]
    made.ContentLabel, made.ContentDescription = "FRACTURE", "Outlines of acute fractures"
    made.ContentCreatorName = ""
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns, made.NumberOfFrames = image.Rows, image.Columns, len(frames)
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 1, 1, 0, 0
    made.PatientOrientation = image.PatientOrientation
    made.SegmentationType, made.LossyImageCompression = "BINARY", "00"
    made.BurnedInAnnotation = "NO"
    made.SegmentSequence = Items([_segment(engine_name(frames[0][1], study))])
    _put_dimensions(made)
    shared = Item()
    shared.SegmentIdentificationSequence = Items([Item()])
    shared.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1
    made.SharedFunctionalGroupsSequence = Items([shared])
    groups = [_frame_group(image, place) for place, _ in frames]
    made.PerFrameFunctionalGroupsSequence = Items(groups)
    made.ReferencedSeriesSequence = Items([_references(image)])
    made.PixelData = _bits(mask_of(seen.outlines, run) for _, seen in frames)
    made["PixelData"].VR = "OB"
    return made


def _segment(engine: str) -> Item:
    made = Item()
    made.SegmentNumber, made.SegmentLabel = 1, "Acute fracture"
    made.SegmentedPropertyCategoryCodeSequence = Items([code(*ABNORMAL)])
    made.SegmentedPropertyTypeCodeSequence = Items([code(*FRACTURE)])
    made.AnatomicRegionSequence = Items([code(*VERTEBRA)])
    made.SegmentAlgorithmType, made.SegmentAlgorithmName = "AUTOMATIC", engine
    made.RecommendedDisplayCIELabValue = list(COLOUR)
    return made


def _put_dimensions(made: Dataset) -> None:
    organization = Item()
    organization.DimensionOrganizationUID = new_uid()
    made.DimensionOrganizationSequence = Items([organization])
    index = Item()
    index.DimensionOrganizationUID = organization.DimensionOrganizationUID
    index.DimensionIndexPointer = Tag("ReferencedSegmentNumber")
    index.FunctionalGroupPointer = Tag("SegmentIdentificationSequence")
    index.DimensionDescriptionLabel = "Segment"
    made.DimensionIndexSequence = Items([index])


def _frame_group(image: Dataset, place: int) -> Item:
    """Says which frame of the image a mask belongs to."""
    source = Item()
    source.ReferencedSOPClassUID = image.SOPClassUID
    source.ReferencedSOPInstanceUID = image.SOPInstanceUID
    source.ReferencedFrameNumber = place
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = Items(
        [code("121322", "DCM", "Source image for image processing operation")]
    )
    derivation = Item()
    derivation.SourceImageSequence = Items([source])
    derivation.DerivationCodeSequence = Items([code("113076", "DCM", "Segmentation")])
    content = Item()
    content.DimensionIndexValues = [1]
    made = Item()
    made.FrameContentSequence = Items([content])
    made.DerivationImageSequence = Items([derivation])
    return made


def _references(image: Dataset) -> Item:
    instance = Item()
    instance.ReferencedSOPClassUID = image.SOPClassUID
    instance.ReferencedSOPInstanceUID = image.SOPInstanceUID
    made = Item()
    made.SeriesInstanceUID = image.SeriesInstanceUID
    made.ReferencedInstanceSequence = Items([instance])
    return made


def _bits(masks: Iterable[Gray]) -> bytes:
    """Frames as one string of bits, without padding between them, of even length."""
    parts, rest = [], np.zeros(0, np.uint8)
    for mask in masks:
        bits = np.concatenate([rest, mask.ravel()])
        whole = len(bits) // 8 * 8
        parts.append(np.packbits(bits[:whole], bitorder="little").tobytes())
        rest = bits[whole:]
    parts.append(np.packbits(rest, bitorder="little").tobytes())
    packed = b"".join(parts)
    return packed + b"\0" * (len(packed) % 2)
