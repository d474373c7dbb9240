"""The last two steps of the calibration: geometry, and what will be written."""

from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QScrollArea

from orapp.calibrate.draft import LEAST_TIMES
from orapp.calibrate.engine_time import advise
from orapp.calibrate.geometry import OBJECTS
from orapp.calibrate.plate import PlateFit
from orapp.calibrate.proposal import Proposal, told
from orapp.calibrate.spacing import Spacing, from_plate
from orapp.display import theme
from orapp.display.calibration_pages import Choice, Desk, Number, Page
from orapp.display.language import say

PITCH_MM = 10.0


class GeometryPage(Page):
    """Plate, and spacing.

    Args:
        desk: the window.
        plate: measures the plate that is shown.
        spacing: measures by an object: `ruler`, `ball` or `cannula`, and its size in mm.
    """

    def __init__(
        self, desk: Desk, plate: Callable[[], None], spacing: Callable[[str, float], None]
    ) -> None:
        super().__init__(desk)
        self._thing = "ruler"
        self.measure_plate = QPushButton(say("Measure the plate"))
        self.measure_plate.clicked.connect(lambda _=False: plate())
        self.flat = QPushButton(say("It is a flat panel"))
        self.flat.setCheckable(True)
        self.flat.clicked.connect(self._flat_clicked)
        self.plate_told = QLabel()
        self.plate_told.setWordWrap(True)
        self.row(QLabel(say("Distortion:")), self.measure_plate, self.flat, self.plate_told)
        words = {
            "ruler": say("Ruler"),
            "ball": say("Steel ball"),
            "cannula": say("Cannula"),
            "plate": say("The plate"),
        }
        self.thing = Choice(words, self._choose)
        self.length = Number(say("Size"), (0.05, 500), 2, "mm", lambda _v: None)
        self.measure = QPushButton(say("Measure"))
        self.measure.clicked.connect(lambda _=False: self._measure(spacing))
        self.row(QLabel(say("Pixel spacing by:")), self.thing, self.length, self.measure)
        self.object_mm, self.spine_mm = (
            Number(name, (1, 3000), 0, "mm", lambda _v: None)
            for name in (say("Object"), say("Spine"))
        )
        for distance in (self.object_mm, self.spine_mm):
            distance.show_value(1000)
        self.take = QPushButton(say("Take it to the spine"))
        self.take.clicked.connect(lambda _=False: self._take())
        self._before: Spacing | None = None
        self._taken: Spacing | None = None
        from_spot = QLabel(say("From the focal spot:"))
        self.row(from_spot, self.object_mm, self.spine_mm, self.take)
        self.spacing_told = QLabel()
        self.row(self.spacing_told)
        self._choose("ruler")

    def _flat_clicked(self, on: bool) -> None:
        self.desk.draft.set_plate(None, flat=on)
        self.desk.change({})

    def _choose(self, thing: str) -> None:
        self._thing = thing
        self.thing.show_value(thing)
        self.length.show_value(PITCH_MM if thing == "plate" else OBJECTS[thing][1])
        what = {
            "ruler": say("From tick to tick"),
            "plate": say("From bead to bead"),
        }.get(thing, say("Diameter"))
        self.length.label.setText(what)

    def _measure(self, spacing: Callable[[str, float], None]) -> None:
        draft = self.desk.draft
        if self._thing != "plate":
            spacing(self._thing, self.length.value)
        elif draft.plate is None:
            self.spacing_told.setText(say("Measure the plate first."))
        else:
            draft.spacing = self._by_plate(draft.plate)
            self.desk.change({})

    def _by_plate(self, plate: PlateFit) -> Spacing:
        """Its points are those of the picture that is shown: turned, as the plate was not."""
        spacing, site = from_plate(plate, self.length.value), self.desk.draft.site
        if site is None:
            return spacing
        corner = site.picture.area.x, site.picture.area.y
        return replace(spacing, points=site.to_site(plate.points + np.array(corner)))

    def _take(self) -> None:
        """From the object's plane to the spine's; a second time from what was measured, too."""
        draft = self.desk.draft
        if draft.spacing is None:
            return
        if draft.spacing is not self._taken:
            self._before = draft.spacing
        assert self._before is not None
        self._taken = self._before.moved(self.object_mm.value, self.spine_mm.value)
        draft.spacing = self._taken
        self.desk.change({})

    def busy(self, *, plate: bool, spacing: bool) -> None:
        """Says what is being measured."""
        self.measure_plate.setEnabled(not plate)
        self.measure.setEnabled(not spacing)
        if plate:
            self.plate_told.setText(say("measuring ..."))
        if spacing:
            self.spacing_told.setText(say("measuring ..."))

    def refresh(self) -> None:
        """Brings the results up to date."""
        draft = self.desk.draft
        self.flat.setChecked(draft.flat)
        plate = say("not measured: the picture stays as distorted as it is")
        if draft.flat:
            plate = say("none")
        elif draft.plate is not None:
            plate = draft.plate.text
        self.plate_told.setText(plate)
        self.take.setEnabled(draft.spacing is not None)
        if draft.spacing is None:
            self.spacing_told.setText(say("not measured: heights will be in no mm"))
        else:
            s = draft.spacing
            share = s.uncertainty / s.mm_per_px * 100
            value = f"{s.mm_per_px:.4f} ± {s.uncertainty:.4f} mm/px ({share:.1f} %)"
            where = "" if s.at_spine else f" ({say('where the object lay')})"
            self.spacing_told.setText(f"{value}: {s.text}{where}")


