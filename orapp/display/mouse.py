"""The mouse, and the finger that Qt turns into one: grey levels, and points of the measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent

if TYPE_CHECKING:
    from orapp.display.window import SurgeonWindow

DRAG_PX = 24
"""So far the mouse goes for one step of brightness or contrast."""
REACH = 0.02
"""A press this close to a point takes hold of it, as a share of the frame's longer side."""


class Mouse:
    """What is being dragged in a window.

    The right button, or a finger on the right picture, changes the grey levels: to the right is
    more contrast, up is brighter. The left one takes hold of a point of the measures on a held
    picture.
    """

    def __init__(self, window: SurgeonWindow) -> None:
        self._window = window
        self._levels_from: QPointF | None = None
        self._point: int | None = None
        self._exposure = -1
        self._moved = False

    def press(self, event: QMouseEvent) -> None:
        """A button goes down."""
        if event.button() == Qt.MouseButton.RightButton:
            self._levels_from = event.position()
        elif event.button() == Qt.MouseButton.LeftButton:
            self._point, self._moved = self._point_at(event.position()), False
            frame = self._window.view.frame
            self._exposure = -1 if frame is None else frame.exposure
            if self._point is None and self._is_beside(event.position()):
                self._levels_from = event.position()

    def _is_beside(self, at: QPointF) -> bool:
        """Whether a place in the window is the right picture: there a finger may do it, too."""
        view = self._window.side.view
        return view.rect().contains(view.mapFrom(self._window, at.toPoint()))

    def _point_at(self, at: QPointF) -> int | None:
        """Number of the point that is drawn close to a place in the window, or None."""
        view = self._window.view
        if view.points is None or view.frame is None or not view.geometry().contains(at.toPoint()):
            return None
        x, y = view.to_frame(at - QPointF(view.pos()))
        far = np.hypot(view.points[:, 0] - x, view.points[:, 1] - y)
        nearest = int(far.argmin())
        return nearest if far[nearest] <= REACH * max(view.frame.pixels.shape) else None

    def move(self, event: QMouseEvent) -> None:
        """It moves while a button is down."""
        window = self._window
        if self._point is not None:
            x, y = window.view.to_frame(event.position() - QPointF(window.view.pos()))
            if window.measuring.drag(self._exposure, self._point, x, y):
                self._moved = True
            else:
                self._let_go()  # X-ray went on: the next exposure has points of its own
            window.repaint_all()
        elif self._levels_from is not None:
            moved = event.position() - self._levels_from
            right, up = int(moved.x() / DRAG_PX), int(-moved.y() / DRAG_PX)
            if right or up:
                self._levels_from += QPointF(right * DRAG_PX, -up * DRAG_PX)
                window.look = window.look.stepped(brightness=up, contrast=right)

    def release(self, event: QMouseEvent) -> None:
        """A button goes up: what was changed is written down."""
        if self._levels_from is not None:
            self._levels_from = None
            self._window.actions_.log_look()
        if event.button() == Qt.MouseButton.LeftButton:
            self._let_go()

    def holds(self, event: QMouseEvent) -> bool:
        """Whether a point lies under the mouse."""
        return self._point_at(event.position()) is not None

    def _let_go(self) -> None:
        if self._point is not None and self._moved:
            self._window.measuring.note("corrected", self._exposure)
        self._point, self._moved = None, False
