"""`orapp calibrate --batch` and `calibrate int8`: from a clip to a profile, and what can't be."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest

from orapp.calibrate.engine_time import EngineTime, advise
from orapp.calibrate.findings import Circle, Findings, Hold
from orapp.calibrate.plate import PlateFit
from orapp.calibrate.proposal import Evidence, correct, propose
from orapp.calibrate.spacing import Spacing
from orapp.calibrate.writing import as_toml, write_profile
from orapp.errors import OrappError
from orapp.settings import SiteProfile, load_profile

pytestmark = pytest.mark.timeout(300)  # a loaded machine takes ten times as long
ROOT = Path(__file__).parent.parent
SMALL = "simulated:?setup=11&size=256&seconds=5&rate=10&video=20&trocar=off"


def findings(**other) -> Findings:
    values = {
        "width": 640,
        "height": 480,
        "area": (80, 0, 480, 480),
        "circle": Circle(319.5, 239.5, 238.56),
        "blades": (),
        "text": ((4, 4, 60, 20), (4, 400, 60, 44)),
        "black": 16,
        "white": 235,
        "inverted": False,
        "rate_hz": 60.0,
        "pulse_hz": 15.0,
        "repeats": 4,
        "rotate": 90,
        "mirror": True,
        "hold": Hold((600, 4, 30, 16), "ab" * 32),
        "no_signal": "29" * 256,
        "noise": 0.0,
        "notes": {"area": "the round field's bounds", "hold": "a mark that appears"},
        "unsure": (),
    }
    return Findings(**(values | other))


def a_plate() -> PlateFit:
    x = (0.001, 1.02, 0.0, 0.003, 0.0, 0.001, 1e-05, 0.0, 0.002, 0.0)
    y = (0.002, 0.0, 1.02, 0.0, 0.003, 0.001, 0.0, 2e-05, 0.0, 0.004)
    none = np.zeros((0, 2))
    return PlateFit(
        points=none,
        nodes=none.astype(np.int64),
        undistorted=none,
        misses=none,
        centre=(239.5, 239.5),
        scale=240.0,
        degree=3,
        x=x,
        y=y,
        residual_px=0.2134,
        largest_px=0.6,
        plain_px=7.5,
        pitch_px=33.0,
        pitch_sd_px=0.01,
        tilt_deg=0.3,
        turn_deg=0.0,
        mirrored=None,
    )


def spacing() -> Spacing:
    return Spacing(0.2134567, 0.0012345, "fiducial", "ruler, 90 ticks 1 mm apart", np.zeros((0, 2)))


def everything() -> Evidence:
    time = EngineTime(8.0, 12.0, 40, "pfnet-lite on openvino")
    return Evidence(findings(), a_plate(), spacing(), time)


def orapp(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "orapp", *map(str, arguments)]
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=280, env=env, **options
    )


def one_sentence(done) -> str:
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("orapp: ")
    return lines[0]


def write_video(path: Path, pictures) -> Path:
    import av

    with av.open(str(path), "w") as film:
        stream = film.add_stream("ffv1", rate=20)
        height, width = pictures[0].shape
        stream.width, stream.height, stream.pix_fmt = width, height, "gray"
        for picture in pictures:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        film.mux(stream.encode())
    return path


# From evidence to TOML and back.


def test_the_profile_reads_back_as_it_was_proposed(tmp_path):
    proposal = propose(everything(), "room 3", by="a test", today=date(2026, 11, 27))
    path = tmp_path / "room.toml"
    assert write_profile(proposal, path) is None
    assert load_profile(path) == proposal.profile
    picture = load_profile(path).picture
    assert (picture.area.x, picture.area.width, picture.rotate, picture.mirror) == (80, 480, 90, 1)
    assert picture.distortion.x == a_plate().x
    measures = load_profile(path).measures
    assert measures.mm_per_px == 0.21346
    assert measures.mm_per_px_from == "fiducial"
    assert measures.for_width == 480


def test_every_measured_value_says_how_it_was_found():
    text = as_toml(propose(everything(), "room 3", by="a test"))
    line = next(line for line in text.splitlines() if line.startswith("area"))
    assert line.endswith("# the round field's bounds")
    assert "ruler, 90 ticks 1 mm apart; one standard deviation is 0.6%" in text
    assert "95 of 100 answers within 12 ms" in text
    assert max(map(len, text.splitlines())) <= 100 or "hold_pattern" in text


def test_what_is_not_sure_is_marked_and_a_person_makes_it_sure():
    found = findings(unsure=("inverted",), notes={"inverted": "little to go by"})
    proposal = propose(Evidence(found), "x", by="a test")
    assert proposal.unsure == ("picture.inverted",)
    assert "CHECK: little to go by" in as_toml(proposal)
    sure = propose(Evidence(correct(found, {"inverted": True})), "x", by="a test")
    assert sure.unsure == ()
    assert sure.profile.picture.inverted
    assert "CHECK" not in as_toml(sure).replace(as_toml(sure).splitlines()[1], "")


def test_what_a_person_wrote_is_kept_word_for_word(tmp_path):
    path = tmp_path / "room.toml"
    keys = '# our pedal\n[keys]\nhide_while_held = ["F13"]   # the left one\n'
    text = f'name = "old"\n[measures]\nhead = "left"\n\n{keys}\n[screen]\nlanguage = "de"\n'
    path.write_text(text)
    before = load_profile(path)
    proposal = propose(everything(), "new", before, by="a test")
    kept = write_profile(proposal, path, replace=True)
    assert kept.read_text() == text
    assert keys.strip() in path.read_text()
    after = load_profile(path)
    assert (after.keys, after.screen) == (before.keys, before.screen)
    assert (after.measures.head, after.name) == ("left", "new")


@pytest.mark.parametrize(
    "blank",
    [
        "blank = [\n  {x = 0, y = 0, width = 0.3, height = 0.1},\n]",
        "blank = [{x = 0.5, y = 0, width = 0.3, height = 0.1}]",
    ],
)
def test_tables_in_any_form_are_kept(tmp_path, blank):
    path = tmp_path / "room.toml"
    path.write_text(f"export.{blank}\n" if "\n" not in blank else f"[export]\n{blank}\n")
    before = load_profile(path)
    write_profile(propose(everything(), "new", before, by="a test"), path, replace=True)
    assert load_profile(path).export == before.export


def test_a_file_is_never_replaced_unasked_nor_unread(tmp_path):
    proposal = propose(everything(), "x", by="a test")
    path = tmp_path / "room.toml"
    path.write_text('name = "mine"\n')
    with pytest.raises(OrappError, match=r"'room.toml' is there already; give --force"):
        write_profile(proposal, path)
    path.write_text("this is = no [profile")
    with pytest.raises(OrappError, match="is no TOML"):
        write_profile(proposal, path, replace=True)
    assert path.read_text() == "this is = no [profile"


def test_no_note_can_break_the_file():
    notes = {"area": 'x\n[keys]\nquit = ["A"]\x1b[31m"""'}
    name = 'a "name"\n\x7f\\'
    proposal = propose(Evidence(findings(notes=notes)), name, by="a\ntest")
    import tomllib

    read = SiteProfile.model_validate(tomllib.loads(as_toml(proposal)))
    assert read == proposal.profile
    assert "\x1b" not in as_toml(proposal)


