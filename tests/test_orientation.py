"""What is seen turned or mirrored is the same picture, point for point, and is told in words."""

import numpy as np
import pytest

from orapp.orientation import Orientation

ALL = [Orientation(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


@pytest.mark.parametrize("orientation", ALL)
def test_points_go_where_their_pixels_go_and_back(orientation):
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    seen = orientation.apply(pixels)
    points = np.array([[x, y] for y in range(5) for x in range(7)], np.float32)
    moved = orientation.points(points, pixels.shape)
    for (x, y), (u, v) in zip(points.astype(int), moved.astype(int), strict=True):
        assert seen[v, u] == pixels[y, x]
        assert orientation.back(u, v, pixels.shape) == (x, y)


@pytest.mark.parametrize("orientation", ALL)
def test_its_words_are_read_back(orientation):
    assert Orientation.from_text(orientation.text) == orientation


@pytest.mark.parametrize("text", ["", "turned 45", ", mirrored", "mirrored, turned 90", "as sent "])
def test_other_words_are_refused(text):
    with pytest.raises(ValueError, match="is no orientation"):
        Orientation.from_text(text)


@pytest.mark.parametrize("orientation", ALL)
def test_a_turn_and_a_flip_are_as_the_eye_sees_them(orientation):
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    seen = orientation.apply(pixels)
    assert (orientation.turned().apply(pixels) == np.rot90(seen, -1)).all()
    assert (orientation.flipped().apply(pixels) == seen[:, ::-1]).all()
