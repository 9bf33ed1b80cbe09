"""`xbar iv --gui`: PyMeasure's window, with live curves, a queue and an abort button.

The only module that needs Qt. A run is in the run store too, as it is without the window.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from crossbar.backend import DataError, Second
from crossbar.experiments.iv import IvSettings

INPUTS = (
    "bench_name",
    "cells",
    "vmax",
    "vmin",
    "step",
    "cycles",
    "compliance",
    "dwell",
    "read_order",
    "drive",
    "piece",
    "seed_text",
    "store_path",
)
SHOWN = ("bench_name", "cells", "vmax", "vmin", "cycles", "compliance")
"""Parameters that the list of runs shows."""
TICK: Second = 0.2
"""How often Python is given a turn, so that Ctrl-C in the terminal arrives."""


def open_window(settings: IvSettings, bench: str, seed: int | None, store: Path) -> None:
    """Show the window with these settings entered, and return when it is closed.

    Raises
    ------
    DataError
        If there is no Qt binding, or no screen to show a window on.
    """
    _check_screen()
    application = _application()
    window = make_window(settings, bench, seed, store)
    window.show()
    with_signals(window.close)
    timer = _timer()
    timer.timeout.connect(lambda: None)
    timer.start(round(1000 * TICK))
    application.exec()


def make_window(settings: IvSettings, bench: str, seed: int | None, store: Path) -> Any:
    """Return the window, not shown yet; a `QApplication` has to exist.

    Raises
    ------
    DataError
        If there is no Qt binding.
    """
    _application()
    from pymeasure.display.Qt import QtCore, QtWidgets
    from pymeasure.display.windows import ManagedWindow

    from crossbar.experiments.procedures import IvProcedure, procedure

    level = logging.getLogger().level

    class Window(ManagedWindow):  # type: ignore[misc]  # PyMeasure has no types
        """PyMeasure's window, closed only when the bench is at 0 V."""

        def closeEvent(self, event: Any) -> None:
            """Abort what is running and wait until it has left the bench safe."""
            if self.manager.is_running():
                self.abort()
            while self.manager.is_running():
                QtWidgets.QApplication.processEvents(
                    QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 50
                )
            # PyMeasure's handler would go on writing into a widget that is gone.
            self.log.removeHandler(self.log_widget.handler)
            self.log.setLevel(level)
            event.accept()

    window = Window(
        procedure_class=IvProcedure,
        inputs=INPUTS,
        displays=SHOWN,
        x_axis="Voltage (V)",
        y_axis="Current (A)",
        inputs_in_scrollarea=True,
    )
    # PyMeasure would offer every point to the network, on a port of its own.
    window.manager.port = None
    window.setWindowTitle("xbar iv")
    window.filename = "iv"
    window.directory = "."
    window.set_parameters(procedure(settings, bench, seed, store).parameter_objects())
    logging.getLogger("pymeasure").setLevel(logging.WARNING)
    return window


def with_signals(close: Callable[[], object]) -> None:
    """Close the window on Ctrl-C and SIGTERM: an exception inside Qt would end the process."""

    def handler(_signal: int, _frame: FrameType | None) -> None:
        close()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _check_screen() -> None:
    """Raise `DataError` where Qt would end the process because there is no screen."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise DataError("--gui: there is no screen (neither DISPLAY nor WAYLAND_DISPLAY is set)")


def _application() -> Any:
    try:
        from pymeasure.display.Qt import QtWidgets
    # qtpy finds no binding, or the binding a library of the system's that it needs.
    except (ImportError, RuntimeError) as problem:
        raise DataError(f"--gui needs Qt: pip install 'crossbar-hil[gui]' ({problem})") from problem
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication(["xbar"])


def _timer() -> Any:
    from pymeasure.display.Qt import QtCore

    return QtCore.QTimer()
