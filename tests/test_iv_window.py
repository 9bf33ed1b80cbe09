"""The window, with Qt's own event loop and no screen."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from acquired import recorded

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("pyqtgraph", reason="pyqtgraph is not installed", exc_type=ImportError)
try:
    from pymeasure.display.Qt import QtCore, QtWidgets
except Exception as problem:  # which one, depends on what is missing
    pytest.skip(f"there is no Qt binding: {problem}", allow_module_level=True)

from crossbar.backend import DataError
from crossbar.cli.iv_window import make_window, open_window, with_signals
from crossbar.experiments.iv import IvSettings
from crossbar.experiments.iv_summary import swept_cells

SHORT = IvSettings(cell="3,4", step=0.25, cycles=2)
ENOUGH = 30_000  # ms
pytestmark = [
    # Of the libraries beneath PyMeasure, which are not ours.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


@pytest.fixture(scope="module")
def application() -> Any:
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication(["test"])


@pytest.fixture
def make(
    application: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[IvSettings], Any]]:
    """Return what makes a window that keeps its files in an empty folder."""
    monkeypatch.chdir(tmp_path)
    made = []

    def window(settings: IvSettings) -> Any:
        made.append(make_window(settings, "sim", 3, tmp_path / "s.sqlite"))
        made[-1].directory = str(tmp_path)
        made[-1].show()
        return made[-1]

    yield window
    for one in made:
        one.close()
        one.deleteLater()


def until(*signals: Any) -> None:
    """Run Qt's event loop until one of these signals comes."""
    loop = QtCore.QEventLoop()
    for one in signals:
        one.connect(lambda *_: loop.quit())
    patience = QtCore.QTimer()
    patience.setSingleShot(True)
    patience.timeout.connect(loop.quit)
    patience.start(ENOUGH)
    loop.exec()
    assert patience.isActive(), "nothing came in time"


def test_a_queued_run_is_drawn_while_it_is_measured(
    make: Callable[[IvSettings], Any], tmp_path: Path
) -> None:
    window = make(SHORT)
    window.queue_button.click()
    until(window.manager.finished, window.manager.failed)
    until_drawn(window)
    (swept,) = swept_cells(recorded(tmp_path)[1])
    (curve,) = [c for c in window.plot_widget.plot.items if hasattr(c, "getData")]
    voltage, current = curve.getData()
    assert voltage == pytest.approx(swept.voltage)
    assert current == pytest.approx(swept.current)
    assert recorded(tmp_path)[0].status == "finished"
    assert list(tmp_path.glob("iv*.csv"))
    picture = window.grab()
    folder = Path(os.environ.get("CROSSBAR_SCREENSHOTS", tmp_path))
    assert picture.save(str(folder / "iv-window.png"))
    assert picture.width() >= 800


def until_drawn(window: Any) -> None:
    """Let the plot take its next look at the file."""
    loop = QtCore.QEventLoop()
    QtCore.QTimer.singleShot(700, loop.quit)
    loop.exec()


def test_abort_keeps_what_was_finished(make: Callable[[IvSettings], Any], tmp_path: Path) -> None:
    window = make(IvSettings(cell="3,4", cycles=200, dwell=1e-3))
    window.queue()
    until(window.manager.running)
    QtCore.QTimer.singleShot(300, window.abort_button.click)
    until(window.manager.abort_returned, window.manager.failed, window.manager.finished)
    record, results, verbs = recorded(tmp_path)
    assert (record.status, verbs[-1]) == ("interrupted", "close")
    assert sum(len(swept.voltage) for swept in swept_cells(results)) > 0


def test_a_closed_window_leaves_the_bench_closed(
    make: Callable[[IvSettings], Any], tmp_path: Path
) -> None:
    window = make(IvSettings(cell="3,4", cycles=200, dwell=1e-3))
    window.queue()
    until(window.manager.running)
    window.close()
    record, _, verbs = recorded(tmp_path)
    assert (record.status, verbs[-1]) == ("interrupted", "close")


def test_an_interrupt_closes_the_window(make: Callable[[IvSettings], Any]) -> None:
    window = make(SHORT)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with_signals(window.close)
        signal.raise_signal(signal.SIGINT)
        assert not window.isVisible()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_no_point_is_offered_to_the_network(make: Callable[[IvSettings], Any]) -> None:
    assert make(SHORT).manager.port is None


def test_without_a_screen_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(DataError, match="there is no screen"):
        open_window(SHORT, "sim", 0, Path("s.sqlite"))