def test_an_old_spacing_holds_for_the_new_pixels():
    """With another distortion, or none, they are of another size."""
    old = propose(Evidence(findings(), a_plate(), spacing()), "x", by="a test").profile
    larger = Evidence(findings(), a_plate().enlarged(1.05))
    said = propose(larger, "x", old, by="a test")
    before, now = old.measures, said.profile.measures
    assert now.mm_per_px * 1.05 == pytest.approx(before.mm_per_px, rel=1e-3)
    assert now.mm_per_px_uncertainty * 1.05 == pytest.approx(before.mm_per_px_uncertainty, rel=1e-3)
    assert "pixels 95.2% as large" in as_toml(said)
    again = propose(Evidence(findings()), "x", said.profile, by="a test").profile.measures
    assert again.mm_per_px * 1.02 == pytest.approx(before.mm_per_px, rel=1e-3)  # a_plate() has 1.02
    same = propose(Evidence(findings(), a_plate()), "x", old, by="a test")
    assert same.profile.measures == before


def test_a_spacing_for_another_width_is_dropped():
    old = SiteProfile.model_validate({"measures": {"mm_per_px": 0.3, "for_width": 999}})
    proposal = propose(Evidence(findings()), "x", old, by="a test")
    assert proposal.profile.measures.mm_per_px is None
    assert "for another width" in as_toml(proposal)
    same = old.model_copy(update={"measures": old.measures.model_copy(update={"for_width": 480})})
    assert propose(Evidence(findings()), "x", same, by="t").profile.measures.mm_per_px == 0.3


@pytest.mark.parametrize(
    ("p95_ms", "pulse_hz", "mode"),
    [
        (12, 15, "paired"),
        (60, 15, "live"),
        (12, 0, "paired"),
        (40, 30, "live"),
        (400, 15, "paired"),
    ],
)
def test_the_mode_follows_from_the_engines_time(p95_ms, pulse_hz, mode):
    advice = advise(EngineTime(p95_ms / 2, p95_ms, 40, "e"), pulse_hz, 30.0)
    assert advice.mode == mode
    assert 200 <= advice.max_age_ms <= 500
    if mode == "live":
        assert advice.max_age_ms >= p95_ms + 1000 / (pulse_hz or 30)


