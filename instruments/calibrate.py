"""Offset and gain of every amplifier, measured against the reference resistors of the bench."""

from collections.abc import Mapping

import numpy as np

from crossbar.backend import Array, BenchError, InstrumentError
from instruments import check_parallel, check_switched
from instruments.settings import HardwareSettings, ReferenceTable

CREDIBLE = 0.2
"""A gain further from 1 than this is a fault, not a gain; assumed."""


def calibrate_parallel(probe: check_parallel.Probe, repeats: int) -> Mapping[str, list[float]]:
    """Return the table ``[calibration]`` of a bench in the parallel wiring.

    Parameters
    ----------
    probe
        On the open bench.
    repeats
        Looks that are averaged.

    Raises
    ------
    BenchError
        If the bench file has no reference.
    InstrumentError
        If a gain is not credible; `xbar bench check` says what is wrong then.
    """
    settings = probe.settings
    reference = _first(settings)
    found: dict[str, list[float]] = {}
    probe.zero()
    for low_gain, name in ((False, "high"), (True, "low")):
        offset = np.mean([probe.currents(low_gain=low_gain) for _ in range(repeats)], axis=0)
        voltage = check_parallel.reference_voltage(probe, reference, low_gain=low_gain)
        probe.word(reference.word, voltage)
        driven = np.mean([probe.currents(low_gain=low_gain) for _ in range(repeats)], axis=0)
        probe.word(reference.word, 0.0)
        found[f"offset_{name}"] = offset.tolist()
        found[f"gain_{name}"] = _gains(voltage / reference.resistance, driven - offset)
    return found


def calibrate_switched(probe: check_switched.Probe, repeats: int) -> Mapping[str, list[float]]:
    """Return the table ``[calibration]`` of a bench with one amplifier: every bit line has its own.

    Parameters
    ----------
    probe, repeats
        As for `calibrate_parallel`.

    Raises
    ------
    BenchError, InstrumentError
        As `calibrate_parallel`.
    """
    settings = probe.settings
    reference = _first(settings)
    bits = settings.array.bit_lines
    word, bit = reference.word, int(reference.bit or 0)
    found: dict[str, list[float]] = {}
    for low_gain, name in ((False, "high"), (True, "low")):
        feedback = settings.sense.feedback[int(low_gain)]
        quiet = [probe.look(word, bit, low_gain=low_gain)[1] for _ in range(repeats)]
        driven = [probe.current(word, bit, low_gain=low_gain) for _ in range(repeats)]
        expected = check_switched.PROBE / (reference.resistance + 2 * probe.wiring.r_on)
        (gain,) = _gains(expected, np.array([np.mean(driven)]))
        found[f"offset_{name}"] = [-float(np.mean(quiet)) / feedback] * bits
        found[f"gain_{name}"] = [gain] * bits
    return found


def _first(settings: HardwareSettings) -> ReferenceTable:
    if not settings.references:
        raise BenchError("a calibration takes a reference resistor: [[references]] is missing")
    return settings.references[0]


def _gains(expected: float, currents: Array) -> list[float]:
    """Return the factors that make the currents what they should be."""
    ratios = currents / expected
    if not np.all(np.abs(ratios - 1) <= CREDIBLE):
        worst = int(np.argmax(np.abs(ratios - 1)))
        raise InstrumentError(
            f"amplifier {worst} reads {ratios[worst]:.3g} times the reference's current; "
            "`xbar bench check` tells what is wrong"
        )
    return (1 / ratios).tolist()  # type: ignore[no-any-return]
