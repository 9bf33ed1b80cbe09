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
) -> tuple[Array, Array, Array]:
    """Return voltage at the cell, V, its f, V, and its conductance, S, at the end of each dwell.

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
    seen, effective, conductances = (np.empty(len(voltages)) for _ in range(3))
    for k, voltage in enumerate(voltages.tolist()):
        device.hold(cell, voltage, compliance, dwell, begin + k * dwell)
        grown = device.conductance(begin + (k + 1) * dwell, at)
        law = device.law.at(at)
        conductances[k] = grown[0]
        seen[k] = limited_voltage(law, grown, voltage, compliance)[0]
        if not law.shared:  # it changes with the state, from point to point
            effective[k] = law.effective(seen[k : k + 1])[0]
    if device.law.shared:
        effective = device.law.effective(seen)
    return seen, effective, conductances
