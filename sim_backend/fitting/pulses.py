"""A perovskite device from the conductance of one real device after each of many pulses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from crossbar.backend import Array, DataError, Indices, Second
from sim_backend.devices import kinetics
from sim_backend.devices.perovskite import Perovskite
from sim_backend.fitting.filtering import Followed, Mover, follow
from sim_backend.fitting.result import Fit
from sim_backend.fitting.squares import Constant, Estimate, estimate, improved

FEWEST = 20
"""Pulses: fewer leave nothing to tell steps from noise."""

WORTH = 0.7
"""Residuals that a device that moves has to leave of those of one that stays at its mean."""

WIDTH: Second = 1e-4  # assumed, where nobody recorded it

ROUNDS = 3
"""Of fitting the course with the noise as it is known, and the noise with the course."""

COURSE = 0.1
"""Part of the range from which on a miss of the course counts by its size only."""

LOST, BETTER = 0.05, 0.7
"""Where the median course misses by so much of the range, and fitting it alone by less than this
part of it, steps are not what the model takes them for."""

HUBER = 2.0
"""Standard deviations from which on a difference counts by its size and no longer by its square."""

TELLING = 4.0
"""Sum of squared standard deviations that a constant has to be worth: two deviations."""

STARTS = 201
"""States from which a run of one polarity may begin, of which the best is taken."""

NAMES = {1: "set", -1: "reset"}

LOOSEST = 0.5
"""Largest standard error of a spread that is told, as a fraction of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Pulses:
    """A table of pulses on one device.

    Parameters
    ----------
    conductance
        After each pulse, S, or in units of nobody's where `normalised`, shape ``(n,)``.
    polarity
        1 for SET, -1 for RESET, shape ``(n,)``.
    amplitude, width
        Magnitude in V and s, shape ``(n,)``; None if nobody recorded them.
    normalised
        True if the conductances are not in siemens.
    """

    conductance: Array
    polarity: Indices
    amplitude: Array | None = None
    width: Array | None = None
    normalised: bool = False


