"""Two benchmarks side by side: what differs is said, and what does not is not."""

import numpy as np
import pytest

from orapp.bench.compare import compare, differing, read_bench
from orapp.errors import OrappError


def bench_of(shift=0.0, seed=1, count=600, **machine):
    rng = np.random.default_rng(seed)
    ms = np.round(rng.gamma(9, 1, count) + 3 + shift, 3)
    raw = {"at_s": list(range(count)), "ms": ms.tolist()}
    return {
        "raw": {"inference": raw},
        "machine": {"cpu": "one", "cores": 2} | machine,
        "engine": {"backend": "x"},
        "source": {"rate_hz": 30.0},
        "command": "orapp bench",
    }


def verdicts(one, other):
    return [d.verdict for d in compare(one, other)]


def test_a_faster_a_slower_and_an_equal_run_are_told_apart():
    assert verdicts(bench_of(), bench_of(8, seed=2)) == ["slower", "slower"]
    assert verdicts(bench_of(), bench_of(-8, seed=2)) == ["faster", "faster"]
    assert verdicts(bench_of(), bench_of(seed=2)) == ["no difference shown"] * 2
    assert verdicts(bench_of(), bench_of(5, count=60))[1] == "too few exposures"
    one = compare(bench_of(), bench_of(2, seed=2))[0]
    assert one.low_ms < one.other_ms - one.one_ms < one.high_ms
    assert verdicts(bench_of(), {**bench_of(), "raw": {}}) == []


def test_equal_runs_seldom_differ():
    found = [v for k in range(8) for v in verdicts(bench_of(seed=k), bench_of(seed=100 + k))]
    assert sum(v != "no difference shown" for v in found) <= 3


def test_what_is_not_the_same_beside_the_speed_is_said():
    assert differing(bench_of(), bench_of()) == []
    assert differing(bench_of(), bench_of(cpu="two")) == ["the machine differs: one and two"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "nonsense",
        '{"raw": []}',
        '{"raw": {"inference": {"ms": ["a"]}}}',
        '{"raw": {"inference": {"ms": [[1]]}}}',
        '{"raw": {"inference": {"ms": [NaN]}}, "machine": {}, "engine": {}, "source": {}}',
        '{"raw": {}, "machine": 1, "engine": 2, "source": 3, "command": ""}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_no_benchmark_is_told_in_a_sentence(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(OrappError, match=r"'a.json' is no benchmark"):
        read_bench(path)


def test_a_missing_file_is_told_in_a_sentence(tmp_path):
    with pytest.raises(OrappError, match="can't be read"):
        read_bench(tmp_path / "none.json")
