"""Device models beside the check values of their papers, and what 10^4 pulses of each take.

``python benchmarks/bench_devices.py [--json]``. Check values are those that the papers' formulas
give when they are computed on their own; the target says which.
"""

from collections.abc import Iterator
from time import perf_counter

import numpy as np
from rows import Row, arguments, show

from crossbar.backend import Array
from sim_backend.devices import DEVICES
from sim_backend.devices.d2d_lognormal import D2DLognormal
from sim_backend.devices.device import DeviceModel
from sim_backend.devices.jart import Jart, knots_of
from sim_backend.devices.jart_current import conductance
from sim_backend.devices.jart_motion import Times
from sim_backend.devices.poole_frenkel import REGIMES, PooleFrenkel
from sim_backend.devices.poole_frenkel_law import READ
from sim_backend.devices.stuck import Stuck

SEED, CELLS, REPEATS = 0, 1_000_000, 5
SHAPE, CALLS = (10, 10), 100

RESISTANCES = {("high", 1.905e6): 2.038e6, ("low", 289.9): 289.6}
"""ohm: resistance that is asked for, and the one at 0.1 V that the regressions then give."""
NONLINEARITIES = {"high": (1.91, 2.00), "low": (1.06, 1.11)}
SWITCHES = {0.342: (1e-3, 1e-2), -0.7065: (1e-3, 1e-2), 0.45: (1e-6, 1e-5), -0.9: (1e-5, 1e-4)}
"""s: a full switch of the JART device at these voltages lies between."""
AMPLITUDES = {"poole-frenkel": (2.2, -1.7), "jart-v1b": (0.342, -0.7065)}
VARIANTS = {"jart-v1b, cycles vary": Jart(device_sigma=0.05, cycle_sigma=0.02)}


def rows() -> Iterator[Row]:
    """Yield every check value, then the times."""
    yield from poole_frenkel()
    yield from stuck()
    yield from lognormal()
    yield from jart()
    for name, model in [*((name, DEVICES[name]()) for name in DEVICES), *VARIANTS.items()]:
        amplitudes = AMPLITUDES.get(model.name, (3.0, -2.2))
        times = 1e3 * np.array([seconds(model, amplitudes) for _ in range(REPEATS)])
        spread = float(times.max() - times.min())
        yield Row(f"{name}: 10^4 pulses (median, range)", float(np.median(times)), spread, "ms")


def within(name: str, value: float, low: float, high: float, unit: str) -> Row:
    """Return a figure that has to lie between two."""
    return Row(name, value, None, unit, f"{low:.4g} to {high:.4g}", low <= value <= high)


def near(name: str, value: float, expected: float, part: float, unit: str) -> Row:
    """Return a figure that has to be another within a part of it."""
    holds = abs(value - expected) <= part * expected
    return Row(name, value, None, unit, f"{expected:.4g} ± {100 * part:g} %", holds)


def poole_frenkel() -> Iterator[Row]:
    """Yield resistances at 0.1 V and nonlinearities of devices without residuals."""
    none = np.zeros(2)

    def current(regime: str, resistances: Array, voltage: float) -> Array:
        model = PooleFrenkel(regime, current_residual=0.0, permittivity_residual=0.0)
        c, k = model.emission(resistances, none[: len(resistances)], none[: len(resistances)])
        carried: Array = c * voltage * np.exp(k * np.sqrt(voltage))
        return carried

    for (regime, asked), expected in RESISTANCES.items():
        found = READ / current(regime, np.array([asked]), READ)[0]
        yield near(f"poole-frenkel {regime}: R(0.1 V) at {asked:g}", found, expected, 5e-4, "ohm")
    for regime, (low, high) in NONLINEARITIES.items():
        G = np.array([REGIMES[regime].conductance_off, REGIMES[regime].conductance_on])
        found = current(regime, 1 / G, 0.5) / (0.5 * G)
        for value, end in ((found.max(), "largest"), (found.min(), "smallest")):
            edges = low - 0.01, high + 0.01
            yield within(f"poole-frenkel {regime}: {end} I(.5)/(.5 G)", float(value), *edges, "")


