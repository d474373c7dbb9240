"""The calibration's window: real source, real window, what a hand and a keyboard do in it."""

import pytest
from PySide6.QtCore import Qt

from orapp.calibrate.draft import STEPS, Draft, Standing
from orapp.calibrate.findings import Circle
from orapp.calibrate.watching import Watching
from orapp.display import theme
from orapp.display.calibrating import CalibrationWindow
from orapp.display.calibration_run import run_calibration
from orapp.display.handles import (
    box_handles,
    boxed,
    circle_handles,
    dragged_box,
    dragged_circle,
    holds,
)
from orapp.engines import EngineSpec
from orapp.errors import OrappError
from orapp.settings import load_profile
from orapp.sources import open_source
from tests.sources import SquareSource
from tests.test_calibrate_cli import findings
from tests.window import near_colour, pixels_of, until

SMALL = "simulated:?setup=3&size=256&rate=10&video=10&trocar=off"
NUMBER = {step.name: n for n, step in enumerate(STEPS)}


@pytest.fixture
def calibrate(qtbot, bright_model, tmp_path):
    """Opens a window on a source; returns it."""
    made = []

    def start(source=None, found=None, out=tmp_path / "site.toml", **square):
        squares = source or SquareSource(**({"size": (640, 480), "rate_hz": 15} | square))
        watching = Watching(squares, EngineSpec(str(bright_model), "openvino"))
        watching.start()
        window = CalibrationWindow(watching, Draft("room 3"), out)
        made.append(window)
        window.resize(1500, 950)
        window.show()
        until(qtbot, lambda: window.raw.frame is not None)
        if found is not None:
            window.draft.take(found)
            window.show_draft()
        return window

    yield start
    for window in made:
        window.watching.stop()
        window.saved = True
        window.close()
        window.deleteLater()


def go(window, name):
    window.go(NUMBER[name])
    assert window.now.name == name


def drag(qtbot, view, start, end):
    """By the left button, from and to frame pixels."""
    a, b = (view.to_widget(*point).toPoint() for point in (start, end))
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=a)
    qtbot.mouseMove(view, (a + b) / 2)
    qtbot.mouseMove(view, b)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=b)


# Handles, without a window.


def test_a_dragged_box_stays_in_the_picture_and_keeps_its_other_sides():
    box, size = (10, 20, 100, 50), (200, 100)
    assert dragged_box(box, "e", (30, 9), size) == (10, 20, 130, 50)
    assert dragged_box(box, "nw", (-50, -50), size) == (0, 0, 110, 70)
    assert dragged_box(box, "move", (500, 500), size) == (100, 50, 100, 50)
    assert dragged_box(box, "w", (500, 0), size)[2] >= 4
    for handle, at in box_handles(box).items():
        assert holds(box, at), handle


def test_a_dragged_circle_keeps_its_other_side():
    circle = Circle(100, 80, 50)
    grown = dragged_circle(circle, "e", (10, 3))
    assert circle_handles(grown)["w"] == circle_handles(circle)["w"]
    assert circle_handles(grown)["e"] == (160, 80)
    assert dragged_circle(circle, "middle", (3, 4)) == Circle(103, 84, 50)
    assert dragged_circle(circle, "n", (0, 500)).radius >= 16
    assert boxed((30, 40), (10, -5), (200, 100)) == (10, 0, 21, 41)


# The window.


def test_from_video_to_saved_profile(qtbot, calibrate, tmp_path):
    window = calibrate(open_source(SMALL))
    window.go(3)
    assert window.now.name == "video"  # nothing is measured yet
    until(qtbot, lambda: window.draft.measured is not None)
    for step in STEPS[1:]:
        qtbot.keyClick(window, Qt.Key.Key_PageDown)
        assert window.now is step
        assert window.sheet.todo.text()
    until(qtbot, lambda: window.sheet.after.frame is not None)
    area = window.draft.found.area
    assert sorted(window.sheet.after.frame.pixels.shape) == sorted(area[2:])
    until(qtbot, lambda: window.draft.engine is not None)
    qtbot.mouseClick(window.pages["save"].save, Qt.MouseButton.LeftButton)
    assert "Saved" in window.sheet.said.text()
    profile = load_profile(tmp_path / "site.toml")
    assert profile.name == "room 3"
    assert (profile.picture.area.x, profile.picture.area.y) == area[:2]
    assert profile == window.draft.proposal("x").profile.model_copy(
        update={"device": profile.device}
    )


