"""Pixel spacing by a ruler, a ball, a cannula, a plate and the C-arm's distances."""

import math

import numpy as np
import pytest

from orapp.calibrate.plate import fit_plate
from orapp.calibrate.spacing import (
    NoFiducial,
    from_ball,
    from_cannula,
    from_ends,
    from_geometry,
    from_plate,
    from_ruler,
)
from orapp.errors import OrappError
from orapp.sources.phantoms import draw_ball
from orapp.sources.simulated import SimulatedRun, parse_options

SIZE = 640


def scene(name: str, seed: int, size: int = SIZE) -> SimulatedRun:
    return SimulatedRun(parse_options(f"simulated:?scene={name}&seed={seed}&size={size}"))


def is_right(found, truth: float) -> bool:
    off = abs(found.mm_per_px - truth)
    return off < 0.02 * truth and off < 3 * found.uncertainty and found.source == "fiducial"


@pytest.mark.parametrize("seed", [201, 202, 203])
def test_a_ruler_is_read_by_its_ticks(seed):
    run = scene("ruler", seed)
    found = from_ruler(run.picture(0))
    assert is_right(found, run.phantom.mm_per_px)
    assert abs(found.mm_per_px / run.phantom.mm_per_px - 1) < 2e-3
    assert "ticks 1 mm apart" in found.text
    along = np.sort(np.hypot(*(found.points - run.phantom.ends[0]).T))
    assert along[0] < 20
    assert np.hypot(*np.diff(found.points, axis=0)[0]) == pytest.approx(
        100 / run.phantom.mm_per_px, rel=0.06
    )


@pytest.mark.parametrize("seed", [201, 202, 203])
def test_a_ruler_is_read_beside_a_collimators_blades(seed):
    run = scene("ruler", seed)
    shown = run.picture(0).astype(np.float32)
    down, right = np.mgrid[:SIZE, :SIZE]
    behind = (right + 0.1 * down > 0.8 * SIZE) | (down - 0.08 * right < 0.15 * SIZE)
    shown[behind] = shown[behind] * 0.25 + 4
    found = from_ruler(shown)
    assert abs(found.mm_per_px / run.phantom.mm_per_px - 1) < 2e-3


@pytest.mark.parametrize(("size", "frames"), [(512, 1), (512, 12), (1024, 12)])
def test_ball_and_cannula_are_as_wide_in_few_pixels_and_in_a_mean_of_frames(size, frames):
    """Clipped noise is not black on average, and sampling spreads an edge: neither may count."""
    off = {"ball": [], "cannula": []}
    for seed in (201, 204):
        run = scene("ball", seed, size)
        mean = np.mean([run.picture(k).astype(np.float32) for k in range(frames)], axis=0)
        truth = run.phantom.mm_per_px
        off["ball"].append(from_ball(mean, run.phantom.ball_mm).mm_per_px / truth - 1)
        off["cannula"].append(from_cannula(mean, 4.2).mm_per_px / truth - 1)
    for values in off.values():
        assert np.abs(values).max() < 0.015, off


@pytest.mark.parametrize("seed", [201, 202, 203])
def test_a_ball_is_measured_to_two_per_cent(seed):
    run = scene("ball", seed)
    found = from_ball(run.picture(0), run.phantom.ball_mm)
    assert is_right(found, run.phantom.mm_per_px)
    middle = tuple(found.points[:-1].mean(axis=0))
    again = from_ball(run.picture(0), run.phantom.ball_mm, near=middle)
    assert again.mm_per_px == pytest.approx(found.mm_per_px, rel=1e-3)


@pytest.mark.parametrize("seed", [201, 202, 203])
def test_a_cannula_is_measured_to_two_per_cent_found_or_pointed_at(seed):
    run = scene("ball", seed)
    assert is_right(from_cannula(run.picture(0), 4.2), run.phantom.mm_per_px)
    pointed = from_cannula(run.picture(1), 4.2, axis=run.phantom.ends + np.array([1.0, 0]))
    assert is_right(pointed, run.phantom.mm_per_px)


def test_a_hollow_cannula_is_refused():
    drawn = draw_ball(SIZE, 0.2, np.random.default_rng(6), stylet=False)
    with pytest.raises(NoFiducial, match="the cannula is hollow; put its stylet in"):
        from_cannula(drawn.air(np.zeros((SIZE, SIZE), np.float32)), 4.2)


