"""Who computes: this process, worker processes of this machine, or a Dask cluster.

The same two functions of `case.py` run everywhere. Dask sends them by pickle between its own
processes: those of this machine talk over TLS with keys of this run alone; a cluster that is
named must be one that is trusted.
"""

import logging
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from orapp.engines import Engine, EngineSpec
from orapp.errors import NotThere, OrappError
from orapp.qa.case import Outcome, run_case
from orapp.qa.cases import Case
from orapp.verify import open_verified

log = logging.getLogger("orapp")
T = TypeVar("T")
RETRIES = 2
"""A case whose worker died is tried again so often."""
CONNECT_S = 10
ANSWER_S = 300
"""A worker that died in the meantime would be waited for for ever."""
LOOK_S, POLL_S = 1.0, 0.02
FETCH_S = 10
"""For one result, which is small."""
NO_WORKER_S = 60
"""So long may all workers be away: one that died is back after some seconds."""
KEPT = "the same command then goes on, what is done is kept"
ENGINE_THREADS = 1
"""Always: with another number the last digits differ, so that results would depend on how many
workers or cores there were. The cores are kept busy by decoding ahead and by more workers."""


class Crew(Protocol):
    """Workers, each with an open and verified engine."""

    size: int

    def everywhere(self, job: Callable[[Engine], T]) -> list[T]:
        """Runs a job once on each worker, at the same time."""
        ...

    def run(self, cases: Sequence[Case], out: Path, resume: bool) -> Iterator[Outcome]:
        """Runs the cases; yields each as it is done, in any order."""
        ...


@contextmanager
def hire(spec: EngineSpec, workers: int, cluster: str | None) -> Generator[Crew, None, None]:
    """Opens a crew: this process for one worker, else processes, or the cluster at an address.

    Raises:
        OrappError: the engine can't be opened, Dask is missing, or no cluster answers.
    """
    spec = replace(spec, threads=ENGINE_THREADS)
    if cluster is None and workers == 1:
        with open_verified(spec) as engine:
            yield _Alone(engine)
        return
    with _client(workers, cluster) as client:
        yield _Dask(client, spec)


class _Alone:
    """This process, case by case."""

    size = 1

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def everywhere(self, job: Callable[[Engine], T]) -> list[T]:
        return [job(self._engine)]

    def run(self, cases: Sequence[Case], out: Path, resume: bool) -> Iterator[Outcome]:
        return (run_case(self._engine, case, out, resume) for case in cases)


class _Dask:
    """Processes that Dask keeps; one that dies is replaced, and its case tried again."""

    def __init__(self, client: Any, spec: EngineSpec) -> None:
        self._client, self._spec = client, spec
        self.size = len(_addresses(client))

    def everywhere(self, job: Callable[[Engine], T]) -> list[T]:
        from distributed import wait
        from distributed.scheduler import KilledWorker

        asked = partial(_with_engine, self._spec, job)
        futures = [
            self._client.submit(asked, workers=[address], pure=False)
            for address in _addresses(self._client)
        ]
        try:
            wait(futures, timeout=ANSWER_S)  # type: ignore[no-untyped-call]
            return list(self._client.gather(futures))
        except (KilledWorker, TimeoutError):
            raise OrappError(
                "worker processes die or hang when the engine opens", "try it with --workers 1"
            ) from None
        except CancelledError:
            raise _disconnected() from None

    def run(self, cases: Sequence[Case], out: Path, resume: bool) -> Iterator[Outcome]:
        from distributed import as_completed

        asked = {
            self._client.submit(_run_one, self._spec, case, out, resume, pure=False): case
            for case in cases
        }
        done = as_completed(list(asked))  # type: ignore[no-untyped-call]
        look = _Lookout(self._client)
        while asked:
            for future in look.wait(done):
                outcome = _outcome(asked[future], future)
                if outcome is None:  # its worker died before the result was fetched
                    look.check()
                    done.add(future)  # type: ignore[no-untyped-call]
                    continue
                del asked[future]
                yield outcome


