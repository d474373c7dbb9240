"""A plate tells the distortion of a picture, to half a pixel, against the truth."""

from contextlib import suppress

import cv2
import numpy as np
import pytest

from orapp.calibrate.findings import Circle
from orapp.calibrate.geometry import measured_plate
from orapp.calibrate.plate import NoPlate, PlateFit, fit_plate
from orapp.calibrate.proposal import picture_of
from orapp.picture import Distortion
from orapp.site import SiteMap
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.calibration_dice import truth_of
from tools.distorted import Intensifier, field_grid, left_over, undistorted

SIZE = 512


def plate(seed: int, kind: str = "beads") -> SimulatedRun:
    uri = f"simulated:?scene=plate&plate={kind}&seed={seed}&size={SIZE}"
    return SimulatedRun(parse_options(uri))


def mean_of(run: SimulatedRun, bend: Intensifier | None = None, count: int = 4) -> np.ndarray:
    frames = [run.picture(exposure) for exposure in range(count)]
    mean = np.mean(np.stack(frames).astype(np.float32), axis=0)
    return bend.bend(mean) if bend else mean


@pytest.mark.parametrize(("kind", "seed"), [("beads", 101), ("beads", 102), ("grid", 103)])
def test_the_distortion_is_found_to_half_a_pixel_and_the_spacing_to_a_thousandth(kind, seed):
    run, bend = plate(seed, kind), Intensifier.random(seed, SIZE)
    fit = fit_plate(mean_of(run, bend))
    clean = field_grid(SIZE)
    raw = bend.to_raw(clean)
    seen = np.hypot(*(raw - (SIZE - 1) / 2).T) < 0.49 * SIZE
    off, size = left_over(clean[seen], undistorted(fit, raw[seen]))
    assert off.max() < 0.5
    assert fit.residual_px < 0.5
    assert fit.plain_px > 1
    assert 2 <= fit.degree <= 5
    assert 10 / fit.pitch_px == pytest.approx(run.phantom.mm_per_px / size, rel=2e-3)
    assert "px remain" in fit.text


@pytest.fixture(scope="module")
def one() -> tuple[np.ndarray, PlateFit]:
    """A distorted plate, and what it says."""
    crop = mean_of(plate(104), Intensifier.random(104, SIZE))
    return crop, fit_plate(crop)


def test_the_picture_is_left_as_it_is_in_its_middle(one):
    _, fit = one
    middle = np.array([fit.centre])
    steps = middle + np.array([[5.0, 0], [-5, 0], [0, 5], [0, -5]])
    np.testing.assert_allclose(undistorted(fit, middle), middle, atol=0.05)
    moved = undistorted(fit, steps)
    slope = np.array([moved[0] - moved[1], moved[2] - moved[3]]).T / 10
    assert np.linalg.det(slope) == pytest.approx(1, abs=5e-3)
    assert slope[1, 0] - slope[0, 1] == pytest.approx(0, abs=5e-3)


@pytest.mark.parametrize("seed", [46, 52])
def test_undistorted_the_round_field_fills_the_picture_as_it_did_before(seed):
    run = SimulatedRun(parse_options(f"simulated:?scene=plate&seed=3&setup={seed}"))
    device = run.device
    found = truth_of(device)
    fit = measured_plate(device.spoil(run.picture(0)).astype(np.float32), found)
    site = SiteMap(picture_of(found, fit))
    circle, angle = device.circle, np.linspace(0, 2 * np.pi, 360)
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1) * circle.radius
    ends = site.to_site(around + np.array([circle.x, circle.y]))
    beyond = np.concatenate([-ends, ends - (np.array(site.size[::-1]) - 1)], axis=1).max(axis=0)
    assert beyond.max() == pytest.approx(0, abs=0.5)  # nothing is cut off
    assert beyond.min() > -0.02 * max(site.size)  # and little is left over
    assert fit.size > 1.02


def test_a_smaller_round_field_is_made_as_large_and_an_odd_one_is_no_crash():
    run = SimulatedRun(parse_options("simulated:?scene=plate&seed=3&setup=46"))
    device = run.device
    raw = device.spoil(run.picture(0)).astype(np.float32)
    c, found = device.circle, truth_of(device)
    sizes = []
    for radius in (c.radius, 0.8 * c.radius, 0.3):
        found.circle = Circle(c.x, c.y, radius)
        sizes.append(measured_plate(raw, found).size)
    assert sizes == sorted(sizes)
    assert sizes[-1] == pytest.approx(1.25)
    found.circle = Circle(found.area[0] - 400, c.y, c.radius)
    with pytest.raises(NoPlate, match="turns the picture over"):
        measured_plate(raw, found)


def test_enlarging_moves_nothing_but_away_from_the_middle(one):
    fit = one[1].enlarged(1.2)
    there = one[1].undistorted
    bend = Distortion.model_validate(one[1].distortion())
    larger = Distortion.model_validate(fit.distortion())
    np.testing.assert_allclose(fit.undistorted - fit.centre, 1.2 * (there - fit.centre))
    np.testing.assert_allclose(larger.bent(fit.undistorted), bend.bent(there))
    assert fit.pitch_px == pytest.approx(1.2 * one[1].pitch_px)
    assert "120% as large" in fit.text


