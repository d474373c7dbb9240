"""A process that records until it is killed, and prints the stamp of every frame beforehand.

`frames FOLDER`: a recorder alone, 30 frames a second. `live ARGUMENTS...`: `orapp ARGUMENTS...`.
"""

import os
import sys
import time
from pathlib import Path

from orapp.frames import Frame
from orapp.record import Recorder

really_offer = Recorder.offer


def offer(recorder: Recorder, frame: Frame) -> None:
    os.write(1, f"{frame.index} {frame.captured_ns}\n".encode())
    really_offer(recorder, frame)


def record_frames(folder: Path) -> None:
    from orapp.events import EventLog
    from orapp.session_writer import session_head
    from tests.sessions import SOURCE, SQUARES, segmentation

    events = EventLog()
    recorder = Recorder(folder, lambda: session_head(SOURCE), events)
    recorder.start()
    began, number = time.monotonic(), 0
    while True:
        time.sleep(max(0.0, began + number / 30 - time.monotonic()))
        frame = Frame(number, SQUARES.picture(number), time.monotonic_ns(), number)
        recorder.offer(frame)
        recorder.segmented(segmentation(frame))
        number += 1


if __name__ == "__main__":
    Recorder.offer = offer
    if sys.argv[1] == "frames":
        record_frames(Path(sys.argv[2]))
    else:
        from orapp.cli import main

        sys.argv[1:] = sys.argv[2:]
        main()
