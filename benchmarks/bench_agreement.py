"""The virtual bench beside the simulator: the same array, seen through instruments and directly.

``python benchmarks/bench_agreement.py [--json] [--figure FILE]``. Both benches draw the same cells
from the same seed, and get the same conductances placed. Cells are read, and vectors multiplied;
the latter with cells that hold still: in the seconds that it takes, those of the perovskite model
drift by some percent, and a bench takes longer than the simulator. Amplifiers' spreads are set to
zero on both, because each bench draws its own. What is left is what instruments do: converters,
noise, settling. The stated resolution of the virtual bench is a code of the scope, at the gain
that was used, and 0.5 % of what flows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from rows import Row, arguments, show

from crossbar.backend import Array, Backend, Cells
from crossbar.bench import load
from crossbar.bench_settings import hardware_settings, simulation_settings, virtual_settings
from instruments.backend import HardwareBackend
from sim_backend import SimulatedBackend, Tia
from sim_backend.devices import DEVICES
from sim_backend.settings import SimulationSettings
from sim_backend.virtual.bench import VirtualBench

NAMES = ("virtual-parallel", "virtual-switched")
VOLTAGE, REPEATS, SEED = 0.3, 32, 0
VECTORS, ROUNDS = 100, 8
CODE, CODE_LOW = 5.0 / 2**14 / 1e5, 5.0 / 2**14 / 5e3
"""A: one code of the scope at the high and at the low gain, 5 V over 14 bits at the feedback."""
HIGH = 2.4 / 1e5
"""Largest current at the high gain, A."""
ACCURACY = 0.005
"""Of converters, switches and resistors that nobody calibrated, as a part of the reading."""
TICKS = (2, 5, 10, 20, 50, 80)
EXACT = Tia(gain_sigma=0.0, offset_sigma=0.0)
STILL = DEVICES["ideal"]()


def placed() -> Array:
    """Return conductances over the window of the bench files, S."""
    return np.exp(np.random.default_rng(SEED).uniform(np.log(2e-6), np.log(8e-5), (10, 10)))


def seen(backend: Backend) -> tuple[Array, Array]:
    """Return mean read currents of every cell, offsets taken off, and their standard error, A."""
    cells = Cells.all(backend.shape)
    zero = backend.drive(np.zeros((REPEATS, backend.shape[0]))).current.mean(axis=0)
    reads = np.array([backend.read(cells, VOLTAGE).current for _ in range(REPEATS)])
    return reads.mean(axis=0) - zero[cells.bit], reads.std(axis=0, ddof=1) / np.sqrt(REPEATS)


def multiplied(backend: Backend) -> tuple[Array, Array, Array]:
    """Return products of the same vectors, offsets off, standard errors, and what flows, A.

    What flows is the sum of the magnitudes of a bit line's cell currents: errors of drivers are a
    part of that, not of the product, in which currents of both signs cancel.
    """
    vectors = np.random.default_rng(SEED).uniform(-VOLTAGE, VOLTAGE, (VECTORS, backend.shape[0]))
    zero = backend.drive(np.zeros((REPEATS, backend.shape[0]))).current.mean(axis=0)
    products = np.array([backend.drive(vectors).current for _ in range(ROUNDS)])
    error = products.std(axis=0, ddof=1) / np.sqrt(ROUNDS)
    return products.mean(axis=0) - zero, error, np.abs(vectors) @ placed()


Result = tuple[tuple[Array, Array], tuple[Array, Array, Array]]


def simulated() -> Result:
    """Return what the simulator reads and multiplies."""
    settings = replace(simulation_settings(load("sim"), SEED), tia=EXACT)
    with SimulatedBackend(settings) as backend:
        backend.set_conductances(placed())
        read = seen(backend)
    with SimulatedBackend(replace(settings, device=STILL)) as backend:
        backend.set_conductances(placed())
        return read, multiplied(backend)


def virtual(name: str) -> Result:
    """Return what a virtual bench reads and multiplies."""
    description = load(name)
    assert description.rehearsed is not None  # noqa: S101
    drivers = hardware_settings(description.rehearsed)
    settings = virtual_settings(description, SEED)
    perovskite = replace(settings.simulation, tia=EXACT)

    @contextmanager
    def bench(simulation: SimulationSettings) -> Iterator[Backend]:
        with (
            VirtualBench(replace(settings, simulation=simulation)) as virtual,
            HardwareBackend(drivers, timer=virtual.clock) as backend,
        ):
            virtual.netlist.rig.set_conductances(placed())
            yield backend

    with bench(perovskite) as backend:
        read = seen(backend)
    with bench(replace(perovskite, device=STILL)) as backend:
        return read, multiplied(backend)


def rows(results: dict[str, Result]) -> Iterator[Row]:
    """Yield the differences between each virtual bench and the simulator."""
    (truth, own_error), product = results["sim"]
    yield Row("one code of the scope at the high gain", 1e9 * CODE, None, "nA")
    for name in NAMES:
        (current, error), found = results[name]
        difference = current - truth
        codes, noise = difference / CODE, np.hypot(error, own_error)
        rms = float(np.sqrt(np.mean(codes**2)))
        expected = float(np.sqrt(np.mean((noise / CODE) ** 2)))
        part = f"{name} - sim, mean of {REPEATS} reads of 100 cells"
        yield Row(f"{part}: rms (± what noise gives)", rms, expected, "codes")
        worst = 100 * float(np.abs(difference / truth).max())
        yield Row(f"{part}: largest relative", worst, None, "%")
        inside = np.abs(difference) <= CODE + ACCURACY * np.abs(truth) + 3 * noise
        share = 100 * float(inside.mean())
        target = f"all: a code, {100 * ACCURACY:g} %, 3 standard errors"
        yield Row(f"{part}: inside the resolution", share, None, "%", target, share == 100)
        yield from product_rows(f"{name} - sim, products of {VECTORS} vectors", found, product)


def product_rows(
    part: str, found: tuple[Array, Array, Array], truth: tuple[Array, Array, Array]
) -> Iterator[Row]:
    """Yield how far products are from the simulator's."""
    difference = np.abs(found[0] - truth[0])
    code = np.where(np.abs(found[0]) < HIGH, CODE, CODE_LOW)
    worst = 100 * float((difference / truth[2]).max())
    yield Row(f"{part}: largest, as a part of what flows", worst, None, "%")
    noise = np.hypot(found[1], truth[1])
    inside = 100 * float((difference <= code + ACCURACY * truth[2] + 3 * noise).mean())
    target = f"all: a code, {100 * ACCURACY:g} % of it, 3 standard errors"
    yield Row(f"{part}: inside the resolution", inside, None, "%", target, inside == 100)


