"""Verification: what differs is told with its figure; a comparison of nothing fails."""

from dataclasses import replace

import numpy as np
import pytest

from orapp.engines import EngineSpec, open_engine
from orapp.engines.trust import load_manifest
from orapp.errors import OrappError
from orapp.golden import read_golden
from orapp.verify import check, compare, load_golden, open_verified
from tests.models import write_bright_model


@pytest.fixture
def bright(tmp_path):
    return write_bright_model(tmp_path / "bright")


@pytest.fixture
def golden(bright):
    return load_golden(bright, load_manifest(bright))


@pytest.fixture
def bounds(bright):
    return load_manifest(bright).bounds["fp32"]


def differ(bright, golden):
    with open_engine(EngineSpec(str(bright))) as engine:
        return compare(engine, golden)


def test_an_engine_that_is_the_reference_differs_in_nothing(bright, golden, bounds):
    seen = differ(bright, golden)
    assert (seen.frames, seen.outlined) == (3, 3)
    assert (seen.max_difference, seen.outline_px, seen.judged, seen.dice) == (0, 0, 0, 1)
    assert seen.beyond(bounds) == []


def test_a_shifted_map_a_missing_outline_and_another_judgement_are_told(bright, golden, bounds):
    shifted = np.roll(golden.probability, 3, axis=1)
    told = differ(bright, replace(golden, probability=shifted)).beyond(bounds)
    assert any(t.startswith("outline px 3") for t in told), told
    assert any(t.startswith("dice 0.") for t in told), told
    none = differ(bright, replace(golden, probability=golden.probability * 0))
    assert none.outline_px == 64
    sure = replace(golden, judged=golden.judged * np.float32(0.9))
    assert differ(bright, sure).beyond(bounds) == ["judged 0.1 > 0.01"]


def test_what_is_no_number_is_beyond_every_bound(bright, golden, bounds):
    judged = golden.judged.copy()
    judged[0, 1] = np.nan
    assert "judged nan > 0.01" in differ(bright, replace(golden, judged=judged)).beyond(bounds)


def test_a_comparison_of_nothing_fails(bright, golden, bounds):
    nothing = replace(golden, judged=np.zeros_like(golden.judged))
    told = differ(bright, nothing).beyond(bounds)
    assert told == ["no frame with an outline was compared"]
    engine = open_engine(EngineSpec(str(bright)))
    with engine, pytest.raises(OrappError, match="no frame with an outline"):
        check(engine, nothing, bounds)


def test_test_options_act_after_the_check(bright):
    spec = EngineSpec(str(bright), "auto", 0, 1)
    with open_verified(spec) as engine, pytest.raises(RuntimeError, match="on purpose"):
        engine.infer(np.zeros((64, 64), np.uint8))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"\x93NUMPY"])
def test_damaged_golden_frames_are_one_sentence(data):
    with pytest.raises(OrappError, match="golden frames are damaged; install the model again"):
        read_golden(data, (64, 64))


def test_golden_frames_of_another_size_are_refused(bright):
    with pytest.raises(OrappError, match="golden frames are damaged"):
        read_golden((bright / "golden.npz").read_bytes(), (96, 64))
