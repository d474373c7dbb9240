"""Sharp and whole at every scale of the screen, on full HD and on 4K."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("size", [(1920, 1080), (3840, 2160)], ids=["1080p", "2160p"])
@pytest.mark.parametrize("percent", [100, 125, 150, 200, 250])
def test_the_screen_is_whole_and_sharp(size, percent, bright_model):
    told = subprocess.run(
        [sys.executable, "-m", "tests.system.scaled", *map(str, size), str(bright_model)],
        env={
            **os.environ,
            "QT_SCALE_FACTOR": str(percent / 100),
            "QT_QPA_PLATFORM": "offscreen",
            "QT_ENABLE_HIGHDPI_SCALING": "1",
        },
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert told.returncode == 0, told.stderr
    seen = json.loads(told.stdout)
    assert seen["ratio"] == percent / 100
    view = [round(side * percent / 100) for side in seen["view"]]
    assert max(abs(a - b) for a, b in zip(seen["pixels"], view, strict=True)) <= 3
    assert seen["pixels"][1] > 0.75 * size[1]  # painted in the screen's own pixels, not scaled up
    assert seen["off"] < 12
    assert seen["cut"] == []
    assert seen["coarse"] == []
    assert seen["inside"]
