"""Who, when and by what: the modules that every exported object shares, named or de-identified."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

import orapp
from orapp.errors import OrappError

NO_DATE, NO_TIME = "19000101", "000000"
"""Where the standard wants a date and the patient's must not stand."""
LONGEST_ID = 64
FILES = ("dicom", "file", "session")
"""Kinds of source that show an X-ray of earlier: the session doesn't know when it was taken."""
METHOD = ("built anew from pixels, outlines and measures", "ids, dates, times and texts left out")
PROFILE_CODE = ("113100", "DCM", "Basic Application Confidentiality Profile")
PIXELS_CODE = ("113101", "DCM", "Clean Pixel Data Option")


@dataclass(frozen=True, slots=True)
class Series:
    """One of the series of an export: its number, modality and description."""

    number: int
    modality: str
    words: str


@dataclass(frozen=True, slots=True)
class Study:
    """What all objects of one export have in common.

    Attributes:
        uid: of the study.
        patient_id: the case, or a new random one.
        started: wall time (UTC) when the session's clock was at `started_ns`; None if dates must
            not leave, or are not the X-ray's own.
        started_ns: monotonic ns.
        deidentified: True leaves out whatever could name the patient.
        cleaned: True if burned-in text was blanked.
        origin: of the UIDs of this export's series.
    """

    uid: UID
    patient_id: str
    started: datetime | None
    started_ns: int
    deidentified: bool
    cleaned: bool
    origin: uuid.UUID = field(default_factory=uuid.uuid4)

    def at(self, captured_ns: int) -> datetime | None:
        """Wall time of a frame's stamp."""
        if self.started is None:
            return None
        return self.started + timedelta(microseconds=(captured_ns - self.started_ns) / 1000)

    def head(self, series: Series, sop_class: str, number: int) -> Dataset:
        """A new object with patient, study, series, equipment and file meta.

        Args:
            series: that it belongs to.
            sop_class: its UID.
            number: of the object in its series, from 1.
        """
        made = Dataset()
        made.SpecificCharacterSet = "ISO_IR 192"
        made.SOPClassUID, made.SOPInstanceUID = UID(sop_class), new_uid()
        made.StudyInstanceUID = self.uid
        made.SeriesInstanceUID = uid_of(uuid.uuid5(self.origin, series.words))
        made.Modality, made.SeriesNumber, made.InstanceNumber = (
            series.modality,
            series.number,
            number,
        )
        made.SeriesDescription, made.BodyPartExamined = series.words, "SPINE"
        made.PatientName = made.PatientBirthDate = made.PatientSex = ""
        made.PatientID = self.patient_id
        made.ReferringPhysicianName = made.StudyID = made.AccessionNumber = ""
        made.Manufacturer = made.ManufacturerModelName = "orapp"
        made.SoftwareVersions, made.DeviceSerialNumber = orapp.__version__, "none"
        self.date(made, datetime.now(UTC))
        self.sign(made)
        made.file_meta = FileMetaDataset()
        made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        return made

    def date(self, made: Dataset, content: datetime) -> None:
        """Puts the study's date and the content's; none of them if de-identified.

        `content` is when the object's content came to be, in UTC.
        """
        if self.deidentified:
            made.StudyDate = made.StudyTime = ""
            made.ContentDate, made.ContentTime = NO_DATE, NO_TIME
            made.InstanceCreationDate, made.InstanceCreationTime = NO_DATE, NO_TIME
            for equipment in made.get("ContributingEquipmentSequence") or []:
                equipment.pop("ContributionDateTime", None)
            return
        made.TimezoneOffsetFromUTC = "+0000"
        now = datetime.now(UTC)
        moments = {"Study": self.started, "Content": content, "InstanceCreation": now}
        for name, when in moments.items():
            setattr(made, f"{name}Date", "" if when is None else f"{when:%Y%m%d}")
            setattr(made, f"{name}Time", "" if when is None else f"{when:%H%M%S.%f}")

    def sign(self, made: Dataset) -> None:
        """Says how it was de-identified, if it was."""
        if not self.deidentified:
            return
        made.PatientIdentityRemoved = "YES"
        made.DeidentificationMethod = [f"orapp {orapp.__version__}", *METHOD]
        used = [PROFILE_CODE, PIXELS_CODE] if self.cleaned else [PROFILE_CODE]
        made.DeidentificationMethodCodeSequence = Sequence([code(*each) for each in used])
        made.LongitudinalTemporalInformationModified = "REMOVED"


def study_of(head: dict[str, Any], *, deidentify: bool, cleaned: bool) -> Study:
    """The study of a session's head.

    A session always becomes the same study, unless it is de-identified: then nothing leads back.

    Raises:
        OrappError: the case can't be a PatientID, or the head states no time.
    """
    if deidentify:
        alias = f"ANON-{uuid.uuid4().hex[:12].upper()}"
        return Study(new_uid(), alias, None, 0, True, cleaned)
    case = str(head.get("case") or "")
    if len(case) > LONGEST_ID or "\\" in case or not case.isprintable():
        raise OrappError("the case id can't be a DICOM patient id", "export with --deidentify")
    try:
        origin = uuid.UUID(hex=str(head["id"]))
        started = datetime.fromisoformat(str(head["started"])).astimezone(UTC)
        started_ns = int(head["started_ns"])
    except (KeyError, ValueError, TypeError):
        raise OrappError("the session's head is incomplete", "choose another session") from None
    study = uid_of(uuid.uuid5(origin, "study"))
    old = (head.get("source") or {}).get("kind") in FILES
    return Study(study, case, None if old else started, started_ns, False, False)


def new_uid() -> UID:
    """A UID from a random UUID (PS3.5 B.2): nothing about the site is in it."""
    return uid_of(uuid.uuid4())


def uid_of(origin: uuid.UUID) -> UID:
    """The UID of a UUID."""
    return UID(f"2.25.{origin.int}")


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """One coded concept."""
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made
