"""The bench on instruments: the same verbs, answered by hardware."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from types import MappingProxyType, TracebackType
from typing import ParamSpec, TypeVar

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    Cells,
    Checkup,
    ClosedError,
    CrossbarError,
    LimitError,
    Limits,
    Reading,
    Second,
    Sweep,
    Volt,
)
from instruments import selfcheck
from instruments.analog_discovery import AnalogDiscovery
from instruments.requests import (
    checked_inputs,
    checked_pulses,
    checked_read,
    checked_sweep,
    checked_trace,
)
from instruments.settings import HardwareSettings, assumed
from instruments.timing import Monotonic, Timer
from instruments.wiring import Wiring

P = ParamSpec("P")
T = TypeVar("T")

REPEATS = 8
"""Reads and multiplies that a check averages."""


def _parallel(settings: HardwareSettings, ad2: AnalogDiscovery, timer: Timer) -> Wiring:
    from instruments.wiring_parallel import ParallelWiring

    return ParallelWiring(settings, ad2, timer)


def _switched(settings: HardwareSettings, ad2: AnalogDiscovery, timer: Timer) -> Wiring:
    # Imported here: the parallel wiring needs neither VISA nor serial ports.
    from instruments.wiring_switched import SwitchedWiring

    return SwitchedWiring(settings, ad2, timer)


WIRINGS: Mapping[str, Callable[[HardwareSettings, AnalogDiscovery, Timer], Wiring]] = (
    MappingProxyType({"parallel": _parallel, "switched": _switched, "mux": _switched})
)
"""What drives each kind of wiring."""


class HardwareBackend:
    """A bench of instruments; see `crossbar.backend.Backend` for the verbs.

    It is used in a `with` block, which opens it. However the block ends, every line is at 0 V and
    everything is off afterwards. A verb that fails for any reason but a refused request (an
    instrument's error, an interrupt) closes the bench at once: what the instruments hold is no
    longer known, and every further verb raises `ClosedError`.

    Parameters
    ----------
    settings
        What the bench is made of.
    timer
        What waiting is done by; the computer's clock by default.

    Raises
    ------
    BenchError
        If the settings do not fit each other.
    """

    def __init__(self, settings: HardwareSettings, *, timer: Timer | None = None) -> None:
        self._settings = settings
        self._timer: Timer = Monotonic() if timer is None else timer
        ad2 = settings.ad2
        self._discovery = AnalogDiscovery(
            ad2.serial or None,
            config=ad2.config,
            timer=self._timer,
            deadline=ad2.deadline,
            settle=ad2.settle,
        )
        self._wiring = WIRINGS[settings.wiring.kind](settings, self._discovery, self._timer)
        self._shape = settings.array.shape
        self._limits = self._wiring.limits
        self._closed: str | None = "was never opened"
        self._start = self._timer.now
        self._described: dict[str, object] = {}
        self._safe = True

    def __enter__(self) -> "HardwareBackend":
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        return self._shape

    @property
    def limits(self) -> Limits:
        """What this bench accepts: the file's limits, or the wiring's where those are stricter."""
        return self._limits

    @property
    def now(self) -> Second:
        """Seconds since the bench was made."""
        return self._timer.now - self._start

    @property
    def left_safe(self) -> bool:
        """True if nothing was opened, or everything that was is confirmed to be off."""
        return self._safe

    def open(self) -> None:
        """Open the instruments with every line at 0 V; nothing if that is done.

        Raises
        ------
        InstrumentError
            If an instrument is missing, in use, or fails; everything is off then.
        """
        if self._closed is None:
            return
        self._safe = False
        self._discovery.open()
        try:
            self._wiring.open()
            self._closed = None
            self._described = self._description()
        except BaseException as error:
            self._abandon(error)
            raise

    def make_safe(self) -> None:
        """Turn off what a program that died has left on, without opening the bench for work.

        Raises
        ------
        InstrumentError
            If an instrument is missing, in use, or could not be turned off; all others are.
        """
        self._safe = False
        # The sources beside the AD2 first: it may be unplugged, and its supplies hold the switches.
        with ExitStack() as last_first:
            last_first.callback(self._turn_off)
            last_first.callback(self._wiring.make_safe)
            last_first.callback(self._discovery.open)  # finds what is on, and turns it off
            last_first.callback(self._wiring.sources_off)

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell.

        Raises
        ------
        LimitError
            If a cell or the voltage is outside the limits.
        """
        self._check_open()
        checked_read(cells, voltage, self._shape, self._limits)
        return self._perform(self._wiring.read, cells, voltage)

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one pulse per cell, in order, and return each cell's verify read.

        Raises
        ------
        LimitError
            If anything is outside the limits or not a number, or a width is not possible.
        """
        self._check_open()
        amplitudes, spans = checked_pulses(
            cells, voltages, widths, read_voltage, self._shape, self._limits
        )
        return self._perform(self._wiring.pulse, cells, amplitudes, spans, read_voltage)

    def drive(self, voltages: Array) -> Reading:
        """Multiply: return the bit-line currents for each vector of word-line voltages.

        Raises
        ------
        LimitError
            If the shape is not ``(batch, n_word)``, or a voltage is outside the limits.
        """
        self._check_open()
        inputs = checked_inputs(voltages, self._shape[0], self._limits)
        return self._perform(self._wiring.drive, inputs)

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Step one cell through voltages and measure at each; see the wiring for its compliance.

        Raises
        ------
        LimitError
            If anything is outside the limits or not a number, or a dwell is not possible.
        """
        self._check_open()
        points = checked_sweep(cell, voltages, compliance, dwell, self._shape, self._limits)
        swept = self._perform(self._wiring.sweep, cell, points, compliance, dwell)
        return Sweep(swept.voltage, swept.current, swept.time - self._start, swept.flags)

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Play voltages on one cell as one waveform, and return what flowed.

        Raises
        ------
        LimitError
            If anything is outside the limits or not a number, or the wiring cannot play it.
        """
        self._check_open()
        points = checked_trace(cell, voltages, interval, largest, self._shape, self._limits)
        swept = self._perform(self._wiring.trace, cell, points, interval, largest)
        return Sweep(swept.voltage, swept.current, swept.time - self._start, swept.flags)

    def wait(self, duration: Second) -> None:
        """Let time pass with every line at 0 V.

        Raises
        ------
        LimitError
            If `duration` is negative or not finite.
        """
        self._check_open()
        if not 0 <= duration < np.inf:
            raise LimitError(f"a wait of {duration} s is not finite and zero or more")
        start = self.now
        while (left := duration - (self.now - start)) > 0:
            # A nanosecond at least: what rounding leaves over may be too short for any clock.
            self._timer.sleep(max(left, 1e-9))

    def describe(self) -> Mapping[str, object]:
        """Return what the bench is made of and what it found when it was opened."""
        return dict(self._described) if self._described else self._description()

    def check(self, voltage: Volt, progress: Callable[[str, int, int], None]) -> Checkup:
        """Return what the bench finds out about itself.

        Parameters
        ----------
        voltage
            Read voltage for the cells, V.
        progress
            Called with the part, how much of it is done, and of how much.

        Raises
        ------
        BenchError
            If this wiring has no check.
        LimitError
            If the voltage is outside the limits.
        """
        self._check_open()

        def conductances() -> Array:
            zero = np.zeros((REPEATS, self._shape[0]))
            cells = Cells.all(self._shape)
            offset = self.drive(zero).current.mean(axis=0)
            reads = [self.read(cells, voltage).current for _ in range(REPEATS)]
            values: Array = (np.mean(reads, axis=0) - offset[cells.bit]) / voltage
            return values.reshape(self._shape)

        return self._perform(
            selfcheck.check,
            self._discovery,
            self._settings,
            self._wiring.board,
            conductances,
            progress,
        )

    def calibrate(self, repeats: int) -> Mapping[str, list[float]]:
        """Return the table ``[calibration]`` of this bench, from the mean of so many looks.

        Raises
        ------
        BenchError
            If the bench has no reference, or this wiring no calibration.
        InstrumentError
            If a gain is not credible.
        """
        self._check_open()
        return self._perform(selfcheck.calibrate, self._discovery, self._settings, repeats)

    def close(self) -> None:
        """Bring every line to 0 V and turn everything off; a second call does nothing.

        Raises
        ------
        InstrumentError
            If an instrument could not be turned off; all others are.
        """
        if self._closed is not None:
            return
        self._closed = "is closed"
        self._turn_off()

    def _perform(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a verb of the wiring returns, or close the bench."""
        try:
            return verb(*args, **kwargs)
        except LimitError:
            # Wirings refuse before they drive anything.
            raise
        except BaseException as error:
            self._abandon(error)
            raise

    def _abandon(self, error: BaseException) -> None:
        """Turn everything off because of an error, which stays the one that is raised."""
        self._closed = f"was closed by an error: {error}" if str(error) else "was interrupted"
        try:
            self._turn_off()
        except CrossbarError as second:
            error.add_note(f"and turning off failed: {second}")

    def _turn_off(self) -> None:
        try:
            self._wiring.close()
        finally:
            self._discovery.close()
        self._safe = True

    def _check_open(self) -> None:
        if self._closed is not None:
            raise ClosedError(f"the bench {self._closed}")

    def _description(self) -> dict[str, object]:
        settings = self._settings
        plain: dict[str, object] = {
            "kind": "hardware",
            "wiring": settings.wiring.kind,
            "shape": list(self._shape),
            "line_resistance": settings.array.line_resistance,
            "limits": asdict(self._limits),
            "sense": asdict(settings.sense),
            "timing": asdict(settings.timing),
            "assumed": assumed(settings),
        }
        return plain if self._closed is not None else plain | dict(self._wiring.describe())
