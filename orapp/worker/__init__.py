"""The segmenting child process: video goes on whatever happens to the engine (C2)."""

from orapp.worker.parent import SegmentationProcess
from orapp.worker.watch import WorkerLimits

__all__ = ["SegmentationProcess", "WorkerLimits"]
