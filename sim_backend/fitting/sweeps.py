"""A perovskite device from the I-V cycles of one real device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossbar.backend import Array, DataError, Second
from sim_backend.devices.perovskite import Perovskite
from sim_backend.fitting import cycles as of_cycles
from sim_backend.fitting.course import Drive, conducted, states_after
from sim_backend.fitting.features import Features, features
from sim_backend.fitting.result import Fit
from sim_backend.fitting.squares import Constant, Estimate, begin, estimate

MOST_CYCLES = 6
"""Cycles that the constants are fitted to, spread over all; the spreads are taken from all."""

FEWEST_POINTS = 20
"""Of a cycle: fewer show no hysteresis."""

WORTH = 0.7
"""Residuals that switching has to leave of those without it, for it to be worth the name."""

THRESHOLDS = ("set_threshold", "reset_threshold")

LARGEST_RMS = 1.5
"""Residuals, in units of ln, beyond which a device is not one of this model."""


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """One I-V cycle of a device.

    Parameters
    ----------
    voltage
        V, in the order measured, shape ``(n,)``.
    current
        A, same shape; NaN where the instrument overflowed.
    """

    voltage: Array
    current: Array


def fit_sweeps(cycles: Sequence[Cycle], dwell: Second | None = None) -> Fit:
    """Return the device that does what these cycles of one device show.

    Fitted, as far as the data tell: both ends of the conductance window, the law's nonlinearity,
    both thresholds and the voltage scale, how steps shrink toward the ends, the noise of a read and
    the spread from cycle to cycle. The rate is chosen as one per dwell, so that a threshold is the
    voltage at which this sweep switches: with an exponential rate, sweeps of one speed cannot
    tell a smaller rate from a smaller threshold.

    Parameters
    ----------
    cycles
        At least one, whose voltage goes up and comes back.
    dwell
        Time at each point, s; None if nobody recorded it, and 0.1 s is then assumed.

    Raises
    ------
    DataError
        If the cycles are too short, not finite, or of a device that does not switch as the model
        does: ohmic, capacitive, open or volatile.
    """
    kept = [_checked(cycle, k) for k, cycle in enumerate(cycles)]
    if not kept:
        raise DataError("there are no cycles to fit")
    if dwell is not None and not 0 < dwell < np.inf:
        raise DataError(f"a dwell of {dwell} s is not finite and above zero")
    seen = features(kept)
    step = 0.1 if dwell is None else dwell
    some = np.unique(np.linspace(0, len(kept) - 1, min(MOST_CYCLES, len(kept))).astype(int))
    mirrored = [_mirrored(cycle, seen.sign) for cycle in kept]
    few, fitting = (
        _Fitting(Perovskite(rate=1.0 / step), *_joined(chosen, seen, step), seen)
        for chosen in ([mirrored[0], mirrored[-1]], [mirrored[k] for k in some])
    )
    constants = fitting.constants()
    starts = begin(constants, few.residuals, np.random.default_rng(0))
    found = estimate(constants, fitting.residuals, starts=starts)
    baseline = _rms(_without_switching(fitting))
    _worth_it(_rms(found.residuals), baseline)
    spreads = of_cycles.spreads(
        fitting.device(found.values), [_joined([c], seen, step) for c in mirrored], seen.floor
    )
    return _fit(fitting, found, spreads, baseline, dwell)


@dataclass(frozen=True, slots=True, eq=False)
class _Fitting:
    """The points, and the devices that are tried on them."""

    template: Perovskite
    drive: Drive
    measured: Array
    seen: Features

    def device(self, values: Mapping[str, float]) -> Perovskite:
        known = {name: value for name, value in values.items() if name != "ratio"}
        on = values["conductance_off"] * (1.0 + values["ratio"])
        return replace(self.template, conductance_on=on, **known)

    def simulated(self, values: Mapping[str, float]) -> Array:
        device = self.device(values)
        start = of_cycles.start_of(device, self.drive, self.measured)
        states = states_after(device, self.drive, start)
        return conducted(device, states, self.drive.voltage)

    def residuals(self, values: Mapping[str, float]) -> Array:
        return self.difference(self.simulated(values))

    def difference(self, simulated: Array) -> Array:
        """Return how far simulated currents are from the measured, held ones left out."""
        s = self.seen.floor
        left: Array = np.arcsinh(simulated / s) - np.arcsinh(self.measured / s)
        return np.where(self.drive.limited, 0.0, left)

    def constants(self) -> dict[str, Constant]:
        t, s = self.template, self.seen
        ratio = max(s.on / s.off - 1.0, 0.05)
        r = s.reach
        free = {
            "conductance_off": Constant(
                s.off, s.off * 1e-3, s.off * 30, s.off, loosest=1.0, around=3.0
            ),
            "ratio": Constant(ratio, 1e-2, ratio * 1e4 + 100, ratio, loosest=1.0, around=3.0),
            "nonlinearity": Constant(
                s.nonlinearity, 1e-3 / r, 60 / r, 1e-6, loosest=1.0, around=3.0
            ),
            "set_threshold": Constant(
                s.set_voltage, 0.01 * r, 1.5 * r, t.set_threshold, loosest=0.3, around=1.5
            ),
            "reset_threshold": Constant(
                s.reset_voltage, 0.01 * r, 1.5 * r, t.reset_threshold, loosest=0.3, around=2.0
            ),
            "voltage_scale": Constant(
                max(0.03 * r, s.step), 0.2 * s.step, 0.4 * r, t.voltage_scale, around=5.0
            ),
            "set_exponent": Constant(t.set_exponent, 0.3, 8.0, t.set_exponent, around=2.0),
            "reset_exponent": Constant(t.reset_exponent, 0.3, 8.0, t.reset_exponent, around=2.0),
        }
        for polarity, threshold, exponent in (
            (s.positive, "set_threshold", "set_exponent"),
            (s.negative, "reset_threshold", "reset_exponent"),
        ):
            if not polarity:
                del free[threshold], free[exponent]
        return free


def _checked(cycle: Cycle, number: int) -> Cycle:
    V, current = np.asarray(cycle.voltage, float), np.asarray(cycle.current, float)
    if V.ndim != 1 or V.shape != current.shape:
        raise DataError(f"cycle {number}: shapes {V.shape} and {current.shape} are no curve")
    known = np.isfinite(V) & np.isfinite(current)
    if known.sum() < FEWEST_POINTS:
        raise DataError(
            f"cycle {number} has {int(known.sum())} points with a current; {FEWEST_POINTS} are "
            "the fewest that can be fitted"
        )
    return Cycle(V[known], current[known])


def _mirrored(cycle: Cycle, sign: int) -> Cycle:
    return cycle if sign > 0 else Cycle(-cycle.voltage, -cycle.current)


def _joined(cycles: Sequence[Cycle], seen: Features, dwell: Second) -> tuple[Drive, Array]:
    V = np.concatenate([cycle.voltage for cycle in cycles])
    current = np.concatenate([cycle.current for cycle in cycles])
    limited = np.abs(current) >= seen.compliance
    return Drive(V, current, limited, dwell), current


def _without_switching(fitting: _Fitting) -> Array:
    """Return the residuals of the best device that only conducts."""
    s, V = fitting.seen, fitting.drive.voltage

    def left(values: Mapping[str, float]) -> Array:
        b = values["nonlinearity"]
        return fitting.difference(values["conductance"] * np.sinh(b * V) / b)

    middle = float(np.sqrt(s.off * s.on))
    free = {
        "conductance": Constant(middle, middle * 1e-6, middle * 1e6, middle, loosest=1e9),
        "nonlinearity": Constant(
            s.nonlinearity, 1e-3 / s.reach, 60.0 / s.reach, s.nonlinearity, loosest=1e9
        ),
    }
    return estimate(free, left).residuals


def _worth_it(rms: float, baseline: float) -> None:
    if rms > WORTH * baseline:
        raise DataError(
            "a device that switches explains these cycles little better than one that does not: "
            f"residuals of {rms:.3g} beside {baseline:.3g}, in units of ln"
        )
    if rms > LARGEST_RMS:
        raise DataError(
            f"no device of this model does what these cycles show: residuals of {rms:.3g} in "
            f"units of ln, a factor of {np.exp(rms):.2g}"
        )


def _rms(residuals: Array) -> float:
    return float(np.sqrt(np.mean(residuals**2)))


def _fit(
    fitting: _Fitting,
    found: Estimate,
    spreads: of_cycles.Spreads,
    baseline: float,
    dwell: Second | None,
) -> Fit:
    medians = fitting.device(found.values)
    # Doses of a log-normal spread are larger in the mean than in the median, so that the fit to
    # the cycles' mean course sees thresholds lower than the median's.
    shift = medians.voltage_scale * spreads.values.get("cycle_sigma", 0.0) ** 2 / 2
    moved = {name: getattr(medians, name) + shift for name in THRESHOLDS if name in found.errors}
    device = replace(medians, **moved, **spreads.values)
    errors = {name: error for name, error in found.errors.items() if name != "ratio"} | dict(
        spreads.errors
    )
    for name in moved:
        errors[name] = float(np.hypot(errors[name], medians.voltage_scale * spreads.mean_error))
    if "ratio" in found.errors:
        off, ratio = found.values["conductance_off"], found.values["ratio"]
        own = found.errors.get("conductance_off", 0.0) * (1 + ratio)
        errors["conductance_on"] = float(np.hypot(own, off * found.errors["ratio"]))
    window = {"conductance_off": "conductance_off", "ratio": "conductance_on"}
    chosen = {
        told: "chosen: as seen at low voltage, on the way out and on the way back"
        for name, told in window.items()
        if name not in found.errors
    }
    chosen |= {"rate": "chosen: one per dwell, so that thresholds are those of this sweep"}
    notes = [*fitting.seen.notes, *spreads.notes]
    if dwell is None:
        notes.append("nobody recorded the dwell: 0.1 s at each point is assumed, and the rate too")
    for name in found.bounded:
        told = "conductance_on" if name == "ratio" else name
        chosen[told] = "came to the bound of what these data can tell"
    sign, simulated = fitting.seen.sign, fitting.simulated(found.values)
    return Fit(
        device=device,
        errors=errors,
        chosen=chosen,
        notes=tuple(notes),
        quantity="current",
        applied=sign * fitting.drive.voltage,
        measured=sign * fitting.measured,
        simulated=sign * np.where(fitting.drive.limited, fitting.measured, simulated),
        residuals=found.residuals[~fitting.drive.limited],
        baseline=baseline,
    )
