"""orapp: its real live path and its real window, full screen.

Variants: `paired` and `live`, the two modes of orapp.
"""

import os
import signal
import sys
import time

from orapp.display.run import RunOptions, application_for, run_live
from orapp.frames import Frame, Overlay, OverlayStyle
from orapp.live import LiveSession
from orapp.overlay import OverlayRules
from orapp.sources import EndOfSource, Picture, SourceFormat
from tools.compare_peers.plan import Plan
from tools.compare_peers.runners.parts import Camera, EndOfClip, Notes, engine_spec


class CameraSource:
    """The camera as a source of orapp's."""

    uri = "camera:"

    def __init__(self, camera: Camera, rate_hz: float) -> None:
        self._camera, self._rate_hz = camera, rate_hz
        self.given: list[int] = []

    def open(self) -> SourceFormat:
        """See `Source`."""
        height, width = self._camera.size
        self._camera.start()
        return SourceFormat(width, height, self._rate_hz, "clip of a camera", finite=False)

    def read(self, timeout_ms: int) -> Picture | None:
        """See `Source`; at the clip's end the program is asked to end."""
        try:
            shot = self._camera.read(timeout_ms / 1000)
        except EndOfClip:
            while not self._camera.over:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
            raise EndOfSource from None
        if shot is None:
            return None
        self.given.append(shot.index)  # orapp numbers what it captures
        return Picture(shot.pixels, shot.captured_ns / 1e6)

    def close(self) -> None:
        """See `Source`."""


class NotedSession(LiveSession):
    """Writes down what its window has painted."""

    def watch(self, camera: Camera, source: CameraSource, notes: Notes) -> None:
        """Called once, before the start."""
        self._camera, self._given, self._notes = camera, source.given, notes
        self._taken_ns, self._last = 0, (-1, -1)
        take = self.frames.take

        def stamped(timeout_s: float = 0.0) -> Frame | None:
            self._taken_ns = time.monotonic_ns()
            return take(timeout_s)

        self.frames.take = stamped  # type: ignore[method-assign]

    def presented(self, frame: Frame, presented_ns: int, overlay: Overlay | None) -> None:
        """See `LiveSession`."""
        super().presented(frame, presented_ns, overlay)
        if self.worker.segmented:
            self._camera.ready()
        shown = frame.index, -1 if overlay is None else overlay.frame_index
        if shown == self._last:
            return  # painted again for its words only
        self._last = shown
        shot, of = (self._camera.shot(self._given[i]) if i >= 0 else None for i in shown)
        assert shot is not None
        aged = overlay is not None and overlay.style is OverlayStyle.AGED
        self._notes.shown(shot, self._taken_ns, presented_ns, of, said=aged)


def main(plan: Plan) -> None:
    """Runs to the end of the clip."""
    notes = Notes(plan)
    camera = Camera(plan, notes)
    source = CameraSource(camera, plan.rate_hz)
    application_for(headless=False)
    sessions: list[NotedSession] = []

    def make(on_news) -> LiveSession:
        rules = OverlayRules("live" if plan.variant == "live" else "paired")
        session = NotedSession(source, engine_spec(plan), rules=rules, on_news=on_news)
        session.watch(camera, source, notes)
        sessions.append(session)
        return session

    _, error = run_live(make, RunOptions(full_screen=True))
    for event in sessions[0].events.all():
        notes.write("said", ns=event.time_ns, kind=event.kind, text=event.text)
    if error is not None:
        raise error
    notes.write("end")


if __name__ == "__main__":
    main(Plan.of_json(sys.argv[1]))
