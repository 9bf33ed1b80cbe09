"""A quasi-static sweep of one cell under compliance."""

import numpy as np

from crossbar.backend import Ampere, Array, Second
from sim_backend.devices.device import Device
from sim_backend.devices.law import limited_voltage


def held(
    device: Device,
    cell: tuple[int, int],
    voltages: Array,
    compliance: Ampere,
    dwell: Second,
    begin: Second,
) -> tuple[Array, Array]:
    """Return the voltage at the cell, V, and its conductance, S, at the end of each dwell.

    The points follow each other without a gap, so nothing relaxes between points that switch the
    cell; each draws its own cycle-to-cycle factor.

    Parameters
    ----------
    device
        Whose cell is swept, and left in the last state.
    cell
        Word line and bit line.
    voltages
        Asked for, V, shape ``(n,)``.
    compliance
        Largest magnitude of the current, A.
    dwell
        Time at each point, s.
    begin
        Bench time of the first point, s.
    """
    at = np.array([cell[0]]), np.array([cell[1]])
    seen, conductances = np.empty(len(voltages)), np.empty(len(voltages))
    for k, voltage in enumerate(voltages.tolist()):
        device.hold(cell, voltage, compliance, dwell, begin + k * dwell)
        grown = device.conductance(begin + (k + 1) * dwell, at)
        conductances[k] = grown[0]
        seen[k] = limited_voltage(device.law, grown, voltage, compliance)[0]
    return seen, conductances