def test_the_area_is_dragged_numbered_and_put_back(qtbot, calibrate):
    window = calibrate(found=findings(circle=None))
    go(window, "area")
    until(qtbot, lambda: window.raw.frame is not None)
    drag(qtbot, window.raw, (79.5, 240), (100, 240))
    x, _, width, _ = window.draft.found.area
    assert abs(x - 100) <= 3
    assert x + width == 560
    box = window.pages["area"].sides[0].box
    assert near_colour(pixels_of(box), theme.TEXT).sum() > 20  # its figures can be read
    box.setValue(120)
    assert window.draft.found.area[0] == 120
    assert window.draft.standing(STEPS[1]) is Standing.SURE
    assert "by hand" in window.sheet.why.text()
    window.raw.setFocus()
    qtbot.keyClick(window.raw, Qt.Key.Key_Left)
    assert window.draft.found.area[0] == 119
    qtbot.mouseClick(window.sheet.reset, Qt.MouseButton.LeftButton)
    assert window.draft.found.area == (80, 0, 480, 480)


def test_what_cannot_be_is_told_and_changes_nothing(qtbot, calibrate):
    window = calibrate(found=findings())
    go(window, "area")
    window.pages["area"].sides[2].box.setValue(5000)
    assert "must lie in the video" in window.sheet.said.text()
    assert window.draft.found.area == (80, 0, 480, 480)
    window.change({"circle": Circle(-100, 240, 200)})
    assert "must have its middle in the image area" in window.sheet.said.text()
    assert window.draft.found.circle == findings().circle
    go(window, "grey")
    window.pages["grey"].black.box.setValue(199)
    window.pages["grey"].white.box.setValue(210)
    assert "white must be 32 grey levels above black" in window.sheet.said.text().lower()


def test_text_is_drawn_and_removed(qtbot, calibrate):
    window = calibrate(found=findings())
    go(window, "text")
    until(qtbot, lambda: window.raw.frame is not None)
    drag(qtbot, window.raw, (300, 200), (360, 230))
    assert len(window.draft.found.text) == 3
    x, y, w, h = window.draft.found.text[2]
    assert max(abs(x - 300), abs(y - 200), abs(w - 60), abs(h - 30)) <= 4
    window.raw.setFocus()
    qtbot.keyClick(window.raw, Qt.Key.Key_Right)
    assert window.draft.found.text[2][0] == x + 1
    qtbot.keyClick(window.raw, Qt.Key.Key_Delete)
    assert window.draft.found.text == findings().text
    window.pages["text"].list.setCurrentRow(1)
    qtbot.mouseClick(window.pages["text"].remove, Qt.MouseButton.LeftButton)
    assert window.draft.found.text == findings().text[:1]


def test_grey_levels_and_orientation_change_the_picture_beside(qtbot, calibrate):
    window = calibrate(found=findings(circle=None, text=(), rotate=None, mirror=None))
    go(window, "orientation")
    until(qtbot, lambda: window.sheet.after.frame is not None)
    assert window.draft.standing(STEPS[4]) is Standing.SURE
    window.pages["orientation"].turn.buttons[90].click()
    assert (window.draft.found.rotate, window.draft.found.mirror) == (90, False)
    go(window, "area")
    window.pages["area"].sides[2].box.setValue(300)
    until(qtbot, lambda: window.sheet.after.frame.pixels.shape == (300, 480))
    go(window, "grey")
    before = window.sheet.after.frame.pixels.mean()
    window.pages["grey"].polarity.buttons[True].click()
    assert window.draft.found.inverted
    assert abs(window.sheet.after.frame.pixels.mean() - before) > 20


def test_what_is_not_sure_is_amber_until_a_person_has_said_it(qtbot, calibrate):
    window = calibrate(found=findings(unsure=("rotate", "mirror"), rotate=None, mirror=None))
    go(window, "orientation")
    assert window.sheet.why.text().startswith("Not sure")
    assert near_colour(pixels_of(window.steps.buttons[4]), theme.CARE).sum() > 50
    window.pages["orientation"].turn.buttons[0].click()
    assert near_colour(pixels_of(window.steps.buttons[4]), theme.OK).sum() > 50
    assert window.draft.proposal("x").unsure == ()


@pytest.mark.parametrize(
    "change", [{"area": (90, 0, 470, 480)}, {"circle": None}, {"circle": Circle(319.5, 240, 220)}]
)
def test_a_plate_holds_for_its_area_and_round_field_only(qtbot, calibrate, change):
    from tests.test_calibrate_cli import a_plate, spacing

    window = calibrate(found=findings())
    window.draft.set_plate(a_plate())
    window.draft.spacing = spacing()
    go(window, "geometry")
    assert window.draft.standing(STEPS[5]) is Standing.SURE
    assert "0.2135" in window.pages["geometry"].spacing_told.text()
    assert window.draft.proposal("x").profile.picture.distortion.degree == 3
    window.change(change)
    assert window.draft.plate is None
    assert window.draft.spacing is None
    assert window.draft.proposal("x").profile.picture.distortion is None


def test_a_plate_stays_while_the_round_field_is_found_a_little_otherwise(qtbot, calibrate):
    from tests.test_calibrate_cli import a_plate, spacing

    window = calibrate(found=findings())
    window.draft.set_plate(a_plate())
    window.draft.spacing = spacing()
    c = findings().circle
    window.draft.take(findings(circle=Circle(c.x + 0.4, c.y, c.radius - 0.3)))
    assert window.draft.plate is not None
    assert window.draft.spacing is not None
    window.draft.take(findings(circle=Circle(c.x, c.y, c.radius - 9)))
    assert window.draft.plate is None


