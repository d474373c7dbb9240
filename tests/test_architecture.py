"""Rooms stay apart: who may import whom, and what a process of each kind never loads."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("PySide6", "torch", "tensorrt", "tensorrt_rtx", "pycuda")
ONLY_WITH_TORCH = ("orapp.pfnet", "orapp.engines.torch")
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "orapp").rglob("*.py")
    if "_shipped" not in path.parts
)


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_imports_keep_to_the_layers():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("module", ["orapp", "orapp.live", "orapp.walk", "orapp.worker.child"])
def test_the_live_path_loads_neither_qt_nor_torch_nor_tensorrt(module):
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    assert in_a_fresh_process(code) == "[]"


def test_every_module_imports_where_torch_and_tensorrt_are_missing():
    wanted = [module for module in MODULES if not module.startswith(ONLY_WITH_TORCH)]
    assert len(wanted) > 20
    code = f"""
import importlib, sys
for name in ("torch", "tensorrt", "tensorrt_rtx", "pycuda"):
    sys.modules[name] = None
for name in {wanted}:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print("all")
"""
    assert in_a_fresh_process(code) == "all"


def test_opening_openvino_reports_to_nobody(bright_model):
    code = f"""
import sys, threading
from orapp.engines import EngineSpec, open_engine
with open_engine(EngineSpec({str(bright_model)!r}, "openvino")):
    loaded = [name for name, module in sys.modules.items() if module and "openvino_telem" in name]
    print(loaded, threading.active_count())
"""
    assert in_a_fresh_process(code) == "[] 1"
