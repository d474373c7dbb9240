"""The loop that everybody writes first: read, infer, show; one thread.

Variants: `queue`, the four buffers that cv2.VideoCapture has under V4L2; `newest`, one buffer.
"""

import sys
import time

from tools.compare_peers.plan import Plan
from tools.compare_peers.runners.parts import Camera, EndOfClip, Model, Notes, Painter


def main(plan: Plan) -> None:
    """Runs to the end of the clip."""
    notes = Notes(plan)
    camera = Camera(plan, notes, buffers=4 if plan.variant == "queue" else 1)
    model, painter = Model(plan, camera), Painter()
    camera.start()
    while True:
        try:
            shot = camera.read()
        except EndOfClip:
            break
        if shot is None:
            continue
        outlines = model.outlines(shot)
        handed_ns = time.monotonic_ns()
        painted_ns = painter.paint(shot.pixels, outlines)
        notes.shown(shot, handed_ns, painted_ns, shot if outlines else None)
    notes.write("end")


if __name__ == "__main__":
    main(Plan.of_json(sys.argv[1]))