def test_a_plate_of_another_area_and_a_field_beside_the_area_are_not_taken(qtbot, calibrate):
    from tests.test_calibrate_cli import a_plate

    window = calibrate(found=findings())
    window.change({"circle": None})
    window.change({"area": (0, 0, 200, 200)})
    window.draft.set_plate(a_plate())  # asked for before
    assert window.draft.plate is None
    window.draft.as_measured(STEPS[1])
    window.change({"area": (0, 0, 330, 300)})
    window.draft.take(findings(circle=Circle(400, 240, 200)))
    assert window.draft.found.circle is None
    assert window.draft.site is not None


def test_a_spacing_is_taken_to_the_spine_and_again_from_what_was_measured(qtbot, calibrate):
    from tests.test_calibrate_cli import spacing

    window = calibrate(found=findings())
    page = window.pages["geometry"]
    go(window, "geometry")
    assert not page.take.isEnabled()
    window.draft.spacing = spacing()
    window.change({})
    assert "0.2135" in page.spacing_told.text()
    assert "where the object lay" in page.spacing_told.text()
    page.object_mm.box.setValue(1000)
    for spine_mm, told in ((800, "0.1708"), (700, "0.1494")):
        page.spine_mm.box.setValue(spine_mm)
        qtbot.mouseClick(page.take, Qt.MouseButton.LeftButton)
        assert told in page.spacing_told.text()
        assert f"from 1000 to {spine_mm} mm" in page.spacing_told.text()
        assert "where the object lay" not in page.spacing_told.text()
    assert window.draft.proposal("x").profile.measures.mm_per_px == pytest.approx(0.14945, abs=1e-4)


def test_without_a_plate_in_view_measuring_says_so(qtbot, calibrate):
    window = calibrate(found=findings())
    go(window, "geometry")
    until(qtbot, lambda: len(window.watching._exposures) > 0)
    qtbot.mouseClick(window.pages["geometry"].measure_plate, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: "plate" in window.sheet.said.text())
    qtbot.mouseClick(window.pages["geometry"].measure, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: "ruler" in window.sheet.said.text())
    assert "measuring" not in window.pages["geometry"].spacing_told.text()
    assert window.draft.spacing is None
    window.pages["geometry"].flat.click()
    assert window.draft.flat
    assert "flat panel" in window.draft.proposal("x").notes["picture.distortion"]


def test_an_unplugged_cable_is_told_and_loses_nothing(qtbot, calibrate):
    window = calibrate(found=findings(), unplug_at=20, replug_at=60)
    go(window, "area")
    window.pages["area"].sides[0].box.setValue(120)
    until(qtbot, lambda: "There is no picture" in window.sheet.said.text())
    assert window.draft.found.area[0] == 120
    until(qtbot, lambda: window.sheet.said.text() == "")


def test_another_resolution_is_another_calibration(qtbot, calibrate):
    window = calibrate(found=findings())
    window.change({"area": (90, 0, 470, 480)})
    window.draft.take(findings(width=800, height=600))
    window.show_draft()
    assert window.draft.found.area == (80, 0, 480, 480)
    until(
        qtbot, lambda: window.sheet.after.frame is None
    )  # the frames are not those of the findings


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_lost(qtbot, calibrate, tmp_path):
    (tmp_path / "file").write_text("")
    window = calibrate(found=findings(), out=tmp_path / "file" / "site.toml")
    go(window, "save")
    window.save()
    assert "can't be" in window.sheet.said.text()
    assert not window.saved
    assert window.isVisible()


def test_closing_asks_once_for_what_is_not_saved(qtbot, calibrate):
    window = calibrate(found=findings())
    window.change({"inverted": True})
    window.close()
    assert window.isVisible()
    assert "Nothing is saved yet" in window.sheet.said.text()
    window.close()
    assert not window.isVisible()


def test_all_of_it_goes_by_keyboard(qtbot, calibrate):
    window = calibrate(found=findings())
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(window, Qt.Key.Key_4, control)
    assert window.now.name == "grey"
    seen = set()
    for _ in range(20):
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        seen.add(window.focusWidget())
    assert set(window.pages["grey"].range.buttons.values()) & seen
    assert set(window.steps.buttons) <= seen or len(seen) > 12
    qtbot.keyClick(window, Qt.Key.Key_PageUp)
    assert window.now.name == "text"


def test_a_source_that_does_not_open_is_one_sentence(qapp, tmp_path):
    with pytest.raises(OrappError, match="no-such"):
        run_calibration(
            "file:no-such.mkv", tmp_path / "x.toml", "x", None, EngineSpec("pfnet-lite"), "en"
        )