def stuck() -> Iterator[Row]:
    """Yield the share of stuck cells and the second moment of their distribution."""
    values = (1e-5, 2e-5, 9e-5)
    cells = Stuck(of="ideal", probability=0.05, conductance=3e-5)
    made = cells.build((1000, 1000), np.random.default_rng(SEED))
    share = float((made.conductance(0.0) == 3e-5).mean())
    yield near("stuck: share of a million cells", share, 0.05, 0.02, "")
    drawn = Stuck(values=values, probability=1.0).draw(CELLS, np.random.default_rng(SEED))
    width = np.std(values, ddof=1) * 3 ** (-1 / 5)
    expected = float(np.sqrt(np.mean(np.square(values)) + width**2))
    found = float(np.sqrt(np.mean(drawn**2)))
    yield near("stuck: rms of a kernel density", 1e6 * found, 1e6 * expected, 0.01, "µS")


def lognormal() -> Iterator[Row]:
    """Yield mean and spread of resistances at both ends of the window."""
    draws = np.random.default_rng(SEED).standard_normal(CELLS)
    for sigma_on, sigma_off in ((0.25, 0.25), (0.05, 0.5), (0.5, 0.5)):
        model = D2DLognormal(sigma_on=sigma_on, sigma_off=sigma_off, window_off=2e-5)
        for G, sigma in ((1e-4, sigma_on), (2e-5, sigma_off)):
            R = 1 / model.disturbed(np.full(CELLS, G), draws)
            name = f"d2d-lognormal ({sigma_on:g}, {sigma_off:g}) at {1e6 * G:g} µS"
            yield near(f"{name}: mean R'/R", float(R.mean() * G), 1.0, 0.005, "")
            yield near(f"{name}: sigma", float(np.log(R).std()), sigma, 0.005, "")


def jart() -> Iterator[Row]:
    """Yield the range of conductance, and how long full switches take."""
    model = Jart()
    ends = conductance(np.array([model.concentration_low, model.concentration_high]))
    for found, expected in zip(1e6 * ends, (94.5, 559.3), strict=True):
        yield near("jart-v1b: end of the range", float(found), expected, 5e-4, "µS")
    for voltage, (low, high) in SWITCHES.items():
        table = Times.of(knots_of(model), np.array([[voltage]]), model.nominal())
        edges = 1e6 * low, 1e6 * high
        full = 1e6 * float(table.tau[0, -1])
        yield within(f"jart-v1b: full switch at {voltage:+g} V", full, *edges, "µs")
    before, after = np.random.default_rng(SEED).uniform(9.6e-5, 5.58e-4, (2, 100, 100))
    made = model.build((100, 100), np.random.default_rng(SEED))
    made.place(before, 0.0)
    word, bit = np.indices((100, 100)).reshape(2, -1)
    voltages = np.where(after > before, model.set_voltage, -model.reset_voltage).ravel()
    widths = model.widths(before.ravel(), after.ravel())
    made.pulse((word, bit), voltages, widths, np.zeros(10_000))
    missed = float(np.abs(made.conductance(0.0) / after - 1).max())
    target = "below 1e-6: the inverse is exact"
    yield Row(
        "jart-v1b: largest miss of 10^4 one-pulse targets", missed, None, "", target, missed < 1e-6
    )


def seconds(model: DeviceModel, amplitudes: tuple[float, float]) -> float:
    """Return how long 10^4 pulses take, in calls of one pulse on each of 100 cells, s."""
    cells = model.build(SHAPE, np.random.default_rng(SEED))
    word, bit = np.indices(SHAPE).reshape(2, -1)
    rng = np.random.default_rng(SEED)
    widths, starts = np.full(len(word), 1e-5), np.zeros(len(word))
    begin = perf_counter()
    for _ in range(CALLS):
        cells.pulse((word, bit), rng.choice(amplitudes, len(word)), widths, starts)
    return perf_counter() - begin


def main() -> None:
    """Measure and print."""
    chosen = arguments(str(__doc__).splitlines()[0]).parse_args()
    show(rows(), as_json=chosen.json, title="device models beside their check values")


if __name__ == "__main__":
    main()
