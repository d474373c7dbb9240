"""A site profile is checked whole; what is wrong is one sentence that names the place."""

import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pytest

from orapp.errors import OrappError
from orapp.settings import LARGEST, Rectangle, SiteProfile, load_profile


def write(folder, text):
    path = folder / "room.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_what_is_not_said_is_as_orapp_does_it(tmp_path):
    profile = load_profile(write(tmp_path, 'name = "room 3"\n[outline]\nmode = "live"\n'))
    assert profile.outline.rules().mode == "live"
    assert profile.keys == SiteProfile().keys == load_profile(None).keys
    assert not profile.measures.shown


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[outline]\nmode = 'both'", r"line 2, outline\.mode: Input should be 'paired' or"),
        ("[outline]\nmax_age_ms = nan", r"wrong at line \d+, outline\.max_age_ms"),
        ("colour = 'red'", r"wrong at line \d+, colour: Extra inputs are not permitted"),
        ("[keys]\nquit = ['O']", "'O' is a key of toggle_outline and of quit"),
        ("[keys]\nquit = ['']", r"wrong at line \d+, keys\.quit\.0"),
        ("[measures]\nmm_per_px = 0", r"wrong at line \d+, measures\.mm_per_px"),
        ("name = ", "is no TOML"),
        ("x = " + "[" * 30_000, "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        (r'"a\nb\u001b[2J" = 1', r"wrong at line \d+, a b \[2J: Extra inputs are not permitted"),
        (r"keys = {quit = ['a\nb'], help = ['a\nb']}".replace("'", '"'), "'a b' is a key of"),
        (b"#" * (LARGEST + 1), "it is too large"),
    ],
)
def test_a_wrong_profile_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(OrappError, match=sentence) as told:
        load_profile(write(tmp_path, text))
    assert str(told.value).isprintable()


def test_a_missing_profile_is_one_sentence(tmp_path):
    with pytest.raises(OrappError, match="can't be read"):
        load_profile(tmp_path / "none.toml")


def test_blanking_takes_every_pixel_that_is_touched():
    pixels = np.full((10, 20), 9, np.uint8)
    Rectangle(x=0.12, y=0.0, width=0.1, height=0.31).blank(pixels)
    assert (pixels[:4, 2:5] == 0).all()
    assert (pixels == 0).sum() == 4 * 3


def test_the_profile_that_ships_says_what_orapp_does_by_itself():
    shipped = Path(__file__).parents[1] / "calibration" / "default.toml"
    assert load_profile(shipped) == SiteProfile()
    said, known = tomllib.loads(shipped.read_text()), SiteProfile()
    assert set(said["keys"]) == set(known.keys.model_dump())
    assert set(said["replay_keys"]) == set(known.replay_keys.model_dump())


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("width", 0.0, "greater than 0"),
        ("height", 0.0, "greater than 0"),
        ("x", 1.0, "less than 1"),
        ("y", 1.0, "less than 1"),
    ],
)
def test_a_rectangle_that_covers_nothing_is_refused(tmp_path, key, value, sentence):
    numbers = {"x": 0.0, "y": 0.0, "width": 0.5, "height": 0.1, key: value}
    lines = "\n".join(f"{name} = {number}" for name, number in numbers.items())
    path = tmp_path / "p.toml"
    path.write_text(f"[[export.blank]]\n{lines}\n")
    with pytest.raises(OrappError, match=sentence):
        load_profile(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name = 'a'\n\n[outline]\n# a comment\nmode = 'both'\n", 5),
        ("[picture]\nwidth = 400\nheight = 300\n", 1),  # area is missing
        ("name = 'a'\n[picture]\nwidth = 400\nheight = 300\narea = {x = 0, y = 0, width = 0}\n", 5),
        ("[device]\nrate_hz = 60\n[measures]\nshown = true\nmm_per_px = -1\n", 5),
        ("[device]\nrepeats = 4\nrepaets = 4\n", 3),
        ('version = 2\nname = "a"\n', 1),
        ('# a room\nname = "a\\u001b[2J"\n', 2),
    ],
)
def test_the_sentence_names_the_line(tmp_path, text, line):
    with pytest.raises(OrappError, match=rf"wrong at line {line}, "):
        load_profile(write(tmp_path, text))


def test_a_profile_is_known_by_its_hash(tmp_path):
    path = write(tmp_path, 'name = "room 3"\n')
    assert load_profile(path).told() == {
        "name": "room 3",
        "version": 1,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert SiteProfile().told() == {"name": "default", "version": 1, "sha256": ""}
