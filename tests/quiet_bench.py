"""Perovskite physics without chance, and benches and cells built from it."""

import numpy as np

from crossbar.backend import Array, Indices
from sim_backend import Perovskite, SimulatedBackend, SimulationSettings
from sim_backend.devices.perovskite_cells import PerovskiteCells

EXACT = SimulationSettings.ideal(3, 5)
"""Ideal wires and converters."""

QUIET = Perovskite(
    conductance_off=5e-6,
    conductance_off_sigma=0.0,
    conductance_on_sigma=0.0,
    threshold_sigma=0.0,
    rate_sigma=0.0,
    cycle_sigma=0.0,
    read_sigma=0.0,
    relax_mean=0.0,
    relax_sigma=0.0,
    retention_exponent=0.0,
    retention_sigma=0.0,
    stuck_off=0.0,
    stuck_on=0.0,
    fresh_state=0.0,
)
"""No spreads, noise, relaxation or drift: what is left is the law of switching itself."""


def conductances(shape: tuple[int, int], seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(1e-5, 9e-5, shape)


def placed(settings: SimulationSettings, seed: int = 0) -> SimulatedBackend:
    backend = SimulatedBackend(settings)
    backend.set_conductances(conductances(backend.shape, seed))
    return backend


def built(model: Perovskite, shape: tuple[int, int], seed: int = 0) -> PerovskiteCells:
    return model.build(shape, np.random.default_rng(seed))


def every(shape: tuple[int, int]) -> tuple[Indices, Indices]:
    word, bit = np.indices(shape)
    return word.ravel(), bit.ravel()


def pulsed(cells: PerovskiteCells, shape: tuple[int, int], voltage: float, width: float) -> Array:
    n = shape[0] * shape[1]
    cells.pulse(every(shape), np.full(n, voltage), np.full(n, width), np.zeros(n))
    return cells.conductance(width)


def state(conductances: Array, model: Perovskite = QUIET) -> Array:
    return (conductances - model.conductance_off) / (model.conductance_on - model.conductance_off)