class _Lookout:
    """Waits for cases, as long as somebody is there to do them.

    Dask itself waits for ever for a worker, and for a scheduler that was started anew.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._scheduler = _scheduler(client)["id"]
        self._seen = self._looked = time.monotonic()

    def wait(self, done: Any) -> list[Any]:
        """The futures that are done since; raises OrappError if nobody is there any more."""
        while not (ready := done.next_batch(block=False)):
            if time.monotonic() - self._looked > LOOK_S:
                self.check()
            time.sleep(POLL_S)
        if any(future.cancelled() for future in ready):  # as all are when the connection breaks
            raise _disconnected()
        return list(ready)

    def check(self) -> None:
        """Raises OrappError if nobody is there any more."""
        about = _scheduler(self._client)
        if self._client.status != "running" or about["id"] != self._scheduler:
            raise _disconnected()
        self._looked = time.monotonic()
        if about["workers"]:
            self._seen = self._looked
        elif self._looked - self._seen > NO_WORKER_S:
            what = f"all workers are gone, and none came in {NO_WORKER_S} s"
            raise OrappError(what, f"start workers again; {KEPT}")


def _disconnected() -> OrappError:
    return OrappError("the connection to the Dask scheduler broke", f"start it again; {KEPT}")


def _scheduler(client: Any) -> Any:
    """What the scheduler says of itself and its workers."""
    return client.scheduler_info(n_workers=-1)


def _addresses(client: Any) -> list[str]:
    """Of the workers that there are now: one that died has got another since."""
    return list(_scheduler(client)["workers"])


def _outcome(case: Case, future: Any) -> Outcome | None:
    """What became of a case; None if it is being computed again."""
    try:
        if future.status == "finished":
            done: Outcome = future.result(timeout=FETCH_S)
            return done
        return _lost(case, future.exception(timeout=FETCH_S)) if future.status == "error" else None
    except TimeoutError:
        return None
    except CancelledError:
        raise _disconnected() from None


def _lost(case: Case, error: BaseException) -> Outcome:
    """What is told of a case whose workers died, or that its worker could not begin."""
    if isinstance(error, OrappError):
        return Outcome(case, error=case.nameless(str(error)))
    log.info("%s: %s", case.label, type(error).__name__)
    return Outcome(case, error=f"{case.label} lost its worker process {RETRIES + 1} times")


_own = threading.local()


def _engine(spec: EngineSpec) -> Engine:
    """The engine of a worker, opened and verified once in its life.

    One for each thread: an engine is used by one, and a cluster's workers may have several.
    """
    if getattr(_own, "spec", None) != spec:
        _own.engine, _own.spec = open_verified(spec), spec
    opened: Engine = _own.engine
    return opened


def _with_engine(spec: EngineSpec, job: Callable[[Engine], T]) -> T:
    return job(_engine(spec))


def _run_one(spec: EngineSpec, case: Case, out: Path, resume: bool) -> Outcome:
    return run_case(_engine(spec), case, out, resume)


_SETTINGS = {
    "distributed.scheduler.allowed-failures": RETRIES,
    "distributed.scheduler.worker-saturation": 1.0,  # a death counts for one case only
    "distributed.scheduler.http.routes": [],
    "logging": {"distributed": "critical"},
}


def _dask() -> tuple[Any, Any]:
    """The modules `dask` and `distributed`; raises NotThere without them."""
    try:
        import dask
        import distributed
    except ImportError:
        raise NotThere(
            "several workers need Dask, which is not installed",
            "run 'pip install orapp[qa]', or use --workers 1",
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return dask, distributed


@contextmanager
def _client(workers: int, cluster: str | None) -> Generator[Any, None, None]:
    dask, distributed = _dask()
    with dask.config.set(_SETTINGS):
        if cluster is not None:
            with _connected(distributed, cluster) as client:
                yield client
            return
        with (
            TemporaryDirectory(prefix="orapp-qa-") as scratch,
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                security=True,
                protocol="tls",
                silence_logs=logging.CRITICAL,
                local_directory=scratch,
            ) as local,
            distributed.Client(local) as client,
        ):
            yield client


@contextmanager
def _connected(distributed: Any, address: str) -> Generator[Any, None, None]:
    try:
        client = distributed.Client(address, timeout=CONNECT_S)
    except (OSError, ValueError):
        raise OrappError(
            f"no Dask cluster answers at '{address}'", "check the address, as tcp://HOST:8786"
        ) from None
    with client:
        if not _addresses(client):
            raise OrappError("the Dask cluster has no workers", "start 'dask worker' there")
        yield client
