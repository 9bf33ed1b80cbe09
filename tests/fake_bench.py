"""A bench that fits on a page, for tests of what stands above a backend."""

from collections.abc import Mapping

import numpy as np

from crossbar.backend import Array, Cells, Flag, Limits, Reading, Sweep

LIMITS = Limits(
    voltage=5.0,
    read_voltage=0.5,
    current=1e-3,
    width_min=1e-6,
    width_max=1.0,
    pulses=10_000,
    stress=1e3,
)


class FakeBench:
    """Ohmic cells that each pulse moves by `step` siemens; `stuck` cells do not move."""

    def __init__(self, shape: tuple[int, int], step: float = 1e-6) -> None:
        self.conductance = np.full(shape, 10e-6)
        self.stuck = np.zeros(shape, dtype=np.bool_)
        self.step = step
        self.gain = 1.0
        self.offset = np.zeros(shape[1])
        self.pulsed: list[tuple[int, int, float]] = []
        self.highest = np.inf
        self.waited = 0.0
        self.noise = 0.0
        self.range = np.inf
        self._rng = np.random.default_rng(0)

    @property
    def shape(self) -> tuple[int, int]:
        return (self.conductance.shape[0], self.conductance.shape[1])

    @property
    def limits(self) -> Limits:
        return LIMITS

    @property
    def now(self) -> float:
        return self.waited + 1e-3 * len(self.pulsed)

    def read(self, cells: Cells, voltage: float) -> Reading:
        current = self.conductance[cells.word, cells.bit] * voltage + self.offset[cells.bit]
        current += self.noise * self._rng.standard_normal(len(cells))
        return self._converted(current)

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: float) -> Reading:
        for (word, bit), voltage in zip(cells, voltages, strict=True):
            self.pulsed.append((word, bit, float(voltage)))
            if not self.stuck[word, bit]:
                moved = self.conductance[word, bit] + self.step * np.sign(voltage)
                self.conductance[word, bit] = min(moved, self.highest)
        return self.read(cells, read_voltage)

    def drive(self, voltages: Array) -> Reading:
        current = self.gain * (voltages @ self.conductance) + self.offset
        return self._converted(current)

    def _converted(self, current: Array) -> Reading:
        clipped = np.abs(current) > self.range
        flags = np.where(clipped, np.uint8(Flag.CLIPPED), np.uint8(0))
        return Reading(np.clip(current, -self.range, self.range), flags)

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: float, dwell: float
    ) -> Sweep:
        current = self.conductance[cell] * voltages
        flags = np.zeros(len(voltages), dtype=np.uint8)
        time = dwell * np.arange(1.0, len(voltages) + 1)
        return Sweep(voltages, current, time.astype(np.float64), flags)

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: float, largest: float
    ) -> Sweep:
        return self.sweep(cell, voltages, largest, interval)

    def wait(self, duration: float) -> None:
        self.waited += duration

    def describe(self) -> Mapping[str, object]:
        return {"kind": "fake"}

    def close(self) -> None:
        pass
