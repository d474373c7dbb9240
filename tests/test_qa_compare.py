"""Comparing two results folders: figures against geometry, and everything that must fail."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from orapp.engines import EngineSpec
from orapp.errors import OrappError, SignalLost
from orapp.frames import read_only
from orapp.outline import mask_of
from orapp.qa.ahead import AheadSource
from orapp.qa.compare import compare_results
from orapp.qa.figures import outline_distance
from orapp.qa.results import mask_digest
from orapp.qa.run import Plan, run_qa
from orapp.qa.tolerances import load_tolerances
from orapp.sources import EndOfSource
from tests.archives import run_of, write_archive, write_film
from tests.models import write_bright_model
from tests.sources import SquareSource, number_of

STRICT = load_tolerances(None)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return [write_bright_model(root / str(k), level=k) for k in (200, 180)]


def run(paths, out, model):
    run_qa(Plan([paths], out, EngineSpec(str(model), "openvino")))
    return out


@pytest.fixture(scope="module")
def results(tmp_path_factory, models):
    """Two results of three runs; in the second run, the models differ."""
    root = tmp_path_factory.mktemp("results")
    archive = write_archive(root / "in", 3, planted=[1])
    return [run(archive, root / f"out{k}", model) for k, model in enumerate(models)]


@pytest.fixture
def copies(results, tmp_path):
    return [shutil.copytree(folder, tmp_path / f"r{k}") for k, folder in enumerate(results)]


def film_of(results, number):
    return results[0].parent / "in" / "day-00" / f"run-of-{number:04d}.mkv"


def states(comparison):
    return [pair.state for pair in comparison.pairs]


def square(x, y, side):
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], np.float32)


def test_distances_are_those_of_the_geometry():
    one = square(100, 100, 200)
    assert outline_distance([one], [one]) == pytest.approx((0, 0), abs=1e-9)
    mean, p95 = outline_distance([one], [square(90, 90, 220)])
    assert mean == pytest.approx(10, abs=0.3)
    assert p95 == pytest.approx(10, abs=0.5)
    coarse = np.concatenate(
        [np.linspace(a, b, 50) for a, b in zip(one, np.roll(one, -1, 0), strict=True)]
    )
    assert outline_distance([one], [coarse.astype(np.float32)])[1] < 1e-3
    far = outline_distance([one], [one, square(600, 600, 50)])
    assert far[1] > 400


def test_a_mask_digest_is_of_the_size_and_every_pixel():
    mask = mask_of([square(10, 10, 20)], (64, 80))
    other = mask.copy()
    other[63, 79] = 255
    assert mask_digest(mask) == mask_digest(mask.copy())
    assert len({mask_digest(m) for m in (mask, other, mask.T.copy(), mask[:, :72].copy())}) == 4


def test_a_difference_is_measured_and_the_rest_is_identical(results):
    seen = compare_results(*results, STRICT)
    assert states(seen) == ["identical", "failed", "identical"]
    assert not seen.passed
    figures = seen.pairs[1].figures
    assert 0.5 < figures.dice_min <= figures.dice_mean < 0.95
    assert 3 < figures.distance_mean_px < 7  # the rim is 5 px wide
    assert figures.one_sided == figures.detection_change == 0
    assert seen.needed["dice_min"] == figures.dice_min
    assert any(why.startswith("mean Dice 0.") for why in seen.pairs[1].broken)


def test_what_would_have_passed_is_told_and_does_pass(results):
    needed = compare_results(*results, STRICT).needed
    loose = STRICT.model_copy(update=needed)
    seen = compare_results(*results, loose)
    assert seen.passed
    assert states(seen) == ["identical", "within", "identical"]


def test_cases_are_matched_by_content_then_by_name(results, copies, models, tmp_path):
    archive = tmp_path / "in"
    archive.mkdir()
    for number, name in ((2, "a"), (0, "renamed"), (1, "c")):
        shutil.copy(film_of(results, number), archive / f"{name}.mkv")
    again = run(archive, tmp_path / "again", models[0])
    seen = compare_results(copies[0], again, STRICT)
    assert states(seen) == ["identical"] * 3
    assert [pair.reference_number for pair in seen.pairs] == [3, 2, 1]
    (copies[0] / "cases.csv").unlink()  # results from another place come without it
    assert states(compare_results(copies[0], again, STRICT)) == ["identical"] * 3

    write_film(archive / "a.mkv", run_of(9))
    changed = run(archive, tmp_path / "changed", models[0])
    seen = compare_results(again, changed, STRICT)
    assert states(seen) == ["failed", "identical", "identical"]
    assert seen.pairs[0].broken[0].startswith("other files than the baseline's")


def test_a_case_that_one_side_lacks_fails(results, copies, models, tmp_path):
    (tmp_path / "few").mkdir()
    for number in (0, 1):
        shutil.copy(film_of(results, number), tmp_path / "few")
    few = run(tmp_path / "few", tmp_path / "out", models[0])
    missing = compare_results(copies[0], few, STRICT)
    assert states(missing) == ["identical", "identical", "failed"]
    assert missing.pairs[2].broken == ["missing in this run"]
    assert not missing.passed
    more = compare_results(few, copies[0], STRICT)
    assert more.pairs[2].broken == ["missing in the baseline"]
    assert not more.passed


def test_unequal_lengths_fail(models, tmp_path):
    pictures = run_of(1)
    outs = []
    for name, shown in (("long", pictures), ("short", pictures[:5])):
        write_film(tmp_path / name / "a.mkv", shown)
        outs.append(run(tmp_path / name, tmp_path / f"out-{name}", models[0]))
    seen = compare_results(*outs, STRICT)
    assert states(seen) == ["failed"]
    assert "5 frames, the baseline has 8" in seen.pairs[0].broken


def test_a_comparison_of_nothing_fails(models, tmp_path):
    dark = [np.minimum(pixels, 90) for pixels in run_of(1)]
    write_film(tmp_path / "in" / "a.mkv", dark)
    one, two = (run(tmp_path / "in", tmp_path / f"out{k}", models[0]) for k in (1, 2))
    seen = compare_results(one, two, STRICT)
    assert not seen.passed
    assert seen.problems == ["no frame with an outline was compared"]


def test_the_same_engine_on_the_same_machine_must_give_the_same_masks(copies):
    """A tampered result: one outline of the copy is moved by a pixel, within all tolerances."""
    import hashlib

    ours = copies[0]
    theirs = shutil.copytree(ours, ours.with_name("moved"))
    folder = theirs / "run-0001"
    lines = [json.loads(line) for line in (folder / "outlines.jsonl").read_text().splitlines()]
    lines[0]["outlines"][0][0][0] += 1
    lines[0]["mask"] = "0" * 64
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "outlines.jsonl").write_text(text)
    summary = json.loads((folder / "summary.json").read_text())
    summary["masks_sha256"] = "0" * 64
    summary["outlines_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "summary.json").write_text(json.dumps(summary))
    seen = compare_results(ours, theirs, STRICT)
    assert seen.pairs[0].broken == ["the same engine and machine gave other masks"]
    relaxed = STRICT.model_copy(update={"identical_when_same": False})
    assert compare_results(ours, theirs, relaxed).passed


def test_damaged_results_fail_and_say_so(copies):
    (copies[1] / "run-0001" / "summary.json").write_text("{}")
    (copies[1] / "run-0003" / "outlines.jsonl").unlink()
    seen = compare_results(*copies, STRICT)
    assert states(seen) == ["failed"] * 3
    assert "'run-0001/summary.json' is missing or damaged" in seen.pairs[0].broken[0]
    assert "'run-0003/outlines.jsonl' is missing or damaged" in seen.pairs[2].broken[0]
    (copies[1] / "qa.json").write_text("[]")
    with pytest.raises(OrappError, match=r"'r1/qa[.]json' is missing or damaged"):
        compare_results(*copies, STRICT)
    with pytest.raises(OrappError, match="both sides are the same folder"):
        compare_results(copies[0], copies[0], STRICT)


def test_a_nan_is_within_no_tolerance(results):
    figures = compare_results(*results, STRICT).pairs[0].figures
    broken = figures.model_copy(update={"distance_mean_px": float("nan")}).beyond(STRICT)
    assert len(broken) == 1
    assert "mean outline distance" in broken[0]


class BreaksAt(SquareSource):
    """A source that is broken at a picture."""

    def read(self, timeout_ms):
        picture = super().read(timeout_ms)
        if number_of(picture.pixels) == 5:
            raise SignalLost("it broke", "mend it")
        return picture


def test_reading_ahead_keeps_the_order_the_end_and_the_errors():
    source = AheadSource(SquareSource(end_after=40, paced=False))
    source.open()
    seen: list[int] = []
    while len(seen) < 40:
        picture = source.read(1000)
        seen += [] if picture is None else [number_of(picture.pixels)]
    assert seen == list(range(40))
    with pytest.raises(EndOfSource):
        source.read(1000)
    source.close()

    broken = AheadSource(BreaksAt(end_after=40, paced=False))
    broken.open()
    assert [number_of(broken.read(5000).pixels) for _ in range(5)] == list(range(5))
    with pytest.raises(SignalLost, match="it broke"):
        broken.read(5000)
    broken.close()


def test_reading_ahead_stops_at_once_when_it_is_closed():
    source = AheadSource(SquareSource(paced=False))
    source.open()
    assert number_of(source.read(5000).pixels) == 0
    source.close()  # the fixture sees to it that no thread is left
    source.open()
    source.close()
    assert read_only(np.zeros((1, 1), np.uint8)).shape == (1, 1)


def test_tolerances_are_checked(tmp_path):
    for text, sentence in (
        ("dice_mean = 0.9", "are wrong at dice_min: field required"),
        (Path(shipped()).read_text() + "\nextra = 1\n", "are wrong at extra"),
        (Path(shipped()).read_text().replace("0.90", "'high'"), "are wrong at dice_min"),
        ("[" * 5000, "are no TOML"),
        ("\0", "are no TOML"),
        ("#" * 70_000, "is too large"),
    ):
        (tmp_path / "t.toml").write_text(text)
        with pytest.raises(OrappError, match=sentence):
            load_tolerances(tmp_path / "t.toml")
    with pytest.raises(OrappError, match=r"the tolerances 'none[.]toml' can't be read"):
        load_tolerances(tmp_path / "none.toml")


def shipped():
    from orapp.qa.tolerances import shipped_tolerances

    return shipped_tolerances()