def test_a_flat_panel_needs_no_correction():
    fit = fit_plate(mean_of(plate(105)))
    assert (fit.degree, fit.x, fit.y, fit.distortion()) == (0, (), (), None)
    assert fit.text.startswith("no distortion worth correcting")


def test_the_nodes_are_where_they_are():
    run = plate(106)
    fit = fit_plate(mean_of(run))
    gaps = np.hypot(*(fit.points[:, None] - run.phantom.places).transpose(2, 0, 1)).min(axis=1)
    assert np.sqrt((gaps**2).mean()) < 0.15
    assert len(fit.points) > 120
    assert len(np.unique(fit.nodes, axis=0)) == len(fit.nodes)


@pytest.mark.parametrize(("quarters", "mirrored"), [(1, False), (0, True), (3, True)])
def test_the_marks_tell_how_the_picture_is_turned(quarters, mirrored):
    run = plate(107)
    shown = mean_of(run)
    turned = np.rot90(shown[:, ::-1] if mirrored else shown, -quarters)
    straight, fit = fit_plate(shown), fit_plate(np.ascontiguousarray(turned))
    assert (straight.mirrored, fit.mirrored) == (False, mirrored)
    angle = 180 - straight.turn_deg if mirrored else straight.turn_deg
    off = (fit.turn_deg - angle - 90 * quarters + 180) % 360 - 180
    assert abs(off) < 0.5


def test_instruments_text_missing_beads_and_the_other_polarity_do_no_harm():
    run, bend = plate(108), Intensifier.random(108, SIZE)
    shown = mean_of(run, bend)
    shown = np.clip(shown, 0, 255).astype(np.uint8)
    cv2.line(shown, (40, 250), (470, 330), 5, 14, cv2.LINE_AA)
    cv2.putText(shown, "kV 72", (200, 120), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 230, 2, cv2.LINE_AA)
    cv2.rectangle(shown, (300, 360), (380, 420), 8, -1)
    for picture in (shown, 255 - shown):
        fit = fit_plate(picture)
        clean = field_grid(SIZE)
        raw = bend.to_raw(clean)
        seen = np.hypot(*(raw - (SIZE - 1) / 2).T) < 0.48 * SIZE
        assert left_over(clean[seen], undistorted(fit, raw[seen]))[0].max() < 0.6


def test_the_residual_is_shown_as_arrows_on_the_plate(one):
    crop, fit = one
    shown = fit.picture(crop)
    assert (shown.shape, shown.dtype) == ((SIZE, SIZE, 3), np.uint8)
    coloured = (shown.max(axis=2) - shown.min(axis=2)) > 60
    at = np.rint(fit.points).astype(int)
    assert coloured[at[:, 1], at[:, 0]].mean() > 0.95


def test_the_profile_gets_all_terms_in_order(one):
    said = one[1].distortion()
    terms = (said["degree"] + 1) * (said["degree"] + 2) // 2
    assert (said["model"], len(said["x"]), len(said["y"])) == ("polynomial", terms, terms)
    assert said["centre"] == [(SIZE - 1) / 2] * 2
    assert (said["x"][1], said["y"][2]) == pytest.approx((1, 1), abs=0.02)


def garbage() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    spine = SimulatedRun(parse_options(f"simulated:?seed=5&size={SIZE}"))
    ruler = SimulatedRun(parse_options(f"simulated:?scene=ruler&size={SIZE}"))
    few = np.full((SIZE, SIZE), 170, np.uint8)
    for x in range(100, 300, 60):
        cv2.circle(few, (x, 200), 4, 20, -1, cv2.LINE_AA)
    return {
        "blank": np.full((SIZE, SIZE), 128, np.uint8),
        "black": np.zeros((SIZE, SIZE), np.uint8),
        "noise": rng.integers(0, 256, (SIZE, SIZE)).astype(np.uint8),
        "spine": spine.picture(0),
        "spine, smooth": cv2.GaussianBlur(spine.picture(3), (0, 0), 2),
        "ruler": ruler.picture(0),
        "a row of beads": few,
        "stripes": np.tile((np.arange(SIZE) % 16 < 3) * 100, (SIZE, 1)).astype(np.uint8),
    }


@pytest.mark.parametrize("name", garbage())
def test_what_is_no_plate_is_one_sentence(name):
    picture = garbage()[name]
    with pytest.raises(NoPlate, match="no plate is in the picture"):
        fit_plate(picture)


def test_a_picture_that_is_too_small_is_said_to_be():
    with pytest.raises(NoPlate, match="too small for a plate; check the active image area"):
        fit_plate(np.zeros((40, 200), np.uint8))


def test_every_second_bead_is_not_taken_for_the_lattice():
    """Beads that are missing in the middle leave a wider cross than the lattice's."""
    node = np.stack(np.meshgrid(np.arange(-8, 9), np.arange(-8, 9)), axis=-1).reshape(-1, 2)
    missing = (np.abs(node).max(axis=1) <= 3) & (node.sum(axis=1) % 2 == 1)
    picture = np.full((SIZE, SIZE), 170, np.uint8)
    for x, y in node[~missing]:
        cv2.circle(picture, (int(256 + 26 * x), int(256 + 26 * y)), 4, 40, -1, cv2.LINE_AA)
    with suppress(NoPlate):  # it need not be found, but not be taken for another
        assert fit_plate(picture).pitch_px == pytest.approx(26, rel=0.01)
