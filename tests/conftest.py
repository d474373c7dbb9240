"""What every test gets: a check that nothing of it is left behind, and a model that is quick."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import psutil
import pytest

resource_tracker.ensure_running()  # lives as long as the interpreter: not any test's own

ALONE = {
    *("accept", "bench", "compare_peers", "grab", "live", "record", "session", "site_live"),
    *("smooth", "soak", "video", "worker"),
}
"""Files whose tests watch the clock; so do all of tests/system."""
LONGEST = ("train", "simulate_fluoroscopy", "qa", "screen", "store", "replay", "cli", "cli_engine")
"""Begin first, so that no core waits at the end."""
_PATIENCE_S = 3.0
SHARED_MEMORY = Path("/dev/shm")


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Without an X server, windows are drawn into memory."""
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs the machine for itself; brings the longest files to the front."""
    order = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    for item in items:
        if item.path.parent.name == "system" or item.path.stem.removeprefix("test_") in ALONE:
            item.add_marker(pytest.mark.alone)
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="session")
def bright_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model that marks pixels above 200."""
    from tests.models import write_bright_model

    return write_bright_model(tmp_path_factory.mktemp("bright"))


def our_shared_memory() -> set[str]:
    """Segments of this test run: their names begin with the process that made them."""
    return {path.name for path in SHARED_MEMORY.glob(f"orapp-{os.getpid()}-*")}


def _threads() -> set[str]:
    return {f"{thread.name} ({thread.ident})" for thread in threading.enumerate()}


def _children() -> set[str]:
    found = set()
    for child in psutil.Process().children(recursive=True):
        try:
            command = " ".join(child.cmdline())
        except psutil.Error:
            command = child.name() if child.is_running() else ""
        if command and "resource_tracker" not in command:
            found.add(f"{child.pid} {command}")
        elif not command and child.is_running() and child.status() == psutil.STATUS_ZOMBIE:
            found.add(f"{child.pid} zombie")
    return found


def _open_files(kinds: tuple[str, ...]) -> set[str]:
    """Pipes, sockets and files of the kind that a test opens; libraries may open others late."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith(kinds):
            found.add(f"{entry.name} -> {target}")
    return found


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Fails a test that leaves a thread, a child process, an open file or shared memory."""
    kinds: tuple[str, ...] = (str(tmp_path), "/dev/shm/orapp-", "pipe:")
    if not {"qapp", "qtbot"} & set(request.fixturenames):
        kinds = (*kinds, "socket:")  # the first window of a run opens the display's for good
    checks: dict[str, Callable[[], set[str]]] = {
        "threads": _threads,
        "child processes": _children,
        "shared memory": our_shared_memory,
        "open files": lambda: _open_files(kinds),
    }
    before = {name: look() for name, look in checks.items()}
    yield
    deadline = time.monotonic() + _PATIENCE_S
    while left := {n: more for n, look in checks.items() if (more := look() - before[n])}:
        gc.collect()
        if time.monotonic() > deadline:
            pytest.fail(f"the test left behind {left}", pytrace=False)
        time.sleep(0.02)


@pytest.fixture
def show(qtbot, bright_model):
    """Opens a window on a session with a square source; returns window, session and source."""
    from orapp.display.window import SurgeonWindow
    from orapp.engines import EngineSpec
    from orapp.live import LiveSession
    from tests.sources import SquareSource

    made = []

    def start(
        rules=None,
        delay_ms=0,
        raise_at=0,
        model=bright_model,
        profile=None,
        case="",
        recordings=None,
        recording_limits=None,
        **source,
    ):
        window = SurgeonWindow(profile, case=case, recordings=recordings)
        window.resize(1800, 1000)
        squares = SquareSource(**source)
        spec = EngineSpec(str(model), "openvino", delay_ms, raise_at)
        session = LiveSession(
            squares,
            spec,
            rules=rules,
            on_news=window.wake.ring,
            recording_limits=recording_limits,
            profile=profile,
        )
        made.append((window, session))
        window.show()
        window.attach(session)
        session.start()
        return window, session, squares

    yield start
    for window, session in made:
        session.stop()
        window.wake.close()
        window.close()
        window.deleteLater()