def fit_pulses(pulses: Pulses) -> Fit:
    """Return the device that a table of pulses shows.

    Fitted, as far as the data tell: both ends of the window, how steps shrink toward them, the
    dose of a pulse of each polarity, the noise of a read and the spread from pulse to pulse; with
    several amplitudes of one polarity the voltage scale too. The amplitude is chosen as the
    threshold of SET: the rate is then what the pulses had, and the threshold of RESET says how its
    pulses differed.

    Raises
    ------
    DataError
        If the table is too short, not finite, has no polarities, or shows a device that pulses do
        not move.
    """
    table = _Table.of(_checked(pulses))
    (found, noise), notes = _alternated(table), table.notes()
    baseline = float(np.std(table.measured) / np.ptp(table.measured))
    rms = table.rms(found.values)
    if rms > WORTH * baseline or rms > LOST:
        course = estimate(table.constants(), table.missed, COURSE, starts=[found.values])
        if table.rms(course.values) < BETTER * rms:
            found, noise = course, _noise(table, course.values, noise)
            rms = table.rms(found.values)
            notes.append("the course was fitted as a whole: its noise is not that of the model")
    if rms > WORTH * baseline:
        raise DataError(
            "a device that pulses move explains this table hardly better than one at rest: "
            f"residuals of {rms:.3g} beside {baseline:.3g} of the range"
        )
    spreads, unknown = _spreads(table, found.values, noise)
    chosen = table.chosen(found.bounded)
    errors = {**table.errors(found), **{name: error for name, (_, error) in spreads.items()}}
    default = table.template.cycle_sigma, 0.0
    device = table.device(found.values, spreads.get("cycle_sigma", default)[0])
    return Fit(
        device=replace(device, **{name: value for name, (value, _) in spreads.items()}),
        errors={name: error for name, error in errors.items() if name not in chosen},
        chosen=chosen,
        notes=(*notes, *unknown),
        quantity="conductance",
        applied=table.signed,
        measured=table.measured,
        simulated=table.simulated(found.values),
        residuals=table.missed(found.values),
        baseline=baseline,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Pulses in siemens, and the constants that may be tried on them."""

    template: Perovskite
    measured: Array
    polarity: Indices
    signed: Array
    width: Array
    recorded: Mapping[str, bool]
    normalised: bool

    @classmethod
    def of(cls, pulses: Pulses) -> "_Table":
        t, G = Perovskite(), pulses.conductance
        if pulses.normalised:
            share = 0.05 + 0.9 * (G - G.min()) / np.ptp(G)
            G = t.conductance_off + share * (t.conductance_on - t.conductance_off)
        usual = np.where(pulses.polarity > 0, t.set_threshold, t.reset_threshold)
        amplitude = usual if pulses.amplitude is None else np.abs(pulses.amplitude)
        width = np.full(len(G), WIDTH) if pulses.width is None else pulses.width
        recorded = {"amplitude": pulses.amplitude is not None, "width": pulses.width is not None}
        signed = np.asarray(pulses.polarity * amplitude, dtype=np.float64)
        return cls(t, G, pulses.polarity, signed, width, recorded, pulses.normalised)

    @property
    def signs(self) -> list[int]:
        return sorted({int(sign) for sign in self.polarity}, reverse=True)

    @property
    def several(self) -> bool:
        """True if a polarity has pulses of different amplitudes, which tell the voltage scale."""
        return any(np.ptp(self.signed[self.polarity == sign]) > 1e-6 for sign in self.signs)

    def constants(self) -> dict[str, Constant]:
        t, (low, high) = self.template, np.percentile(self.measured, [1, 99]).tolist()
        span = high - low
        first = max(low - 0.05 * span, 0.3 * low)
        free = {
            "low": Constant(
                first, 1e-2 * low, low + 0.3 * span, first, logarithmic=False, unit=0.3 * span
            ),
            "span": Constant(1.1 * span, 0.5 * span, 5 * span, 1.1 * span),
        }
        runs = np.sum(np.diff(self.polarity) != 0) + 1
        for sign in self.signs:
            name, count = NAMES[sign], max(np.sum(self.polarity == sign) / runs, 1.0)
            default = getattr(t, f"{name}_exponent")
            free[f"{name}_dose"] = Constant(2.0 / count, 1e-6, 1e3, 2.0 / count, loosest=1.0)
            free[f"{name}_exponent"] = Constant(default, 0.3, 8.0, default)
        if self.several:
            reach = float(np.abs(self.signed).max())
            free["voltage_scale"] = Constant(0.1 * reach, 1e-3 * reach, reach, t.voltage_scale)
        return free

    def mover(self, values: Mapping[str, float]) -> Mover:
        t = self.template
        up = values.get("set_exponent", t.set_exponent)
        return Mover(
            values["low"], values["span"], up, values.get("reset_exponent", t.reset_exponent)
        )

    def doses(self, values: Mapping[str, float]) -> Array:
        """Return the signed dose of each pulse."""
        scale = values.get("voltage_scale", self.template.voltage_scale)
        found = np.zeros(len(self.signed))
        for sign in self.signs:
            mine = self.polarity == sign
            amplitude, width = self.usual(sign)
            part = kinetics.sinh_ratio(self.signed[mine], amplitude, scale)
            found[mine] = sign * values[f"{NAMES[sign]}_dose"] * part * self.width[mine] / width
        return found

    def followed(
        self,
        values: Mapping[str, float],
        noise: tuple[float, float],
        gains: Array | None = None,
    ) -> Followed:
        """Return what the filter finds; where the zero of G is unknown all reads are as noisy."""
        level = float(self.measured.mean()) if self.normalised else None
        doses = self.doses(values)
        return follow(self.mover(values), self.measured, doses, noise, gains, level)

    def usual(self, sign: int) -> tuple[float, float]:
        """Return the median amplitude, V, and width, s, of a polarity."""
        mine = self.polarity == sign
        return float(np.median(np.abs(self.signed[mine]))), float(np.median(self.width[mine]))

    def simulated(self, values: Mapping[str, float]) -> Array:
        """Return the median course, S, begun anew, as suits it best, where the polarity changes."""
        mover, doses = self.mover(values), self.doses(values)
        states = (self.measured - mover.low) / mover.span
        begins = np.flatnonzero(np.concatenate([[True], np.diff(self.polarity) != 0]))
        course = np.empty(len(doses))
        for begin, end in zip(begins, [*begins[1:], len(doses)], strict=True):
            # Doses add up: the state after k pulses is that after one of their sum.
            total = np.concatenate([[0.0], np.cumsum(doses[begin + 1 : end])])
            starts = np.repeat(np.linspace(0.0, 1.0, STARTS)[:, None], len(total), axis=1)
            doses_of = np.broadcast_to(total, starts.shape)
            courses = kinetics.moved(starts, doses_of, mover.up, mover.down)
            misses = np.abs(courses - states[begin:end]).sum(axis=1)
            course[begin:end] = courses[np.argmin(misses)]
        conductances: Array = mover.low + mover.span * course
        return conductances

    def missed(self, values: Mapping[str, float]) -> Array:
        """Return how far the median course is from what was measured, as parts of the range."""
        left: Array = (self.simulated(values) - self.measured) / np.ptp(self.measured)
        return left

    def rms(self, values: Mapping[str, float]) -> float:
        """Return the root mean square of that."""
        return float(np.sqrt(np.mean(self.missed(values) ** 2)))

    def device(self, values: Mapping[str, float], cycle_sigma: float) -> Perovskite:
        """Return the model's device; of doses that spread it has the median, not the mean."""
        t, first = self.template, self.signs[0]
        scale = values.get("voltage_scale", t.voltage_scale)
        known = {name: value for name, value in values.items() if name.endswith("exponent")}
        amplitude, width = self.usual(first)
        rate = values[f"{NAMES[first]}_dose"] / width
        known[f"{NAMES[first]}_threshold"] = amplitude
        for sign in self.signs[1:]:
            amplitude, width = self.usual(sign)
            faster = values[f"{NAMES[sign]}_dose"] / width / rate
            known[f"{NAMES[sign]}_threshold"] = _threshold(amplitude, faster, scale)
        return replace(
            t,
            conductance_off=values["low"],
            conductance_on=values["low"] + values["span"],
            voltage_scale=scale,
            rate=rate * float(np.exp(-(cycle_sigma**2) / 2)),
            **known,
        )

    def errors(self, found: Estimate) -> dict[str, float]:
        """Return standard errors by the model's names."""
        values, errors = found.values, found.errors
        scale = values.get("voltage_scale", self.template.voltage_scale)
        told = {n: e for n, e in errors.items() if n.endswith("exponent") or n == "voltage_scale"}
        if "low" in errors:
            told["conductance_off"] = errors["low"]
        if "span" in errors:
            told["conductance_on"] = float(np.hypot(errors.get("low", 0.0), errors["span"]))
        relative = [
            errors[name] / values[name]
            for name in (f"{NAMES[sign]}_dose" for sign in self.signs)
            if name in errors
        ]
        if len(relative) == len(self.signs):
            told["rate"] = relative[0] * self.device(values, 0.0).rate
            for sign in self.signs[1:]:
                told[f"{NAMES[sign]}_threshold"] = scale * float(np.hypot(relative[0], relative[1]))
        return told

    def chosen(self, bounded: tuple[str, ...]) -> dict[str, str]:
        """Return what was given a value, and why."""
        told = {"span": "conductance_on", "low": "conductance_off"}
        doses = [*("rate",), *(f"{NAMES[sign]}_threshold" for sign in self.signs[1:])]
        told |= {f"{NAMES[s]}_dose": name for s, name in zip(self.signs, doses, strict=True)}
        found = {told.get(n, n): "came to the bound of what these data can tell" for n in bounded}
        if self.normalised:
            reason = "chosen: the table is in no unit, and was stretched over the default window"
            found["conductance_off"] = found["conductance_on"] = reason
        missing = " nor ".join(name for name, known in self.recorded.items() if not known)
        if not self.recorded["width"]:
            found["rate"] = f"chosen for pulses of {WIDTH:g} s: nobody recorded {missing}"
        found[f"{NAMES[self.signs[0]]}_threshold"] = (
            "chosen: the amplitude; its rate and its threshold cannot be told apart"
            if self.recorded["amplitude"]
            else "chosen: taken for the amplitude, which nobody recorded"
        )
        return found

    def notes(self) -> list[str]:
        notes = []
        if len(self.signs) == 1:
            notes.append("one polarity only: the constants of the other are assumed")
        if not self.several:
            notes.append("one amplitude of each polarity: the voltage scale is assumed")
        return notes


def _alternated(table: _Table) -> tuple[Estimate, tuple[float, float]]:
    """Return the constants, and the noise of reads and of doses, each fitted with the other."""
    free, noise = table.constants(), (0.01, 0.3)
    values: Mapping[str, float] = {name: constant.start for name, constant in free.items()}
    values = improved(free, table.missed, values, COURSE)
    for _ in range(ROUNDS):
        noise = _noise(table, values, noise)
        values = improved(free, _standard(table, values, noise), values, HUBER)
    noise = _noise(table, values, noise)
    left, worth = _standard(table, values, noise), TELLING / len(table.measured)
    found = estimate(free, left, HUBER, starts=[values], worse=worth)
    return found, _noise(table, found.values, noise)


def _standard(
    table: _Table, values: Mapping[str, float], noise: tuple[float, float]
) -> Callable[[Mapping[str, float]], Array]:
    """Return what gives differences from the expected in standard deviations.

    The filter's gains and the variances are those at `values`: variances that went along with the
    constants would be fitted too, and grow.
    """
    known = table.followed(values, noise)
    scale = np.sqrt(known.variance)

    def left(tried: Mapping[str, float]) -> Array:
        standard: Array = table.followed(tried, noise, known.gain).difference / scale
        return standard

    return left


def _unlikelihood(table: _Table, values: Mapping[str, float], logs: Array) -> float:
    """Return minus the ln of the likelihood of the table, of ln of the noises."""
    noise = float(np.exp(logs[0])), float(np.exp(logs[1]))
    found = table.followed(values, noise)
    standard = np.minimum(found.difference**2 / found.variance, (2 * HUBER) ** 2)
    return float(np.sum(standard + np.log(found.variance)) / 2)


def _noise(
    table: _Table, values: Mapping[str, float], start: tuple[float, float]
) -> tuple[float, float]:
    def cost(logs: Array) -> float:
        return _unlikelihood(table, values, logs)

    bounds = [(-11.5, 0.0), (-7.0, 3.0)]  # 1e-5 to 1 of G, 1e-3 to 20 of a dose
    options: Any = {"xatol": 1e-2, "fatol": 1e-2, "maxfev": 120}
    began = np.clip(np.log(start), (-11.0, -6.9), (-0.1, 2.9))
    best = minimize(cost, began, method="Nelder-Mead", bounds=bounds, options=options)
    read, cycle = np.exp(best.x).tolist()
    return read, cycle


def _spreads(
    table: _Table, values: Mapping[str, float], noise: tuple[float, float]
) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Return the spreads that the data tell with their standard errors, and what they do not."""
    at, h = np.log(noise), 0.05
    steps = np.eye(2) * h

    def cost(shift: Array) -> float:
        return _unlikelihood(table, values, at + shift)

    bend = np.array(
        [[cost(a + b) - cost(a - b) - cost(b - a) + cost(-a - b) for b in steps] for a in steps]
    ) / (4 * h**2)
    found: dict[str, tuple[float, float]] = {}
    unknown = []
    with np.errstate(invalid="ignore", divide="ignore"):
        doubt = np.sqrt(np.diag(np.linalg.pinv(bend)))
    for name, value, error in zip(("read_sigma", "cycle_sigma"), noise, doubt, strict=True):
        if 0 < error < LOOSEST:
            found[name] = value, float(value * error)
        else:
            unknown.append(f"{name} cannot be told from the rest of the noise")
    if "cycle_sigma" in found:  # a log-normal factor of this relative spread
        value, error = found["cycle_sigma"]
        sigma = float(np.sqrt(np.log1p(value**2)))
        found["cycle_sigma"] = sigma, error * sigma / value
    return found, unknown


def _threshold(amplitude: float, faster: float, scale: float) -> float:
    """Return the threshold of a cell that this amplitude moves so much faster than its rate."""
    if amplitude / scale > 30:  # where sinh is an exponential
        return max(amplitude - scale * float(np.log(faster)), 1e-3 * amplitude)
    return scale * float(np.arcsinh(np.sinh(amplitude / scale) / faster))


def _checked(pulses: Pulses) -> Pulses:
    G, polarity = np.asarray(pulses.conductance, float), np.asarray(pulses.polarity)
    optional = {"amplitude": pulses.amplitude, "width": pulses.width}
    columns = {name: np.asarray(c, float) for name, c in optional.items() if c is not None}
    for name, column in {"polarity": polarity, **columns}.items():
        if column.shape != G.shape or G.ndim != 1:
            raise DataError(f"{name} of shape {column.shape} does not fit conductances {G.shape}")
    known = np.isfinite(G) & np.isin(polarity, (1, -1))
    for column in columns.values():
        known &= np.isfinite(column) & (column != 0)
    if known.sum() < FEWEST:
        raise DataError(
            f"{int(known.sum())} pulses have a conductance and a polarity; {FEWEST} are the fewest "
            "that can be fitted"
        )
    if np.ptp(G[known]) == 0:
        raise DataError("the conductance never moves")
    if not pulses.normalised and G[known].min() <= 0:
        raise DataError(
            f"a conductance of {G[known].min():.3g} S is not above zero; a table in no unit has to "
            "be called normalised"
        )
    given = {name: column[known] for name, column in columns.items()}
    return Pulses(
        G[known],
        polarity[known].astype(np.intp),
        given.get("amplitude"),
        given.get("width"),
        pulses.normalised,
    )