@pytest.mark.parametrize("name", ["round-field-1280x1024", "flat-panel-1920x1080"])
def test_the_examples_are_what_their_names_say_and_have_a_picture(name):
    path = ROOT / "calibration" / "examples" / f"{name}.toml"
    picture = load_profile(path).picture
    assert f"{picture.width}x{picture.height}" in name
    assert (picture.circle is not None) == name.startswith("round")
    assert (picture.distortion is not None) == name.startswith("round")
    assert 10_000 < path.with_suffix(".png").stat().st_size < 150_000


# The command.


@pytest.fixture(scope="module")
def batch(tmp_path_factory, bright_model):
    """One run of the command on a small set-up, of which there is a profile already."""
    out = tmp_path_factory.mktemp("batch") / "new" / "room.toml"
    model = "--model", bright_model
    geometry = "--detector-px-mm", 0.2, "--detector-mm", 1000, "--spine-mm", 700
    return out, orapp("calibrate", "--batch", "--source", SMALL, "--out", out, *model, *geometry)


def test_batch_writes_profile_and_picture_and_tells_what_it_found(batch):
    out, done = batch
    assert done.returncode == 0, done.stderr
    profile = load_profile(out)
    assert profile.name == "room"
    assert (profile.device.rate_hz, profile.device.pulse_hz, profile.device.repeats) == (20, 10, 2)
    assert (profile.picture.width, profile.picture.height) == (800, 600)
    assert profile.measures.mm_per_px == pytest.approx(0.14)
    assert profile.measures.mm_per_px_from == "geometry"
    assert "image area" in done.stdout
    assert "polarity" in done.stdout
    drawn = cv2.imread(str(out.with_suffix(".png")))
    assert drawn.shape[0] > 900
    blue = np.abs(drawn.astype(int) - (255, 200, 86)).max(axis=2) < 40
    assert blue.sum() > 500  # the area's frame
    assert sorted(path.name for path in out.parent.iterdir()) == ["room.png", "room.toml"]


def test_batch_replaces_nothing_unless_it_is_told_to(batch, tmp_path):
    out, _ = batch
    before = out.read_text()
    done = orapp("calibrate", "--batch", "--source", SMALL, "--out", out, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "give --force" in one_sentence(done)
    assert out.read_text() == before


def test_a_clip_without_x_ray_is_told_and_nothing_is_written(tmp_path):
    still = np.full((240, 320), 60, np.uint8)
    cv2.putText(still, "MENU", (40, 100), 0, 2, 220, 2)
    clip = write_video(tmp_path / "menu.mkv", [still] * 60)
    done = orapp("calibrate", "--batch", "--source", clip, "--out", tmp_path / "x.toml")
    assert done.returncode == 1
    assert "not calibrated" in one_sentence(done)
    assert "X-ray on" in done.stderr
    assert not (tmp_path / "x.toml").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--source", "nothing.mkv"], "nothing.mkv"),
        (["--source", "pyproject.toml"], "pyproject.toml"),
        (["--source", "v4l2:/dev/null"], "null"),
        (["--source", "simulated:?setup=x"], "setup=x"),
        (["--out", "/proc/x/y.toml"], "can't be written"),
        (["--out", "profile.txt"], "let it end in .toml"),
        (["--detector-px-mm", "0.2"], "geometry is not complete; give --detector-px-mm"),
        (["--spine-mm", "700"], "can't be taken to the spine; give an object"),
        (["--object-mm", "1000", "--spine-mm", "700"], "can't be taken to the spine"),
        (["--ball", "x.mkv", "--object-mm", "1000"], "can't be taken to the spine"),
        (
            ["--ball", "x", "--detector-px-mm", "1", "--detector-mm", "9", "--spine-mm", "7"],
            "the spacing has two sources",
        ),
    ],
)
def test_bad_input_is_one_sentence(options, told):
    done = orapp("calibrate", "--batch", *options)
    assert done.returncode == 2
    assert told in one_sentence(done)
    assert "Traceback" not in done.stderr


def test_an_unplug_in_the_middle_of_the_clip_is_told(tmp_path):
    source = "simulated:?size=256&rate=10&fault=unplug@1s-60s"
    done = orapp("calibrate", "--batch", "--source", source, "--out", tmp_path / "x.toml")
    assert done.returncode == 2
    assert "unplugged" in one_sentence(done)
    assert not (tmp_path / "x.toml").exists()


def test_int8_lists_frames_of_recordings(tmp_path):
    done = orapp("calibrate", "int8", tmp_path / "no", "--out", tmp_path / "frames.csv")
    assert done.returncode == 2
    assert not (tmp_path / "frames.csv").exists()
    one_sentence(done)
    json.dumps(done.stdout)