class SavePage(Page):
    """Everything once more, the outline's mode, the name, and the button.

    Args:
        desk: the window.
        out: where the profile goes.
        save: writes it.
    """

    def __init__(self, desk: Desk, out: Path, save: Callable[[], None]) -> None:
        super().__init__(desk)
        self._out = out
        self.lines = QLabel()
        self.lines.setTextFormat(Qt.TextFormat.RichText)
        self.lines.setWordWrap(True)
        self.lines.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.lines.setMargin(10)
        self.summary = QScrollArea()
        self.summary.setWidget(self.lines)
        self.summary.setWidgetResizable(True)
        modes = {
            "paired": say("Paired: only on its own exposure"),
            "live": say("Live: dashed, aged"),
        }
        self.mode = Choice(modes, self._choose_mode)
        self.mode_why = QLabel()
        self.mode_why.setObjectName("quiet")
        self.row(QLabel(say("Outline:")), self.mode)
        self.mode_why.setWordWrap(True)
        self.column.insertWidget(self.column.count() - 1, self.mode_why)
        self.name = QLineEdit(desk.draft.name)
        self.name.setMaxLength(80)
        self.name.setMinimumWidth(320)
        self.name.textEdited.connect(self._rename)
        self.save = QPushButton(say("Save the profile"))
        self.save.setObjectName("main")
        self.save.clicked.connect(lambda _=False: save())
        self.kept = QLabel()
        self.kept.setObjectName("quiet")
        label = QLabel(say("Name:"))
        label.setBuddy(self.name)
        self.row(label, self.name, self.save, self.kept)

    def _choose_mode(self, mode: str) -> None:
        self.desk.draft.mode = mode
        self.desk.change({})

    def _rename(self, text: str) -> None:
        self.desk.draft.name = text.strip() or self._out.stem

    def show_proposal(self, proposal: Proposal | None) -> None:
        """Shows what would be written."""
        self.save.setEnabled(proposal is not None)
        if proposal is None:
            return
        text = _table(proposal)
        if text != self.lines.text():
            self.lines.setText(text)
        self.mode.show_value(proposal.profile.outline.mode)
        self.mode_why.setText(self._why())
        kept = ""
        if self._out.exists():
            kept = say("{file} is replaced; it is kept as {file}.bak").format(file=self._out.name)
        self.kept.setText(kept)

    def _why(self) -> str:
        engine, found = self.desk.draft.engine, self.desk.draft.found
        if engine is None or found is None:
            return say("timing the engine: {count} answers are needed").format(count=LEAST_TIMES)
        advice = advise(engine, found.pulse_hz, found.rate_hz)
        return f"{say('proposed')}: {advice.mode}. {advice.why}"

    def refresh(self) -> None:
        """Nothing: the window calls `show_proposal`."""


def _table(proposal: Proposal) -> str:
    care, quiet = theme.CARE.name(), theme.QUIET.name()
    rows = []
    for row in told(proposal):
        colour = care if row.unsure else quiet
        why = f"{say('CHECK')}: {row.why}" if row.unsure else row.why
        rows.append(
            f"<tr><td style='padding:5px 18px 0 0'>{escape(say(row.what))}</td>"
            f"<td style='padding:5px 0 0 0'><b>{escape(row.value)}</b></td></tr>"
            f"<tr><td></td><td style='color:{colour}'>{escape(why)}</td></tr>"
        )
    return f"<table cellspacing='2'>{''.join(rows)}</table>"
