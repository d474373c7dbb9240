"""The model that ships finds the broken body in the demo's scenes, in every engine alike."""

import numpy as np
import pytest

from orapp.engines import EngineSpec, open_engine
from orapp.frames import Frame
from orapp.segment import Segmenter
from orapp.shrink import shrink
from orapp.sources.simulated import SimulatedRun, parse_options
from tools.evaluate_demo import cases, summary
from tools.others import draw_other

SEEDS = 8


@pytest.fixture(scope="module")
def figures():
    with open_engine(EngineSpec("pfnet-lite", "openvino")) as engine:
        return summary(list(cases(Segmenter(engine), SEEDS)))


def test_it_outlines_the_broken_body_where_a_fixed_ellipse_does_not(figures):
    assert figures["pictures_fractured"] == figures["pictures_healthy"] == 4 * SEEDS
    assert figures["dice_mean"] >= 0.6
    assert figures["dice_central_ellipse"] < 0.2


def test_at_most_one_healthy_picture_in_five_is_outlined(figures):
    assert figures["healthy_outlined"] <= 0.2
    assert figures["fractured_outlined"] >= 0.9
    assert figures["image_auc"] >= 0.9


def test_openvino_and_torch_give_the_same_probabilities_on_the_same_frames():
    run = SimulatedRun(parse_options("simulated:?seed=11"))
    with (
        open_engine(EngineSpec("pfnet-lite", "openvino")) as fast,
        open_engine(EngineSpec("pfnet-lite", "torch")) as reference,
    ):
        assert fast.identity.model_sha256 == reference.identity.model_sha256
        for exposure in (0, 50, 100):
            small = shrink(run.picture(exposure), fast.identity.input_size)
            ours, theirs = fast.infer(small), reference.infer(small)
            assert ours.probability.max() > 127
            away = ours.probability.astype(int) - theirs.probability.astype(int)
            assert np.abs(away).max() <= 2
            assert abs(ours.broken - theirs.broken) + abs(ours.spine - theirs.spine) <= 0.01


def test_a_comparison_with_another_frame_is_told_apart():
    run = SimulatedRun(parse_options("simulated:?seed=11"))
    with open_engine(EngineSpec("pfnet-lite", "openvino")) as engine:
        one, other = (
            engine.infer(shrink(run.picture(e), engine.identity.input_size)).probability.astype(int)
            for e in (0, 50)
        )
    assert np.abs(one - other).max() > 2


def test_what_is_drawn_and_no_spine_is_not_supported_and_spines_are():
    rng = np.random.default_rng(5)
    runs = [SimulatedRun(parse_options(f"simulated:?seed={s}&size=512")) for s in range(20)]
    with open_engine(EngineSpec("pfnet-lite", "openvino")) as engine:
        segmenter = Segmenter(engine)
        others = [segmenter.segment(Frame(0, draw_other(512, rng), 0, 0)) for _ in range(100)]
        spines = [segmenter.segment(Frame(0, run.picture(0), 0, 0)) for run in runs]
    assert sum(seen.view_supported for seen in others) <= 10
    assert not any(seen.outlines for seen in others if not seen.view_supported)
    assert sum(seen.view_supported for seen in spines) >= 19


def test_a_blank_or_saturated_picture_is_not_a_view():
    with open_engine(EngineSpec("pfnet-lite", "openvino")) as engine:
        segmenter = Segmenter(engine)
        flat = np.full((512, 512), 90, np.uint8)
        halves = np.zeros((512, 512), np.uint8)
        halves[:256] = 255
        for pixels in (flat, halves):
            seen = segmenter.segment(Frame(0, pixels, 0, 0))
            assert not seen.view_supported
            assert seen.outlines == ()
            assert seen.score == 0
