"""Damaged DICOM runs and profiles: one sentence or success; no hang, no memory over 1 GiB.

300 of each by default; ORAPP_LONG=1 reads 20,000. A number that failed once is kept in `KEPT`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.exports import pictures, to_dicom, write_session
from tests.test_dicom_source import stored_run, write

COUNT = 20_000 if os.environ.get("ORAPP_LONG") else 300
KEPT: dict[str, tuple[int, ...]] = {"dicom": (), "profile": ()}
"""Damages that something was wrong with once."""
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
)
PROFILE = """\
# How room 3 was measured: nobody knows.
name = "room 3"

[outline]
mode = "live"
max_age_ms = 150.0
label = true

[keys]
quit = ["Q", "Ctrl+Q"]
hide_while_held = ["Space", "F5"]

[measures]
shown = true
mm_per_px = 0.25

[screen]
language = "de"
assistant = false

[[export.blank]]
x = 0.0
y = 0.0
width = 0.25
height = 1e-1

[[export.blank]]
x = 0.5
y = 0.9
width = 0.5
height = 0.1
"""


def lut(bits: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [1 << bits, 0, 8], bytes(range(256)) * (1 << bits >> 8)
    return Sequence([item])


def dicom_seeds(folder: Path) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096, "FrameTimeVector": [0, 40, 40]}
    for n, syntax in enumerate(SYNTAXES):
        write(folder / f"plain-{n}", stored_run(12, 3), syntax=syntax, **window)
    write(folder / "signed", stored_run(12, 3, signed=True), RescaleSlope="0.5", FrameTime=40)
    write(folder / "lut", stored_run(10, 3), 10, VOILUTSequence=lut(10))
    write(folder / "eight", stored_run(8, 3), 8, PhotometricInterpretation="MONOCHROME1")
    session = write_session(folder.parent / "s", pictures(3, (40, 56)), outlined=[1])
    to_dicom(session, folder.parent / "out")
    (folder.parent / "out" / "run-0001.dcm").rename(folder / "exported")


def profile_seeds(folder: Path) -> None:
    (folder / "room.toml").write_text(PROFILE)
    (folder / "short.toml").write_text('name = "x"\nexport.blank = [{x=0,y=0,width=1,height=1}]\n')


SEEDS = {"dicom": dicom_seeds, "profile": profile_seeds}


def read_damaged(kind: str, first: int, count: int, folder: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.damage", kind, str(first), str(count), str(folder)]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.timeout(7200 if os.environ.get("ORAPP_LONG") else 300)
@pytest.mark.parametrize("kind", ["dicom", "profile"])
def test_damaged_files_give_success_or_one_sentence(tmp_path, kind):
    (tmp_path / "seeds").mkdir()
    SEEDS[kind](tmp_path / "seeds")
    *told, end = read_damaged(kind, 0, COUNT, tmp_path)
    for number in KEPT[kind]:
        told += read_damaged(kind, number, 1, tmp_path)[:-1]
    assert told == []
    assert end["right"] == COUNT
    print(f"{COUNT} damaged files of kind {kind}, at most {end['peak_mb']} MB")


def test_the_judge_sees_a_traceback_a_hang_and_a_glutton(tmp_path):
    """Each kind of fault, planted into the reader, is reported: the fuzz does not pass by luck."""
    code = f"""
import signal
from pathlib import Path
from orapp.errors import OrappError
from tests import damage
signal.signal(signal.SIGPROF, damage._too_long)
damage.CPU_S = 0.2
def glutton(path):
    try:
        return bytes(3 * damage.MEMORY)
    except Exception:
        raise OrappError("it has a broken header", "copy it again") from None
def hang():
    while True:
        try:
            n = 0
            while True:
                n += 1
        except Exception:
            pass
damage.limit_memory()
path = Path({str(tmp_path / "x")!r})
print("ValueError" in damage.wrong(path, lambda _: int("x")))
print("TooLong" in damage.wrong(path, lambda _: damage.timed(hang)))
print("memory" in damage.wrong(path, glutton))
print(damage.wrong(path, lambda _: None) == "")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.split() == ["True"] * 4, done.stderr
