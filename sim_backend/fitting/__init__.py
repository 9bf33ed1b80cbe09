"""The simulated perovskite device from measurements of a real one.

It takes plain arrays: `fit_sweeps` a device's I-V cycles, `fit_pulses` its conductance after each
of many pulses, `pool` the fits of several devices; `stuck_cells` tells devices that do not move.
"""

from sim_backend.fitting.pooled import pool
from sim_backend.fitting.pulse_table import Pulses
from sim_backend.fitting.pulses import fit_pulses
from sim_backend.fitting.result import Fit
from sim_backend.fitting.stuck import StuckCells, stuck_cells
from sim_backend.fitting.sweeps import Cycle, fit_sweeps

__all__ = [
    "Cycle",
    "Fit",
    "Pulses",
    "StuckCells",
    "fit_pulses",
    "fit_sweeps",
    "pool",
    "stuck_cells",
]
