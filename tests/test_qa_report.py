"""The QA report in a real browser: it shows the table, sorts it, loads nothing, names nobody."""

import html
import os
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from orapp.engines import EngineSpec
from orapp.qa.compare import compare_results
from orapp.qa.page import node, page
from orapp.qa.report import read_side, write_report
from orapp.qa.run import Plan, run_qa
from orapp.qa.tolerances import load_tolerances
from tests.archives import write_archive
from tests.models import write_bright_model
from tests.test_qa import qa

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A folder with report.html: twelve runs, of which two differ and one is broken."""
    root = tmp_path_factory.mktemp("report")
    archive = write_archive(root / "Mustermann", 12, planted=[4, 9])
    (archive / "day-00" / "run-of-0011b-Mustermann.mkv").write_bytes(b"junk" * 99)
    models = [write_bright_model(root / str(k), level=k) for k in (200, 180)]
    outs = []
    for k, model in enumerate(models):
        run_qa(Plan([archive], root / f"out{k}", EngineSpec(str(model), "openvino")))
        outs.append(root / f"out{k}")
    comparison = compare_results(*outs, load_tolerances(None))
    write_report(outs[1] / "report.html", read_side(outs[1]), read_side(outs[0]), comparison)
    return outs[1] / "report.html"


def browse(tmp_path, *arguments):
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--hide-scrollbars", "--disable-crash-reporter",
         f"--user-data-dir={tmp_path / 'profile'}", *arguments],
        capture_output=True, text=True, timeout=110, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_browser
@pytest.mark.timeout(240)
def test_a_browser_shows_the_report(compared, tmp_path):
    picture = tmp_path / "report.png"
    browse(tmp_path, "--window-size=1280,3400", f"--screenshot={picture}", compared.as_uri())
    seen = cv2.imread(str(picture))
    assert seen.shape == (3400, 1280, 3)
    rows = seen.reshape(len(seen), -1)
    written = (np.ptp(rows, axis=1) > 60).nonzero()[0]
    assert len(written) > 1200  # text, plots, pictures: no blank page
    orange, blue = (
        int((np.abs(seen.astype(int) - colour).max(2) < 24).sum())
        for colour in ((0, 159, 230), (178, 114, 0))
    )
    assert orange > 500
    assert blue > 300
    assert _grid_lines(seen) >= 13 + 8  # the table of 13 runs, and the smaller ones


def _grid_lines(seen):
    """Horizontal lines of tables: long stretches of their grey."""
    grey = (np.abs(seen.astype(int) - (0xDE, 0xDA, 0xD5)).max(2) < 4).sum(1)
    long = grey > 250
    return int((long[1:] & ~long[:-1]).sum())


def order(dom):
    table = dom[dom.index('id="cases"') :]
    return re.findall(r'<tr><td data-value="(run-\d+)"', table)


@needs_browser
@pytest.mark.timeout(240)
def test_the_table_sorts(compared, tmp_path):
    uri = compared.as_uri()
    plain, up, down = (
        order(browse(tmp_path, "--dump-dom", uri + sort))
        for sort in ("", "#sort=run", "#sort=-run")
    )
    assert len(plain) == 13
    assert set(plain[:3]) == {"run-0005", "run-0010", "run-0013"}  # what failed comes first
    assert up == sorted(plain)
    assert down == sorted(plain, reverse=True)
    dice = browse(tmp_path, "--dump-dom", uri + "#sort=dice_mean")
    assert set(order(dice)[:2]) == {"run-0005", "run-0010"}
    assert order(dice)[-1] == "run-0013"  # nothing was measured there: last
    assert 'aria-sort="ascending"' in dice


def test_the_report_holds_all_that_it_needs_and_no_name(compared):
    text = compared.read_text()
    assert "Mustermann" not in text
    assert "run-of" not in text
    assert str(compared.parent) not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", text)


def test_the_report_says_what_is_wrong_in_words(compared):
    text = html.unescape(
        re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", compared.read_text(), flags=re.S)
    )
    assert "✕ Failed: 3 of 13 runs differ beyond tolerance or have errors" in text
    assert "10 runs with byte-identical masks" in text
    assert re.search(r"run-0005\s+mean Dice 0\.\d+ < 0\.98", text)
    assert re.search(r"run-0013\s+error in the baseline: run-0013 is not a video", text)
    assert "openvino" in text
    assert "bright" in text


def test_whatever_comes_in_is_text():
    evil = "<script>alert(1)</script>&\"'\0\ud800"
    text = page(evil, node("p", evil, title=evil))
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;") == 2
    text.encode()


def test_the_worst_frames_show_both_outlines(compared):
    import base64

    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', compared.read_text())
    assert len(pictures) == 2
    for data in pictures:
        seen = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        left, right = seen[:, : seen.shape[0]].astype(int), seen[:, -seen.shape[0] :].astype(int)
        assert np.ptp(left, axis=2).max() == 0
        for colour in ((178, 114, 0), (0, 159, 230)):
            assert (np.abs(right - colour).max(2) < 20).sum() > 100


def test_the_commands_compare_and_report_need_no_engine(compared, tmp_path):
    new = compared.parent
    old = new.with_name("out0")
    whole = shutil.copytree(old, tmp_path / "whole")
    done = qa("compare", old, new, "--out", tmp_path / "both", "--no-pictures")
    assert (done.returncode, done.stderr) == (1, "")
    assert "run-0005: mean Dice" in done.stdout
    assert "Failed: 3 of 13 runs" in done.stdout
    assert (tmp_path / "both" / "comparison.json").exists()
    assert "data:image" not in (tmp_path / "both" / "report.html").read_text()

    (whole / "report.html").unlink(missing_ok=True)
    done = qa("report", whole)
    assert (done.returncode, done.stderr) == (1, "")
    assert "run-0013: run-0013 is not a video that can be read" in done.stdout
    assert "Failed: 1 of 13 runs could not be read" in (whole / "report.html").read_text()


def test_pictures_of_runs_that_are_gone_are_black_and_not_missing(compared, tmp_path):
    new = shutil.copytree(compared.parent, tmp_path / "new")
    (new / "cases.csv").unlink()
    old = compared.parent.with_name("out0")
    comparison = compare_results(old, new, load_tolerances(None))
    write_report(tmp_path / "report.html", read_side(new), read_side(old), comparison)
    assert (tmp_path / "report.html").read_text().count("data:image/png") == 2


def test_what_the_profile_blanks_is_black_in_the_report(compared, tmp_path):
    import base64

    room = tmp_path / "room.toml"
    room.write_text("[export]\nblank = [{x = 0, y = 0, width = 1, height = 1}]\n")
    old, out = compared.parent.with_name("out0"), tmp_path / "out"
    done = qa("compare", old, compared.parent, "--out", out, "--profile", room)
    assert (done.returncode, done.stderr) == (1, "")
    text = (out / "report.html").read_text()
    assert "pieces of the patients' X-rays" in html.unescape(text)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 2
    for data in pictures:
        seen = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert seen[:, : seen.shape[0]].max() == 0
        assert seen[:, -seen.shape[0] :].max() > 100  # the outlines are still drawn


def test_a_wrong_profile_is_told_before_the_work(compared, tmp_path):
    room = tmp_path / "room.toml"
    room.write_text("[export]\nblank = [{x = 0, y = 0, width = 0, height = 1}]\n")
    done = qa("run", compared.parent, "--out", tmp_path / "out", "--profile", room)
    assert done.returncode == 2
    assert "wrong at line 2, export.blank.0.width" in done.stderr
