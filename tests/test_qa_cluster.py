"""QA on a Dask cluster that somebody else runs: a real scheduler, real workers, both killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orapp.engines import EngineSpec
from orapp.errors import OrappError
from orapp.qa import crew
from orapp.qa.run import Plan, run_qa
from tests.archives import write_archive
from tests.models import write_bright_model

pytestmark = pytest.mark.timeout(300)
WAIT_S = 60
LABELS = [f"run-{number:04d}" for number in range(1, 5)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_bright_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive") / "in", 4, planted=[1])


class Cluster:
    """A scheduler, and workers with two threads, each with an engine of its own."""

    def __init__(self, folder):
        self._folder, self._place, self.processes = folder, folder / "scheduler.json", []
        self.scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"
        )
        deadline = time.monotonic() + WAIT_S
        while not (self._place.exists() and self._place.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.address = json.loads(self._place.read_text())["address"]

    def add_worker(self):
        scratch = self._folder / f"scratch-{len(self.processes)}"
        return self._start(
            "dask_worker", "--nthreads", "2", "--no-nanny", "--no-dashboard",
            "--local-directory", scratch,
        )  # fmt: skip

    def _start(self, program, *words):
        root = str(Path(__file__).parent.parent)
        environment = {**os.environ, "PYTHONPATH": root, "DASK_DISTRIBUTED__DASHBOARD__LINK": ""}
        command = [sys.executable, "-m", f"distributed.cli.{program}", *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(
            [*command, "--scheduler-file", self._place], env=environment, **quiet
        )
        self.processes.append(process)
        return process


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    for process in reversed(made.processes):
        process.kill()
        process.wait(30)


def plan(archive, out, model, address, delay_ms=0):
    return Plan([archive], out, EngineSpec(str(model), "openvino", delay_ms=delay_ms), 1, address)


def assert_all_are_there(out, archive, model, tmp_path):
    run_qa(Plan([archive], tmp_path / "here", EngineSpec(str(model), "openvino")))
    for label in LABELS:
        name = f"{label}/outlines.jsonl"
        assert (out / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_a_cluster_that_is_named_does_the_work(tmp_path, cluster, model, archive):
    cluster.add_worker()
    out = tmp_path / "out"
    words = ["qa", "run", archive, "--out", out, "--model", model, "--cluster", cluster.address]
    deadline = time.monotonic() + WAIT_S
    while True:  # until the worker is there
        done = subprocess.run(
            [sys.executable, "-m", "orapp", *words, "--engine", "openvino"],
            capture_output=True, text=True, timeout=200,
        )  # fmt: skip
        if "has no workers" not in done.stderr or time.monotonic() > deadline:
            break
    assert (done.returncode, done.stderr) == (0, "")
    assert_all_are_there(out, archive, model, tmp_path)


def test_workers_that_all_go_end_it_and_it_goes_on_with_new_ones(
    tmp_path, cluster, model, archive, monkeypatch
):
    out, gone = tmp_path / "out", []
    first = cluster.add_worker()

    def kill(outcome, total):
        first.kill()
        gone.append(outcome)

    wait_for_worker(cluster)
    monkeypatch.setattr(crew, "NO_WORKER_S", 2)
    sentence = "all workers are gone, and none came in 2 s; start workers again; the same command"
    with pytest.raises(OrappError, match=sentence):
        run_qa(plan(archive, out, model, cluster.address, delay_ms=60), on_case=kill)
    assert 1 <= len(gone) < 4
    assert not (out / "qa.json").exists()
    cluster.add_worker()
    wait_for_worker(cluster)
    record = run_qa(plan(archive, out, model, cluster.address))
    assert record.speed.frames <= 8 * (4 - len(gone))  # what was done is kept
    assert_all_are_there(out, archive, model, tmp_path)


def test_a_scheduler_that_dies_ends_it_with_one_sentence(tmp_path, cluster, model, archive):
    cluster.add_worker()
    wait_for_worker(cluster)
    seen = []

    def kill(outcome, total):
        cluster.scheduler.kill()
        seen.append(outcome)

    with pytest.raises(OrappError, match="connection to the Dask scheduler broke; start it again"):
        run_qa(plan(archive, tmp_path / "out", model, cluster.address, delay_ms=60), on_case=kill)
    assert 1 <= len(seen) < 4


def wait_for_worker(cluster):
    import distributed

    with distributed.Client(cluster.address) as client:
        client.wait_for_workers(1, timeout=WAIT_S)