def draw(results: dict[str, Result], path: Path) -> None:
    """Draw both benches against the simulator, and what is between them."""
    from crossbar.figures.style import QUIET, save, styled

    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10.4, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        truth = results["sim"][0][0]
        known = truth / VOLTAGE * 1e6
        ends = np.array([known.min(), known.max()])
        left.plot(ends, ends, color=QUIET, lw=1, label="equal")
        for name, colour, mark in zip(NAMES, ("#0072b2", "#d55e00"), "ox", strict=True):
            current, error = results[name][0]
            look = {"color": colour, "marker": mark, "ms": 4, "ls": "", "label": name}
            left.plot(known, current / VOLTAGE * 1e6, mfc="none", **look)
            parts, spread = 100 * (current - truth) / truth, 100 * error / truth
            right.errorbar(known, parts, spread, lw=0.8, **look)
        fine = np.geomspace(float(ends[0]), float(ends[1]), 100)
        band = 100 * (CODE / (fine * 1e-6 * VOLTAGE) + ACCURACY)
        right.fill_between(fine, -band, band, color=QUIET, alpha=0.2, lw=0, label="resolution")
        left.set(title="Conductance of every cell", ylabel="through the instruments (µS)")
        right.set(title="Difference from the simulator", ylabel="%, ± standard error")
        for axes in (left, right):
            axes.set(xscale="log", xlabel="simulator (µS)", xticks=TICKS, xticklabels=TICKS)
            axes.minorticks_off()
            axes.legend()
        left.set(yscale="log", yticks=TICKS, yticklabels=TICKS)
        left.minorticks_off()
        note = f"seed {SEED}, the same 10x10 cells; mean of {REPEATS} reads at {VOLTAGE} V"
        figure.supxlabel(note, fontsize=8, color=QUIET)
    save(figure, path)


def main() -> None:
    """Measure, print and draw."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--figure", type=Path, help="draw the comparison into this file")
    chosen = parser.parse_args()
    results = {"sim": simulated(), **{name: virtual(name) for name in NAMES}}
    if chosen.figure is not None:
        draw(results, chosen.figure)
    show(rows(results), as_json=chosen.json, title="the virtual bench beside the simulator")


if __name__ == "__main__":
    main()
