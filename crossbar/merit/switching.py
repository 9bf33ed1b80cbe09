"""Where a device switches, how far, and how straight its current is: cycle by cycle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from crossbar.backend import Array, DataError, Volt
from crossbar.curves.measured import Curve
from crossbar.merit.alignment import limited
from crossbar.merit.cycles import RETURNS
from crossbar.merit.loops import OUTWARD, Lobe, currents_at, lobes

OPEN = 0.05
"""Mean logarithm of back over out below which a lobe is closed, and nothing has switched."""
SURE = 4.0
"""Standard errors by which it has to be more than the lobe's own noise."""
FALL = 0.05
"""Logarithm by which a current has to fall, at rising voltage, for a RESET to have a voltage."""
READ_PART = 0.1
"""Part of the largest voltage at which is read where nobody said at what."""


@dataclass(frozen=True, slots=True, eq=False)
class Switching:
    """Switching of each cycle; all arrays of shape ``(c,)``, NaN where there is no such number.

    Parameters
    ----------
    v_set, v_reset
        V, with the sign at which it happens.
    on_off
        Conductance of the more over that of the less conducting branch at the read voltage.
    nonlinearity
        I(V) / (2 I(V/2)) of the more conducting branch at the read voltage V; 1 for a resistor.
    read_voltage
        V.
    """

    v_set: Array
    v_reset: Array
    on_off: Array
    nonlinearity: Array
    read_voltage: Volt


def halfway(lobe: Lobe) -> Volt:
    """Return where half of the loop, on a logarithmic scale, has closed on the way out: V_set.

    The way back shows what the device becomes; comparing with it takes the curvature of a current
    that never switches out. Where conductance jumps, this is the jump.
    """
    opening = lobe.opening
    widest = int(np.argmax(opening))
    closed = np.flatnonzero(opening[widest:] < opening[widest] / 2)
    return float(lobe.voltage[widest + closed[0]]) if closed.size else float("nan")


def current_maximum(lobe: Lobe) -> Volt:
    """Return where the current begins its largest fall at rising voltage: V_reset.

    NaN where it never falls: a RESET that goes on to the end has no voltage.
    """
    current = np.log(lobe.out)
    fall = current - np.minimum.accumulate(current[::-1])[::-1]
    begin = int(np.argmax(fall))
    return float(lobe.voltage[begin]) if fall[begin] > FALL else float("nan")


def steepest_rise(lobe: Lobe) -> Volt:
    """Return the voltage after the steepest step of ln I against ln V, upwards."""
    return float(lobe.voltage[1:][np.argmax(_slopes(lobe))])


def steepest_fall(lobe: Lobe) -> Volt:
    """Return the voltage after the steepest step of ln I against ln V, downwards."""
    return float(lobe.voltage[1:][np.argmin(_slopes(lobe))])


SWITCHES: Mapping[str, tuple[Callable[[Lobe], Volt], Callable[[Lobe], Volt]]] = MappingProxyType(
    {"loop": (halfway, current_maximum), "steepest": (steepest_rise, steepest_fall)}
)
"""How V_set and V_reset are found. Steps of one point are what noise looks like too, and a gradual
device has no steepest one: ``steepest`` suits abrupt devices only."""


def switching(curve: Curve, *, read_voltage: Volt | None = None, method: str = "loop") -> Switching:
    """Return switching voltages, on/off ratio and nonlinearity of every cycle.

    A cycle sets at the sign of voltage at which its conductance is higher on the way back than on
    the way out, and resets at the one at which it is lower; either may be positive, or both. Where
    neither is more than noise, nothing has switched.

    Parameters
    ----------
    curve
        Divided into cycles.
    read_voltage
        V; None reads at a tenth of the largest positive voltage, or negative if there is none.
    method
        Key of `SWITCHES`.

    Raises
    ------
    DataError
        If the method is unknown, or the read voltage is 0 or not finite.
    """
    if method not in SWITCHES:
        raise DataError(
            f"there is no method {method!r} for V_set; there are: {', '.join(SWITCHES)}"
        )
    if read_voltage is None:
        highest = float(curve.voltage.max())
        read_voltage = READ_PART * (highest if highest > 0 else float(curve.voltage.min()))
    if not 0 < abs(read_voltage) < np.inf:
        raise DataError(f"a read voltage of {read_voltage} V reads nothing")
    of_set, of_reset = SWITCHES[method]
    v_set, v_reset = np.full(curve.cycles, np.nan), np.full(curve.cycles, np.nan)
    gains = {1: np.zeros(curve.cycles), -1: np.zeros(curve.cycles)}
    # The wider lobe comes last and overwrites the other where both do the same.
    found = sorted(((_gain(lobe), lobe) for lobe in lobes(curve)), key=lambda pair: abs(pair[0]))
    for gain, lobe in found:
        gains[lobe.sign][lobe.cycle] = gain
        if gain > 0:
            v_set[lobe.cycle] = lobe.sign * of_set(lobe)
        elif gain < 0:
            v_reset[lobe.cycle] = lobe.sign * of_reset(lobe)
    return Switching(v_set, v_reset, *_reading(curve, read_voltage), read_voltage)


def _gain(lobe: Lobe) -> float:
    """Return the mean opening of a lobe, 0 where it is closed or within noise."""
    opening = lobe.opening
    mean = float(opening.mean())
    steps = np.diff(opening)
    noise = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / np.sqrt(2)
    error = noise / np.sqrt(len(opening))
    return mean if abs(mean) > max(OPEN, SURE * error) else 0.0


def _reading(curve: Curve, read_voltage: Volt) -> tuple[Array, Array]:
    """Return on/off ratio and nonlinearity of every cycle."""
    usable = np.isfinite(curve.current) & ~limited(curve)
    out = OUTWARD[0] if read_voltage > 0 else OUTWARD[1]
    ways = (out, RETURNS[out])
    full = np.abs([currents_at(curve, read_voltage, way, usable) for way in ways])
    half = np.abs([currents_at(curve, read_voltage / 2, way, usable) for way in ways])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.maximum(full[0], full[1]) / np.minimum(full[0], full[1])
        straight = np.where(full[0] > full[1], full[0] / half[0], full[1] / half[1]) / 2
    return np.where(np.isfinite(ratio), ratio, np.nan), np.where(
        np.isfinite(straight), straight, np.nan
    )


def _slopes(lobe: Lobe) -> Array:
    """Return d ln I / d ln V between neighbours; a dwell counts as a part of a step."""
    step = np.diff(np.log(lobe.voltage))
    usual = float(np.median(np.abs(step))) or 1.0
    return np.asarray(np.diff(np.log(lobe.out)) / np.maximum(step, 0.3 * usual))
