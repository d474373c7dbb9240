"""FAST: a streamer with its own thread, a process object with the model, one that shows.

Variants: `default`, as a streamer written in Python is set; `newest`, with
StreamingMode_NewestFrameOnly. The picture is painted by cv2.imshow from the thread that runs the
pipeline, as in all peers.
"""

import os
import sys
import time
from dataclasses import dataclass, field

import fast
import numpy as np

from tools.compare_peers.plan import Plan
from tools.compare_peers.runners.parts import Camera, EndOfClip, Lines, Model, Notes, Painter, Shot


@dataclass
class Shared:
    """What the steps have in common; FAST itself carries images only."""

    notes: Notes
    camera: Camera
    model: Model
    painter: Painter
    outlines: dict[int, Lines] = field(default_factory=dict)


class Source(fast.PythonStreamer):
    """Gives each frame when it is there, from a thread of its own."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self.shared = shared
        self.createOutputPort(0)

    def generateStream(self) -> None:  # noqa: N802
        """FAST's call: the whole life of the thread."""
        while True:
            try:
                shot = self.shared.camera.read()
            except EndOfClip:
                _end(self.shared)
            if shot is None:
                continue
            image = fast.Image.createFromArray(shot.pixels[..., None])
            image.setFrameData("index", str(shot.index))
            self.addOutputData(0, image)
            self.frameAdded()


class Segmentation(fast.PythonProcessObject):
    """The model; hands its frame on."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self.shared = shared
        self.createInputPort(0)
        self.createOutputPort(0)

    def execute(self) -> None:
        """FAST's call."""
        image = self.getInputData(0)
        shot = _shot(self.shared.camera, image)
        self.shared.outlines[shot.index] = self.shared.model.outlines(shot)
        self.addOutputData(0, image)


class Show(fast.PythonProcessObject):
    """Paints."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self.shared = shared
        self.createInputPort(0)

    def execute(self) -> None:
        """FAST's call."""
        shot = _shot(self.shared.camera, self.getInputData(0))
        handed_ns = time.monotonic_ns()
        outlines = self.shared.outlines.pop(shot.index, ())
        painted_ns = self.shared.painter.paint(shot.pixels, outlines)
        self.shared.notes.shown(shot, handed_ns, painted_ns, shot if outlines else None)


def main(plan: Plan) -> None:
    """Runs to the end of the clip."""
    notes = Notes(plan)
    camera = Camera(plan, notes)
    shared = Shared(notes, camera, Model(plan, camera), Painter())
    source = Source.create(shared)
    if plan.variant == "newest":
        source.setStreamingMode(fast.StreamingMode_NewestFrameOnly)
    segmentation = Segmentation.create(shared).connect(source)
    show = Show.create(shared).connect(segmentation)
    camera.start()
    token = 0
    while True:
        show.run(token)  # waits for a frame; the streamer ends the program
        token += 1


def _shot(camera: Camera, image: fast.Image) -> Shot:
    """What travels through FAST is its image; its frame data name the frame."""
    known = camera.shot(int(image.getFrameData("index")))
    return Shot(known.index, known.captured_ns, np.asarray(image)[..., 0])


def _end(shared: Shared) -> None:
    """Ends the program from the streamer's thread: the other one waits in FAST for a frame."""
    while not shared.camera.over:
        time.sleep(0.01)
    shared.notes.write("end")
    os._exit(0)


if __name__ == "__main__":
    main(Plan.of_json(sys.argv[1]))
