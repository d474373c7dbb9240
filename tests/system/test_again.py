"""After a fault the outlines are right again: each equals what the Segmenter sees on that frame."""

import numpy as np
import pytest

from orapp.display.window import SurgeonWindow
from orapp.engines import EngineSpec, open_engine
from orapp.live import LiveSession
from orapp.segment import Segmenter
from orapp.sources import open_source

WAIT_MS = 60_000


@pytest.mark.parametrize(
    ("fault", "said", "times"),
    [
        ("unplug@3s-5s", "signal is back", 1),
        ("resize@3s-60s", "was 1024x1024", 1),
        ("resize@3s-5s", "picture is now 1024x1024", 1),
        ("black@3s-5s", "X-ray on", 2),
    ],
)
def test_outlines_after_a_fault_are_those_of_their_frames(qtbot, fault, said, times):
    window = SurgeonWindow()
    qtbot.addWidget(window)
    window.resize(900, 800)
    spec = EngineSpec("pfnet-lite")
    source = open_source(f"simulated:?fault={fault}")
    session = LiveSession(source, spec, on_news=window.wake.ring)
    window.show()
    window.attach(session)

    def over() -> bool:
        return sum(said in event.text for event in session.events.all()) == times

    try:
        with session, open_engine(spec) as engine:
            segmenter = Segmenter(engine)
            qtbot.waitUntil(over, timeout=WAIT_MS)
            for _ in range(3):
                qtbot.waitUntil(lambda: window.view.overlay is not None, timeout=WAIT_MS)
                frame, overlay = window.view.frame, window.view.overlay
                seen = segmenter.segment(frame).outlines
                assert len(seen) == len(overlay.outlines) == 1
                np.testing.assert_array_equal(seen[0].points, overlay.outlines[0].points)
                last = frame.exposure
                changed = lambda last=last: window.view.frame.exposure != last  # noqa: E731
                qtbot.waitUntil(changed, timeout=WAIT_MS)
    finally:
        window.wake.close()
        window.close()
