"""The picture's view: what is painted when nothing has changed."""

import dataclasses

import numpy as np
import pytest

from orapp.display.theme import Tone
from orapp.display.view import PictureView
from orapp.display.words import Words
from orapp.frames import Frame, Outline, Overlay, OverlayStyle, read_only

WORDS = Words("X-RAY ON", Tone.GOOD, "AI READY", Tone.GOOD, "", Tone.GOOD, "")
TRIANGLE = np.array([[20, 20], [200, 30], [90, 180]], np.float32)


class Watched(PictureView):
    """Notes how much of it is painted, as a share of its height."""

    def __init__(self):
        super().__init__()
        self.shares = []

    def paintEvent(self, event):  # noqa: N802
        self.shares.append(event.rect().height() / self.height())
        super().paintEvent(event)


@pytest.fixture
def view(qtbot):
    view = Watched()
    qtbot.addWidget(view)
    view.resize(600, 600)
    view.show()
    qtbot.waitExposed(view)
    qtbot.wait(100)
    view.present(frame(0, 0), None, WORDS)
    view.shares.clear()
    return view


def frame(index, content):
    pixels = read_only(np.full((256, 256), 100 + content, np.uint8))
    return Frame(index, pixels, index, exposure=content, content=content)


def overlay():
    return Overlay(0, 0, (Outline(TRIANGLE, 1.0, 1.0),), OverlayStyle.PAIRED, 0.0)


def test_of_a_held_picture_only_the_marks_are_painted_again(view):
    assert view.present(frame(1, 0), None, WORDS)
    assert view.shares[-1] < 0.05
    assert view.frame.index == 1


@pytest.mark.parametrize("change", ["picture", "unknown", "outline", "banner"])
def test_whatever_changes_is_painted_whole(view, change):
    new = frame(1, {"picture": 1, "unknown": -1}.get(change, 0))
    words = dataclasses.replace(WORDS, banner="AI off") if change == "banner" else WORDS
    assert view.present(new, overlay() if change == "outline" else None, words)
    assert view.shares[-1] == 1.0
    same = dataclasses.replace(new, index=2)
    assert view.present(same, view.overlay, words)
    assert (view.shares[-1] < 0.05) == (change != "unknown")


def test_a_painting_of_the_marks_leaves_the_rest_as_it_was(view):
    view.present(frame(1, 0), overlay(), WORDS)
    before = view.grab().toImage()
    for index in (2, 3, 13):
        view.present(frame(index, 0), view.overlay, WORDS)
    assert view.grab().toImage() == before
