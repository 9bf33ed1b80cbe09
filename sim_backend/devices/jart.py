"""Valence-change memristors by the simplified JART VCM v1b model, switched without stepping time.

The state is N, the concentration of oxygen vacancies in the disc, 1e26 m^-3. Its current and its
motion are those of `jart_current` and `jart_motion`; conductances are stated at -0.2 V, where the
model is read. SET is positive here and negative in the model's own papers.

References
----------
IBM/aihwkit, branch of the JART device, rpu_JART_v1b_device.h and .cpp (Yu, Forschungszentrum
Jülich, 2022).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Indices, Second, Volt
from sim_backend.devices import jart_current, parameters
from sim_backend.devices.device import Law, State, Where
from sim_backend.devices.jart_current import JartLaw
from sim_backend.devices.jart_motion import KNOTS, Filaments, Times

SOURCE = "IBM/aihwkit, branch of the JART device, rpu_JART_v1b_device.h"
SOURCED = (
    "set_voltage",
    "reset_voltage",
    "concentration_low",
    "concentration_high",
    "concentration_min",
    "concentration_max",
    "length",
    "radius",
    "device_sigma",
    "cycle_sigma",
    "step_sigma",
    "read_sigma",
)
MAY_BE_ZERO = ("device_sigma", "cycle_sigma", "step_sigma", "read_sigma", "bound")

STATE = ("concentration", "factor", "filaments", "drawn")
"""Arrays of `JartCells`, without their underscore."""

VOLTAGES = np.geomspace(1e-3, 10.0, 512)
"""V: at which the time of a full switch is tabulated for `JartCells.stress`."""

CHUNK = 4096
"""Tables of individual devices that are held at once, 13 MB."""

REMEMBERED = 4096
"""Tables that are kept for devices that do not change."""


@dataclass(frozen=True, slots=True)
class Jart:
    """Constants of the JART v1b device.

    Parameters
    ----------
    set_voltage, reset_voltage
        Magnitudes of its usual pulses, V: the unit of stress is the speed at these.
    concentration_low, concentration_high
        Between which N stays, 1e26 m^-3: 94.5 to 559.3 µS.
    concentration_min, concentration_max
        N at which RESET and SET would end of themselves, 1e26 m^-3.
    length, radius
        Of the disc, m.
    rate
        By which every velocity is multiplied; 1 is the published model.
    device_sigma
        Device-to-device spread of the last four, normal, as a fraction of them.
    cycle_sigma, step_sigma
        Cycle-to-cycle: each pulse that moves N multiplies each of them by 1 + s_1 U + r s_2 U',
        U and U' uniform in ±1, r the relative change of N.
    bound
        How far length and radius may be from their nominal values, and all four be moved by cycles
        from what was drawn, as a fraction.
    read_sigma
        Standard deviation of one read, as a fraction of the current.

    Raises
    ------
    BenchError
        If a constant is impossible, or the range of N is empty.

    Notes
    -----
    The published noise is zero throughout; studies have to choose theirs. That r is the change
    relative to N is assumed.
    """

    set_voltage: Volt = 0.342  # rpu_JART_v1b_device.h, pulse_voltage_SET
    reset_voltage: Volt = 0.7065  # rpu_JART_v1b_device.h, pulse_voltage_RESET
    concentration_low: float = 0.06  # rpu_JART_v1b_device.h, Ndisc_min_bound
    concentration_high: float = 1.98975  # rpu_JART_v1b_device.h, Ndisc_max_bound
    concentration_min: float = 0.008  # rpu_JART_v1b_device.h, Ndiscmin
    concentration_max: float = 20.0  # rpu_JART_v1b_device.h, Ndiscmax
    length: float = 0.4e-9  # rpu_JART_v1b_device.h, ldet
    radius: float = 45e-9  # rpu_JART_v1b_device.h, rdet
    rate: float = 1.0  # assumed: as published
    device_sigma: float = 0.0  # rpu_JART_v1b_device.h, *_dtod
    cycle_sigma: float = 0.0  # rpu_JART_v1b_device.h, *_std
    step_sigma: float = 0.0  # rpu_JART_v1b_device.h, *_std
    bound: float = 0.1  # assumed: that of the variant of TU Dresden, for length and radius
    read_sigma: float = 0.0  # rpu_JART_v1b_device.h, write_noise_std_real

    name: ClassVar[str] = "jart-v1b"

    def __post_init__(self) -> None:
        parameters.check(self, may_be_zero=MAY_BE_ZERO, signed=())
        if not (
            self.concentration_min
            < self.concentration_low
            < self.concentration_high
            < self.concentration_max
        ):
            raise BenchError(
                f"N from {self.concentration_low} to {self.concentration_high} is no range "
                f"between {self.concentration_min} and {self.concentration_max}, 1e26 m^-3"
            )
        if self.bound >= 1:
            raise BenchError(f"bound {self.bound} is not below 1")

    def build(self, shape: tuple[int, int], rng: np.random.Generator) -> "JartCells":
        """Return cells that all start at the lower end of N, with their spread drawn."""
        return JartCells(self, shape, rng)

    def widths(self, before: Array, after: Array) -> Array:
        """Return the widths, s, of the usual pulses of a nominal device between conductances, S.

        It is the exact inverse of what such a pulse does: SET where `after` is larger, RESET where
        it is smaller.

        Raises
        ------
        BenchError
            If a conductance is outside the range of the model.
        """
        low, high = jart_current.conductance(
            np.array([self.concentration_low, self.concentration_high])
        )
        for name, values in (("before", before), ("after", after)):
            if not np.all((values >= low * (1 - 1e-9)) & (values <= high * (1 + 1e-9))):
                raise BenchError(f"{name} is not inside {low:.4g} to {high:.4g} S")
        voltages = np.array([self.set_voltage, -self.reset_voltage])
        times = Times.of(knots_of(self), voltages[:, None], self.nominal(), self.rate)
        rows = np.where(np.asarray(after) > before, 0, 1)
        return times.at(rows).widths(
            jart_current.concentration_of(before), jart_current.concentration_of(after)
        )

    def nominal(self) -> Filaments:
        """Return the device without spread, of shape ``(1, 1)``."""
        values = (self.concentration_max, self.concentration_min, self.length, self.radius)
        return Filaments(*(np.full((1, 1), value) for value in values))


@lru_cache(maxsize=16)
def knots_of(model: Jart) -> Array:
    """Return ln N of the tables of a model."""
    return np.linspace(np.log(model.concentration_low), np.log(model.concentration_high), KNOTS)


@lru_cache(maxsize=16)
def speeds_of(model: Jart) -> tuple[Array, Array]:
    """Return the ln of what a full SET and a full RESET take at `VOLTAGES` less at the usual."""

    def full(voltages: Array) -> Array:
        table = Times.of(knots_of(model), voltages[:, None], model.nominal(), model.rate)
        durations: Array = np.log(table.tau[:, -1])
        return durations

    pairs = ((1.0, model.set_voltage), (-1.0, model.reset_voltage))
    up, down = (full(sign * VOLTAGES) - full(np.array([sign * usual])) for sign, usual in pairs)
    return up, down


class JartCells:
    """States and individual filaments of every cell of an array; nothing relaxes between pulses.

    What is approximated: half-select and read stress takes each cell along its own course at the
    usual voltages, by as much of the time as the nominal device's full switch is slower at the
    voltage of the stress. A cell that is placed outside the range of N keeps the ratio as a
    factor: every conductance of that cell is larger, or smaller, by it from then on.
    """

    def __init__(self, model: Jart, shape: tuple[int, int], rng: np.random.Generator) -> None:
        m = model
        self._model = m
        self._rng = rng
        nominal = np.array([m.concentration_max, m.concentration_min, m.length, m.radius])
        lowest = np.array([18.0, 0.004, (1 - m.bound) * m.length, (1 - m.bound) * m.radius])
        highest = np.array([22.0, 0.25, (1 + m.bound) * m.length, (1 + m.bound) * m.radius])
        drawn = nominal[:, None, None] * (1 + m.device_sigma * rng.standard_normal((4, *shape)))
        if m.device_sigma:  # bounds of the variant of TU Dresden
            drawn = np.clip(drawn, lowest[:, None, None], highest[:, None, None])
        self._drawn = drawn
        self._filaments = drawn.copy()
        self._concentration = np.full(shape, m.concentration_low)
        self._factor = np.ones(shape)
        self._tables: dict[tuple[int, float], Array] = {}

    @property
    def law(self) -> Law:
        """The law of every cell at its present N."""
        return JartLaw(self._concentration.copy())

    def conductance(self, times: Second | Array, cells: Where = ...) -> Array:
        """Return conductances at -0.2 V, S; the same at all times."""
        reached = jart_current.conductance(self._concentration[cells])
        conductances: Array = self._factor[cells] * reached
        return conductances

    def noise(self, conductances: Array) -> Array:
        """Return `read_sigma` times the conductances, S."""
        return self._model.read_sigma * conductances

    def stress(self, voltages: Array) -> Array:
        """Return how many times faster than usual a full switch of the nominal device is."""
        up, down = speeds_of(self._model)
        size = np.abs(voltages)
        slower = np.where(voltages > 0, *(np.interp(size, VOLTAGES, table) for table in (up, down)))
        # Below the table the device is linear in the voltage.
        faint = np.minimum(size / VOLTAGES[0], 1.0)
        speeds: Array = np.copysign(faint * np.exp(-slower), voltages)
        return speeds

    def pulse(
        self, cells: tuple[Indices, Indices], voltages: Array, widths: Array, starts: Array
    ) -> None:
        """Apply one programming pulse to each of several different cells."""
        before = self._concentration[cells]
        after = self._advanced(cells, before, voltages, widths)
        self._concentration[cells] = after
        self._cycle(cells, before, after)

    def hold(
        self,
        cell: tuple[int, int],
        voltage: Volt,
        compliance: Ampere,
        width: Second,
        start: Second,
    ) -> None:
        """Hold one cell at a voltage, lowered as its current would exceed the compliance."""
        cells = np.array([cell[0]]), np.array([cell[1]])
        knots, voltages = knots_of(self._model), np.full(KNOTS, voltage)
        states, factor = np.exp(knots), self._factor[cells]
        limited = np.abs(factor * jart_current.current(voltages, states)) > compliance
        if not limited.any():
            self.pulse(cells, voltages[:1], np.array([width]), np.array([start]))
            return
        largest = np.full(KNOTS, np.copysign(compliance, voltage))
        lowered = jart_current.voltage_of(largest, states, factor)
        device = Filaments(*self._filaments[:, cells[0], cells[1], None])
        left = np.where(limited, lowered, voltages)
        times = Times.of(knots, left[None, :], device, self._model.rate)
        before = self._concentration[cells]
        after = times.after(before, np.array([width]), np.sign(voltages[:1]))
        self._concentration[cells] = after
        self._cycle(cells, before, after)

    def disturb(self, set_dose: Array, reset_dose: Array) -> None:
        """Move the states of stressed cells, SET before RESET; no filament changes."""
        m = self._model
        for dose, usual in ((set_dose, m.set_voltage), (reset_dose, -m.reset_voltage)):
            word, bit = np.nonzero(dose > 0)
            cells = word, bit
            if len(word):
                voltages = np.full(len(word), usual)
                self._concentration[cells] = self._advanced(
                    cells, self._concentration[cells], voltages, dose[cells]
                )

    def place(self, conductances: Array, now: Second) -> None:
        """Put every cell at exactly this conductance at -0.2 V, S."""
        m = self._model
        reached = jart_current.concentration_of(conductances)
        highest = np.where(np.isnan(reached), m.concentration_high, reached)
        self._concentration = np.clip(highest, m.concentration_low, m.concentration_high)
        self._factor = conductances / jart_current.conductance(self._concentration)

    def snapshot(self) -> State:
        """Return copies of the arrays in `STATE`."""
        return {name: getattr(self, f"_{name}").copy() for name in STATE}

    def restore(self, state: State) -> None:
        """Take over a snapshot."""
        for name in STATE:
            setattr(self, f"_{name}", np.array(state[name]))
        self._tables.clear()

    def describe(self) -> Mapping[str, object]:
        """Return the model's constants, and which of them nobody published."""
        return parameters.described("jart-v1b", self._model, dict.fromkeys(SOURCED, SOURCE))

    def _advanced(
        self, cells: tuple[Indices, Indices], before: Array, voltages: Array, widths: Array
    ) -> Array:
        """Return N after each cell was held at its voltage."""
        after = np.empty(len(before))
        for begin in range(0, len(before), CHUNK):
            part = slice(begin, begin + CHUNK)
            times = self._times((cells[0][part], cells[1][part]), voltages[part])
            after[part] = times.after(before[part], widths[part], np.sign(voltages[part]))
        return np.where(voltages == 0, before, after)

    def _times(self, cells: tuple[Indices, Indices], voltages: Array) -> Times:
        """Return the tables of these cells at these voltages, those that are known from memory."""
        m = self._model
        flat = cells[0] * self._factor.shape[1] + cells[1]
        one = flat if m.device_sigma or m.cycle_sigma or m.step_sigma else np.zeros_like(flat)
        pairs, first, rows = np.unique(
            np.stack([one, voltages]), axis=1, return_index=True, return_inverse=True
        )
        keys = [(int(cell), volts) for cell, volts in pairs.T.tolist()]
        missing = np.array([k for k, key in enumerate(keys) if key not in self._tables], np.intp)
        known = self._tables
        if len(missing):
            where = first[missing]
            devices = Filaments(*self._filaments[:, cells[0][where], cells[1][where], None])
            made = Times.of(knots_of(m), voltages[where][:, None], devices, m.rate)
            if m.cycle_sigma or m.step_sigma:  # no table of this pulse serves the next
                known = {}
            elif len(known) + len(missing) > REMEMBERED:
                known.clear()
                return self._times(cells, voltages)
            known.update({keys[k]: made.tau[row] for row, k in enumerate(missing)})
        return Times(knots_of(m), np.stack([known[key] for key in keys]), rows.ravel())

    def _cycle(self, cells: tuple[Indices, Indices], before: Array, after: Array) -> None:
        """Let the filaments of cells that were moved take a step of their random walk."""
        # One draw per pulse whatever it does, so that the stream does not depend on the outcome.
        m = self._model
        first, second = self._rng.uniform(-1.0, 1.0, (2, 4, len(before)))
        ratio = np.abs(after - before) / before
        step = np.where(ratio > 0, m.cycle_sigma * first + ratio * m.step_sigma * second, 0.0)
        drawn = self._drawn[:, cells[0], cells[1]]
        walked = self._filaments[:, cells[0], cells[1]] * (1 + step)
        self._filaments[:, cells[0], cells[1]] = np.clip(
            walked, (1 - m.bound) * drawn, (1 + m.bound) * drawn
        )
