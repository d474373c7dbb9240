"""Starts the program, and ends it whatever happens."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.program import Program


@pytest.fixture
def run(tmp_path: Path, qapp) -> Iterator[Callable[..., Program]]:
    """Starts `orapp live` with a window; needs an X server, as under xvfb-run."""
    if not os.environ.get("DISPLAY"):
        pytest.skip("no X server: DISPLAY is not set; use `make test`, or xvfb-run")
    started: list[Program] = []

    def start(*arguments: object) -> Program:
        started.append(Program(tmp_path, *arguments))
        return started[-1]

    yield start
    for program in started:
        program.close()
