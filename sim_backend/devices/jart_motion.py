"""How fast the state of a JART v1b device moves, and when it is where.

dN/dt depends on N alone while a voltage lasts, so that Tau(N), the time that N takes to come from
the lower end of its range, is one table for each device, voltage and polarity. A pulse of width t
goes from N to Tau^-1(Tau(N) + t), and the pulse that goes from one N to another has the width
abs(Tau(N') - Tau(N)): no differential equation is stepped.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Indices
from sim_backend.devices.jart_current import RESET_EDGE, SET_EDGE, current

KNOTS = 400
"""Of each table, equidistant in ln N: Tau errs by less than 1e-6 of a full switch."""

ELEMENTARY_CHARGE = 1.602e-19  # C; aihwkit, rpu_JART_v1b_device.h
BOLTZMANN_PER_CHARGE = 8.6186e-5  # V/K; likewise
VALENCE = 2.0
HOP = 0.25e-9  # m, likewise: a
ATTEMPTS = 2e13  # Hz, likewise: ny0
BARRIER = 1.35  # eV, likewise: dWa
PLUG = 20.0  # 1e26 m^-3, likewise: Nplug
MOBILITY = 4e-6  # m²/(V s), likewise: un
CELL = 3e-9  # m, likewise: lcell
AMBIENT = 293.0  # K, likewise: T0
SERIES, LINE = 650.0, 719.2437  # ohm, likewise: RseriesTiOx, R0
LINE_HEATING = 3.92e-3 * 719.2437 * 90471.47  # 1/A², likewise: alphaline R0 Rthline
HEATING, RADIUS = 15.72e6, 45e-9  # K/W at this radius in m, likewise: Rth0, rdet
RESET_HEATING = 0.27  # likewise: Rtheff_scaling
SLOWEST = 1e-100
"""1e26 m^-3 / s: what is slower stands still, and 0 V has a table too."""


@dataclass(frozen=True, slots=True, eq=False)
class Filaments:
    """Constants of individual devices, arrays of one shape.

    Parameters
    ----------
    maximum, minimum
        N at which SET and RESET end, 1e26 m^-3.
    length, radius
        Of the disc, m.
    """

    maximum: Array
    minimum: Array
    length: Array
    radius: Array


def velocity(voltages: Array, concentration: Array, devices: Filaments) -> Array:
    """Return the magnitude of dN/dt, 1e26 m^-3 / s; SET raises N, RESET lowers it.

    Parameters
    ----------
    voltages, concentration
        V, SET positive, and 1e26 m^-3.
    devices
        Of a shape that broadcasts with both.
    """
    N, up = concentration, voltages > 0
    V = np.clip(voltages, -RESET_EDGE, SET_EDGE)  # further out, N moves as it does there
    flowing = np.abs(current(V, N))
    left = np.abs(V) - flowing * (SERIES + LINE * (1 + LINE_HEATING * flowing**2))
    area = np.pi * devices.radius**2
    field = np.where(
        up, flowing / (VALENCE * ELEMENTARY_CHARGE * MOBILITY * 1e26 * area * N), left / CELL
    )
    resistance = HEATING * (RADIUS / devices.radius) ** 2 * np.where(up, 1.0, RESET_HEATING)
    # A barrier is gone at γ = 1; a cell that its own leads leave no voltage is not cooled by it.
    lowering = np.clip(VALENCE * HOP * field / (np.pi * BARRIER), 0.0, 1.0)
    thermal = BOLTZMANN_PER_CHARGE * (AMBIENT + flowing * np.maximum(left, 0.0) * resistance)
    mean = BARRIER * (np.sqrt(1 - lowering**2) + lowering * np.arcsin(lowering))
    difference = BARRIER * lowering * np.pi / 2
    hops = np.exp(-(mean - difference) / thermal) - np.exp(-(mean + difference) / thermal)
    ended = np.where(up, N / devices.maximum, devices.minimum / N) ** 10
    drift = (PLUG + N) / 2 * HOP * ATTEMPTS / devices.length * np.maximum(1 - ended, 0.0)
    speed: Array = drift * hops
    return speed


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """Tau at knots of N, for several devices.

    Parameters
    ----------
    knots
        ln N, ascending and equidistant, shape ``(KNOTS,)``.
    tau
        s, ascending along the last axis, shape ``(n_tables, KNOTS)``.
    rows
        Which table is each device's, shape ``(n,)``.
    """

    knots: Array
    tau: Array
    rows: Indices

    @classmethod
    def of(cls, knots: Array, voltages: Array, devices: Filaments, speed: float = 1.0) -> "Times":
        """Return the tables of devices held at voltages, one for each.

        Parameters
        ----------
        knots
            ln N.
        voltages
            V, shape ``(n, 1)``, or ``(n, KNOTS)`` where they depend on the state.
        devices
            Of shape ``(n, 1)`` or ``(1, 1)``.
        speed
            By which every velocity is multiplied.
        """
        N = np.exp(knots)[None, :]
        per_log = N / np.maximum(speed * velocity(voltages, N, devices), SLOWEST)
        bend = np.diff(np.gradient(per_log, axis=1, edge_order=2), axis=1) / 6
        means = (per_log[:, 1:] + per_log[:, :-1]) / 2
        # The trapezoid's error is known from the slopes at its ends; at a kink it is not.
        steps = np.where(bend < means, means - bend / 2, means) * np.diff(knots)
        tau = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)
        return cls(knots, tau, np.arange(len(tau)))

    def at(self, rows: Indices) -> "Times":
        """Return the tables of these devices, each any number of times."""
        return Times(self.knots, self.tau, self.rows[rows])

    def when(self, concentrations: Array) -> Array:
        """Return Tau, s, for one N per device."""
        step = self.knots[1] - self.knots[0]
        place = np.clip((np.log(concentrations) - self.knots[0]) / step, 0.0, KNOTS - 1.0)
        below = np.minimum(place.astype(np.intp), KNOTS - 2)
        first, second = self.tau[self.rows, below], self.tau[self.rows, below + 1]
        durations: Array = first + (place - below) * (second - first)
        return durations

    def where(self, times: Array) -> Array:
        """Return N at one Tau per device, s; at the ends of the table beyond them."""
        held = np.clip(times, 0.0, self.tau[self.rows, -1])
        below = np.zeros(len(held), dtype=np.intp)
        stride = 1 << (KNOTS - 2).bit_length()
        while stride := stride >> 1:
            further = np.minimum(below + stride, KNOTS - 2)
            below = np.where(self.tau[self.rows, further] <= held, further, below)
        first, second = self.tau[self.rows, below], self.tau[self.rows, below + 1]
        part = (held - first) / (second - first)
        step = self.knots[1] - self.knots[0]
        concentrations: Array = np.exp(self.knots[0] + (below + part) * step)
        return concentrations

    def after(self, concentrations: Array, widths: Array, signs: Array) -> Array:
        """Return N after pulses of these widths, s; positive signs are SET."""
        return self.where(self.when(concentrations) + signs * widths)

    def widths(self, concentrations: Array, targets: Array) -> Array:
        """Return the widths, s, that go from one N to another: the inverse of `after`."""
        durations: Array = np.abs(self.when(targets) - self.when(concentrations))
        return durations
