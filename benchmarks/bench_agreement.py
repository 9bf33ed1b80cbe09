"""The virtual bench beside the simulator: the same array, seen through instruments and directly.

``python benchmarks/bench_agreement.py [--json] [--figure FILE]``. Both benches draw the same cells
from the same seed, and get the same conductances placed. Amplifiers' spreads are set to zero on
both, because each bench draws its own. What is left is what instruments do: converters, noise,
settling. The stated resolution of the virtual bench is a code of the scope and 0.5 % of a reading.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from rows import Row, arguments, show

from crossbar.backend import Array, Backend, Cells
from crossbar.bench import load
from crossbar.bench_settings import hardware_settings, simulation_settings, virtual_settings
from instruments.backend import HardwareBackend
from sim_backend import SimulatedBackend, Tia
from sim_backend.virtual.bench import VirtualBench

NAMES = ("virtual-parallel", "virtual-switched")
VOLTAGE, REPEATS, SEED = 0.3, 32, 0
CODE = 5.0 / 2**14 / 1e5
"""A: one code of the scope at the high gain, 5 V over 14 bits at 100 kohm."""
ACCURACY = 0.005
"""Of converters, switches and resistors that nobody calibrated, as a part of the reading."""
TICKS = (2, 5, 10, 20, 50, 80)
EXACT = Tia(gain_sigma=0.0, offset_sigma=0.0)


def placed() -> Array:
    """Return conductances over the window of the bench files, S."""
    return np.exp(np.random.default_rng(SEED).uniform(np.log(2e-6), np.log(8e-5), (10, 10)))


def seen(backend: Backend) -> tuple[Array, Array]:
    """Return mean read currents of every cell, offsets taken off, and their standard error, A."""
    cells = Cells.all(backend.shape)
    zero = backend.drive(np.zeros((REPEATS, backend.shape[0]))).current.mean(axis=0)
    reads = np.array([backend.read(cells, VOLTAGE).current for _ in range(REPEATS)])
    return reads.mean(axis=0) - zero[cells.bit], reads.std(axis=0, ddof=1) / np.sqrt(REPEATS)


def simulated() -> tuple[Array, Array]:
    """Return what the simulator reads."""
    settings = replace(simulation_settings(load("sim"), SEED), tia=EXACT)
    with SimulatedBackend(settings) as backend:
        backend.set_conductances(placed())
        return seen(backend)


def virtual(name: str) -> tuple[Array, Array]:
    """Return what a virtual bench reads."""
    description = load(name)
    assert description.rehearsed is not None  # noqa: S101
    settings = virtual_settings(description, SEED)
    settings = replace(settings, simulation=replace(settings.simulation, tia=EXACT))
    with (
        VirtualBench(settings) as bench,
        HardwareBackend(hardware_settings(description.rehearsed), timer=bench.clock) as backend,
    ):
        bench.netlist.rig.set_conductances(placed())
        return seen(backend)


def rows(results: dict[str, tuple[Array, Array]]) -> Iterator[Row]:
    """Yield the differences between each virtual bench and the simulator."""
    truth, own_error = results["sim"]
    yield Row("one code of the scope at the high gain", 1e9 * CODE, None, "nA")
    for name in NAMES:
        current, error = results[name]
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
        target = f"all within a code + {100 * ACCURACY:g} % + 3 standard errors"
        yield Row(f"{part}: inside the resolution", share, None, "%", target, share == 100)


def draw(results: dict[str, tuple[Array, Array]], path: Path) -> None:
    """Draw both benches against the simulator, and what is between them."""
    from crossbar.figures.style import QUIET, save, styled

    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10.4, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        truth = results["sim"][0]
        known = truth / VOLTAGE * 1e6
        ends = np.array([known.min(), known.max()])
        left.plot(ends, ends, color=QUIET, lw=1, label="equal")
        for name, colour, mark in zip(NAMES, ("#0072b2", "#d55e00"), "ox", strict=True):
            current, error = results[name]
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
