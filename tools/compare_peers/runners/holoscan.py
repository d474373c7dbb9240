"""Holoscan: an operator for the camera, one for the model, one that shows.

Variants:
    `default`: camera -> model -> show, default queues and scheduler; frame and outline in one
        message.
    `pop`: camera -> show and camera -> model -> show, queues that drop the oldest message
        (QueuePolicy.POP), the event-based scheduler with a thread for each operator; a frame is
        shown when it comes, with the newest outline, and again when an outline comes.
HolovizOp needs Vulkan and a GPU: the picture is painted by cv2.imshow, from a pinned thread.
"""

import sys
import time

from holoscan.core import Application, ConditionType, IOSpec, Operator, OperatorSpec
from holoscan.schedulers import EventBasedScheduler

from tools.compare_peers.plan import Plan
from tools.compare_peers.runners.parts import Camera, EndOfClip, Lines, Model, Notes, Painter, Shot

POP = IOSpec.QueuePolicy.POP
NONE = ConditionType.NONE


class CameraOp(Operator):
    """Gives each frame when it is there."""

    def __init__(self, fragment: Application, camera: Camera, pop: bool) -> None:
        self.camera, self.pop = camera, pop
        super().__init__(fragment, name="camera")

    def setup(self, spec: OperatorSpec) -> None:
        """Holoscan's call: the ports."""
        if self.pop:
            spec.output("frame", policy=POP).condition(NONE)
        else:
            spec.output("frame")

    def compute(self, op_input, op_output, context) -> None:  # noqa: ARG002
        """Holoscan's call: one message."""
        try:
            shot = self.camera.read()
        except EndOfClip:
            while not self.camera.over:
                time.sleep(0.01)
            self.fragment.stop_execution()
            return
        if shot is not None:
            op_output.emit((shot, None), "frame")


class ModelOp(Operator):
    """Adds the outlines to the frame."""

    def __init__(self, fragment: Application, model: Model, pop: bool) -> None:
        self.model, self.pop = model, pop
        super().__init__(fragment, name="model")

    def setup(self, spec: OperatorSpec) -> None:
        """Holoscan's call: the ports."""
        if self.pop:
            spec.input("frame", policy=POP)
            spec.output("outlined", policy=POP).condition(NONE)
        else:
            spec.input("frame")
            spec.output("outlined")

    def compute(self, op_input, op_output, context) -> None:  # noqa: ARG002
        """Holoscan's call: one message."""
        shot, _ = op_input.receive("frame")
        op_output.emit((shot, self.model.outlines(shot)), "outlined")


class ShowOp(Operator):
    """Paints frames with the newest outline."""

    def __init__(self, fragment: Application, notes: Notes, pop: bool) -> None:
        self.notes, self.pop = notes, pop
        self.painter: Painter | None = None
        self.shot: Shot | None = None
        self.outlined: tuple[Shot, Lines] | None = None
        super().__init__(fragment, name="show")

    def setup(self, spec: OperatorSpec) -> None:
        """Holoscan's call: the ports."""
        if self.pop:
            spec.input("frame", policy=POP)
            spec.input("outlined", policy=POP)
            spec.or_combine_port_conditions(["frame", "outlined"])
        else:
            spec.input("outlined")

    def start(self) -> None:
        """Holoscan's call, in the thread that shows."""
        self.painter = Painter()

    def compute(self, op_input, op_output, context) -> None:  # noqa: ARG002
        """Holoscan's call: one message."""
        handed_ns = time.monotonic_ns()
        if self.pop and (message := op_input.receive("frame")):
            self.shot = message[0]
        if message := op_input.receive("outlined"):
            self.outlined = message if message[1] else None
            self.shot = self.shot if self.pop else message[0]
        if self.shot is None or self.painter is None:
            return
        of, outlines = self.outlined or (None, ())
        painted_ns = self.painter.paint(self.shot.pixels, outlines)
        self.notes.shown(self.shot, handed_ns, painted_ns, of)


class Pipeline(Application):
    """The graph."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.notes = Notes(plan)
        self.camera = Camera(plan, self.notes)
        self.model = Model(plan, self.camera)
        self.pop = plan.variant == "pop"

    def compose(self) -> None:
        """Holoscan's call: the graph."""
        camera = CameraOp(self, self.camera, self.pop)
        model = ModelOp(self, self.model, self.pop)
        show = ShowOp(self, self.notes, self.pop)
        self.add_flow(camera, model, {("frame", "frame")})
        self.add_flow(model, show, {("outlined", "outlined")})
        if self.pop:
            self.add_flow(camera, show, {("frame", "frame")})
            self.make_thread_pool("screen", 1).add(show, pin_operator=True)


def main(plan: Plan) -> None:
    """Runs to the end of the clip."""
    pipeline = Pipeline(plan)
    if pipeline.pop:
        pipeline.scheduler(EventBasedScheduler(pipeline, worker_thread_number=2))
    pipeline.camera.start()
    pipeline.run()
    pipeline.notes.write("end")


if __name__ == "__main__":
    main(Plan.of_json(sys.argv[1]))
