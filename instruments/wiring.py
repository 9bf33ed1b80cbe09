"""What a wiring is to the backend, and the way from amplifier voltages to readings."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    Cells,
    Flag,
    Indices,
    Limits,
    Reading,
    Second,
    Sweep,
    Volt,
)
from instruments.selectors import BoardSelector
from instruments.settings import CalibrationTable, SenseTable


class Wiring(Protocol):
    """The verbs of `crossbar.backend.Backend` for one way of wiring instruments to an array.

    `HardwareBackend` has checked every argument: cells exist, shapes fit, numbers are finite and
    inside `limits`. After every verb, however it ends, every line is at 0 V; the constructor
    talks to nothing.
    """

    @property
    def board(self) -> BoardSelector | None:
        """What selects by a switch board, for checks; None where nothing does."""
        ...

    @property
    def limits(self) -> Limits:
        """What this wiring accepts: the file's limits, or its own where those are stricter."""
        ...

    def open(self) -> None:
        """Bring the lines to 0 V, then switch on the supplies; the AD2 is open.

        Instruments besides the AD2 are opened here, and belong to the wiring.
        """
        ...

    def sources_off(self) -> None:
        """Switch off the sources beside the AD2 that a program that died has left on.

        The AD2 is not open, and may not be there.
        """
        ...

    def make_safe(self) -> None:
        """Reach the switches that such a program has left closed, instead of `open`.

        The AD2 is open if it is there, and `close` follows in any case. No supply is switched on,
        and nothing is measured: it has to be quick.
        """
        ...

    def close(self) -> None:
        """Bring every line to 0 V and disconnect it, before asking anything; the AD2 is open still.

        Also called after a failed `open`, and after an error of any kind; may be called again.
        """
        ...

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """As `crossbar.backend.Backend.read`."""
        ...

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """As `crossbar.backend.Backend.pulse`."""
        ...

    def drive(self, voltages: Array) -> Reading:
        """As `crossbar.backend.Backend.drive`."""
        ...

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """As `crossbar.backend.Backend.sweep`; times are those of the timer."""
        ...

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """As `crossbar.backend.Backend.trace`; times are those of the timer."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Return read_scheme, write_scheme, instruments and assumed, in plain values."""
        ...


class Sensing:
    """From the two gains' amplifier voltages to currents and flags.

    Parameters
    ----------
    sense
        Amplifiers and scope.
    calibration
        Offset and gain of each bit line.
    bit_lines
        How many there are.
    """

    def __init__(self, sense: SenseTable, calibration: CalibrationTable, bit_lines: int) -> None:
        feedback = np.array(sense.feedback)[:, None]
        gain = calibration.gains(bit_lines)
        # I = (-V / R - offset) gain, as slope and intercept of each range and bit line.
        self._slope: Array = -gain / feedback
        self._zero: Array = -calibration.offsets(bit_lines) * gain
        self._largest = sense.largest

    def reading(
        self, high: Array, low: Array, bit: Indices | slice, shift: Array | Volt = 0.0
    ) -> Reading:
        """Return the current of the high gain, or of the low one where the high one is clipped.

        Parameters
        ----------
        high, low
            Amplifier output at each gain, V, same shape.
        bit
            Bit line of each along the last axis; ``slice(None)`` if these are all in order.
        shift
            Added to `low`, V; by bit line.
        """
        largest = self._largest
        current = high * self._slope[0, bit]
        current += self._zero[0, bit]
        beyond = np.abs(high) >= largest
        flags = np.zeros(current.shape, dtype=np.uint8)
        if beyond.any():
            at_low = (low + shift) * self._slope[1, bit] + self._zero[1, bit]
            current = np.where(beyond, at_low, current)
            flags[beyond & (np.abs(low) >= largest)] = Flag.CLIPPED
        return Reading(current, flags)

    def current(self, volts: Array | Volt, bit: Indices | int, *, low_gain: bool) -> Array:
        """Return the current at one gain for an amplifier output, V, unbiased, clipped or not."""
        gain = int(low_gain)
        current: Array = np.asarray(volts * self._slope[gain, bit] + self._zero[gain, bit])
        return current

    def referred(self, low: Array, zero_high: Array, zero_low: Array, bit: Indices) -> Array:
        """Return low-gain outputs, V, moved so that at 0 V they give the current of the high gain.

        Parameters
        ----------
        low
            Outputs at the low gain, V.
        zero_high, zero_low
            Outputs of both gains with the lines at 0 V, V, same shape.
        bit
            Bit line of each.
        """
        slope, zero = self._slope[:, bit], self._zero[:, bit]
        referred: Array = low - zero_low + (zero_high * slope[0] + zero[0] - zero[1]) / slope[1]
        return referred
