"""A table of pulses on one device, and the constants of the perovskite device tried on it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from crossbar.backend import Array, DataError, Indices, Second
from sim_backend.devices import kinetics
from sim_backend.devices.perovskite import Perovskite
from sim_backend.fitting.filtering import Followed, Mover, follow
from sim_backend.fitting.squares import Constant, Estimate

FEWEST = 20
"""Pulses: fewer leave nothing to tell steps from noise."""

WIDTH: Second = 1e-4  # assumed, where nobody recorded it

STARTS = 201
"""States from which a run of one polarity may begin, of which the best is taken."""

NAMES = {1: "set", -1: "reset"}


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


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Pulses in siemens, and the constants that may be tried on them."""

    template: Perovskite
    measured: Array
    polarity: Indices
    signed: Array
    width: Array
    recorded: Mapping[str, bool]
    normalised: bool

    @classmethod
    def of(cls, pulses: Pulses) -> "Table":
        """Return a checked table in siemens; without a unit it is stretched over the window."""
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
        """Polarities that occur, SET first."""
        return sorted({int(sign) for sign in self.polarity}, reverse=True)

    @property
    def several(self) -> bool:
        """True if a polarity has pulses of different amplitudes, which tell the voltage scale."""
        return any(np.ptp(self.signed[self.polarity == sign]) > 1e-6 for sign in self.signs)

    def constants(self) -> dict[str, Constant]:
        """Return what may be fitted."""
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
        """Return the window and the laws."""
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
        """Return what the table cannot tell, in words."""
        notes = []
        if len(self.signs) == 1:
            notes.append("one polarity only: the constants of the other are assumed")
        if not self.several:
            notes.append("one amplitude of each polarity: the voltage scale is assumed")
        return notes


def _threshold(amplitude: float, faster: float, scale: float) -> float:
    """Return the threshold of a cell that this amplitude moves so much faster than its rate."""
    if amplitude / scale > 30:  # where sinh is an exponential
        return max(amplitude - scale * float(np.log(faster)), 1e-3 * amplitude)
    return scale * float(np.arcsinh(np.sinh(amplitude / scale) / faster))


def checked(pulses: Pulses) -> Pulses:
    """Return the pulses that have all their numbers, or raise `DataError` if they are no table."""
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
