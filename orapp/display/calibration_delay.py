"""The grabber's delay in the calibration's window: a large code, and what comes back of it."""

import random
import time
from collections.abc import Callable

from PySide6.QtCore import QRect, Qt, QTimer
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from orapp.barcode import BITS, panel
from orapp.calibrate.delay import LEAST, Codes, DelayMeter, GrabberDelay
from orapp.display.language import say

CODE_MS = 200
"""How long a code stays: longer than any frame, and torn frames stay few."""


class CodePanel(QWidget):
    """Paints one code after the other, as large as there is room.

    Args:
        painted: called with a code and the monotonic ns at which it had been painted.
    """

    def __init__(self, painted: Callable[[int, int], None]) -> None:
        super().__init__()
        self._painted = painted
        self._code = random.randrange(2**BITS)  # not what another program shows
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._go_on)

    def start(self) -> None:
        """Shows codes from now on."""
        self._timer.start(CODE_MS)

    def stop(self) -> None:
        """Stays at the last one."""
        self._timer.stop()

    def _go_on(self) -> None:
        self._code = (self._code + 1) % 2**BITS
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Qt's call: in the middle, with white around."""
        cells = panel(self._code)
        height, width = cells.shape
        image = QImage(cells.data, width, height, width, QImage.Format.Format_Grayscale8)
        grown = min(self.width() / width, self.height() / height) * 0.9
        target = QRect(0, 0, round(width * grown), round(height * grown))
        target.moveCenter(self.rect().center())
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.white)
        painter.drawImage(target, image)
        painter.end()
        self._painted(self._code, time.monotonic_ns())


class DelayRow(QWidget):
    """A button that starts and ends the measurement, and how it stands.

    Args:
        switched: called with whether the code is to be shown.
        measured: called with the delay.
    """

    def __init__(
        self, switched: Callable[[bool], None], measured: Callable[[GrabberDelay], None]
    ) -> None:
        super().__init__()
        self._switched, self._measured = switched, measured
        self._meter = DelayMeter()
        self.panel = CodePanel(lambda code, at_ns: self._meter.painted(code, at_ns))
        self.button = QPushButton(say("Measure the grabber's delay"))
        self.button.setCheckable(True)
        self.button.setAutoDefault(True)
        self.button.clicked.connect(self._clicked)
        self.told = QLabel()
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(10)
        line.addWidget(self.button)
        line.addWidget(self.told)

    @property
    def busy(self) -> bool:
        """Whether it is being measured."""
        return self.button.isChecked()

    def show_delay(self, delay: GrabberDelay | None, before_ms: float | None) -> None:
        """Shows what is known of it, unless it is being measured.

        Args:
            delay: as measured now, or None.
            before_ms: what the profile said before, or None.
        """
        if self.busy:
            return
        known = say("Not measured.")
        if before_ms is not None:
            known = say("{ms} ms, as before.").format(ms=f"{before_ms:.0f}")
        if delay is not None:
            text = say("{ms} ms ({low} to {high}), the screen's own delay included.")
            values = {"ms": delay.ms, "low": delay.low_ms, "high": delay.high_ms}
            known = text.format(**{name: f"{value:.0f}" for name, value in values.items()})
        self.told.setText(known)

    def take(self, codes: Codes) -> None:
        """What some frames showed; ends the measurement when there is enough."""
        if not self.busy:
            return
        self._meter.seen(codes)
        delay = self._meter.delay
        if delay is not None:
            self.stop()
            self._measured(delay)
        elif self._meter.count:
            text = say("{count} of {all} codes have come back.")
            self.told.setText(text.format(count=self._meter.count, all=LEAST))

    def stop(self) -> None:
        """Ends it; nothing that is measured is lost."""
        if self.busy:
            self.button.setChecked(False)
            self._clicked()

    def _clicked(self) -> None:
        if self.busy:
            self._meter = DelayMeter()
            self.panel.start()
            self.told.setText(
                say("Plug this screen's output into the grabber, or turn the camera to it.")
            )
        else:
            self.panel.stop()
        self._switched(self.busy)