def test_two_ends_that_a_person_points_at_are_as_sure_as_a_hand():
    found = from_ends(np.array([[100.0, 100.0], [400.0, 500.0]]), 100.0)
    assert found.mm_per_px == pytest.approx(0.2)
    assert found.uncertainty == pytest.approx(0.2 * math.sqrt(2) / 500)
    with pytest.raises(NoFiducial, match="too close to each other"):
        from_ends(np.array([[100.0, 100.0], [104.0, 100.0]]), 100.0)


def test_a_plate_says_the_spacing_too():
    run = scene("plate", 204, 512)
    found = from_plate(fit_plate(run.picture(0)))
    assert is_right(found, run.phantom.mm_per_px)
    assert "nodes 10 mm apart" in found.text


def test_geometry_is_labelled_so_and_is_as_sure_as_the_spines_depth():
    found = from_geometry(0.2, 1000, 700, sd_mm=20)
    assert (found.source, found.mm_per_px) == ("geometry", pytest.approx(0.14))
    assert found.uncertainty == pytest.approx(0.14 * 20 / 700)
    for wrong in ((0.2, 700, 1000), (0, 1000, 700), (0.2, 1000, 0), (math.nan, 1000, 700)):
        with pytest.raises(OrappError, match="not between focal spot and detector"):
            from_geometry(*wrong)


def test_another_plane_has_another_spacing_and_is_less_sure():
    found = from_ends(np.array([[0.0, 0.0], [1000.0, 0.0]]), 200.0)
    there = found.moved(1000, 700, sd_mm=14)
    assert there.mm_per_px == pytest.approx(0.14)
    assert there.uncertainty == pytest.approx(math.hypot(found.uncertainty * 0.7, 0.14 * 0.02))
    assert there.text.endswith("taken from 1000 to 700 mm from the focal spot")
    with pytest.raises(OrappError, match="not more than 0 mm; check the distances"):
        found.moved(0, 700)


@pytest.mark.parametrize("kind", ["blank", "noise", "spine"])
@pytest.mark.parametrize("measure", ["ruler", "ball", "cannula"])
def test_what_shows_none_of_it_is_a_sentence(kind, measure):
    rng = np.random.default_rng(3)
    picture = {
        "blank": np.full((SIZE, SIZE), 128, np.uint8),
        "noise": rng.integers(100, 140, (SIZE, SIZE)).astype(np.uint8),
        "spine": SimulatedRun(parse_options(f"simulated:?size={SIZE}&trocar=off")).picture(0),
    }[kind]
    way = {
        "ruler": from_ruler,
        "ball": lambda picture: from_ball(picture, 20.0),
        "cannula": lambda picture: from_cannula(picture, 4.2),
    }[measure]
    with pytest.raises(NoFiducial, match="; "):
        way(picture)


def test_ticks_of_another_distance_than_said_are_refused():
    run = scene("ruler", 201)
    with pytest.raises(NoFiducial, match="can't be 10 mm apart; say how far apart they are"):
        from_ruler(run.picture(0), tick_mm=10)


@pytest.mark.parametrize("seed", [1, 3])
def test_a_spine_is_no_ruler(seed):
    run = SimulatedRun(parse_options(f"simulated:?seed={seed}"))
    mean = np.mean([run.picture(n) for n in range(6)], axis=0).astype(np.float32)
    with pytest.raises(NoFiducial):
        from_ruler(mean)


def test_a_ruler_is_read_where_there_is_next_to_no_noise_but_text_and_a_black_surround():
    from orapp.calibrate.geometry import measured
    from orapp.calibrate.proposal import picture_of
    from orapp.site import SiteMap
    from orapp.sources.setup import DeviceSetup
    from tests.test_calibrate_cli import findings

    device = DeviceSetup.random(12)
    run = SimulatedRun(parse_options("simulated:?setup=12&scene=ruler"))
    raw = np.mean([device.spoil(run.picture(n)) for n in range(12)], axis=0)
    found = findings(
        width=device.width,
        height=device.height,
        area=device.area,
        circle=device.circle,
        text=device.text,
        black=device.black,
        white=device.white,
        inverted=device.inverted,
    )
    site = SiteMap(picture_of(found))
    seen = site.apply(np.rint(raw).astype(np.uint8)).astype(np.float32)
    spacing = measured(seen, "ruler", 1.0, site)
    truth = run.phantom.mm_per_px * device.size / device.side
    assert spacing.mm_per_px == pytest.approx(truth, rel=0.08)  # the picture is distorted
    assert len(spacing.points) == 2
