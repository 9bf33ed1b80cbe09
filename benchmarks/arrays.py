"""The array's circuit beside other simulators: medians of one run, on one thread, and the ratios.

Peers are not dependencies. Those that can be imported are measured, the others are named with the
reason. Where a peer takes long it is called once, and has no spread.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from array_peers import SIEMENS, VOLT, Aihwkit, BadCrossbar, CrossSim, Missing, Ngspice
from rows import Row, arguments, show
from threadpoolctl import threadpool_limits

from crossbar.backend import Array
from crossbar.studies.mnist import lenet5
from crossbar.tiling import TileDevice, TileSettings, to_crossbars
from crossbar.tiling.bank import Bank
from crossbar.tiling.chance import Chance
from sim_backend.array import Circuit
from sim_backend.devices.law import SinhLaw

OHMIC, SEGMENT = SinhLaw(0.0), 1.0
LEAST, MOST, LONG = 3, 200, 0.4
"""Repeats of a measurement: as many as fit into this many seconds, within these bounds."""


class Timed:
    """Median, spread and result of a call."""

    def __init__(self, call: Callable[[], object], *, once: bool = False) -> None:
        if not once:
            call()  # compiled, loaded, cached: that is not what is measured
        times: list[float] = []
        begin = time.perf_counter()
        while not times or (
            not once
            and (len(times) < LEAST or time.perf_counter() - begin < LONG)
            and len(times) < MOST
        ):
            started = time.perf_counter()
            self.result = call()
            times.append(time.perf_counter() - started)
        self.seconds = float(np.median(times))
        low, high = np.percentile(times, (25, 75))
        self.spread = float(high - low) / 2 if len(times) > 1 else None


def task(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Return conductances and 100 inputs, as in published comparisons: 10 to 100 uS, 0 to 0.2 V."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1 * SIEMENS, SIEMENS, (n, n)), rng.uniform(0, VOLT, (100, n))


def milliseconds(name: str, timed: Timed) -> Row:
    """Return a time as a row."""
    spread = None if timed.spread is None else 1e3 * timed.spread
    return Row(name, 1e3 * timed.seconds, spread, "ms")


def times(name: str, theirs: Timed, ours: Timed, least: float) -> Row:
    """Return how much faster we are, and whether that is enough."""
    ratio = theirs.seconds / ours.seconds
    return Row(name, ratio, None, "times", f"at least {least:g}", ratio >= least)


def error(name: str, given: Array, wanted: Array, most: float | None = None) -> Row:
    """Return the largest error as a fraction of the largest current."""
    worst = float(np.abs(given - wanted).max() / np.abs(wanted).max())
    if most is None:
        return Row(name, worst, None, "")
    return Row(name, worst, None, "", f"at most {most:g}", worst <= most)


def programmed(bad: BadCrossbar, cross: CrossSim) -> Iterator[Row]:
    """Yield 100 inputs on one programmed state: its matrix is there already."""
    for n in (10, 32, 64, 128):
        what = f"{n}x{n}, 100 inputs"
        (G, volts), circuit = task(n), Circuit((n, n), SEGMENT)
        made = Timed(lambda c=circuit, g=G: (c.forget(), c.transfer(g)))  # type: ignore[misc]
        matrix = circuit.transfer(G)
        ours = Timed(lambda m=matrix, v=volts: m.multiply(v))  # type: ignore[misc]
        yield milliseconds(f"{what}: ours", ours)
        yield milliseconds(f"{n}x{n}, its matrix", made)
        if not isinstance(bad.found, Missing):
            theirs = Timed(lambda g=G, v=volts: bad.multiply(g, v, SEGMENT))  # type: ignore[misc]
            yield milliseconds(f"{what}: badcrossbar", theirs)
            yield times(f"{what} / badcrossbar", theirs, ours, 1000)
            given, wanted = np.asarray(ours.result), np.asarray(theirs.result)
            yield error(f"{what}: error against badcrossbar", given, wanted, 1e-12)
        if not isinstance(cross.found, Missing):
            multiply = cross.solver(SEGMENT, 1e-3)
            theirs = Timed(lambda f=multiply, g=G, v=volts: f(g, v))  # type: ignore[misc]
            yield milliseconds(f"{what}: CrossSim, its tolerance", theirs)
            yield times(f"{what} / CrossSim", theirs, ours, 100)
            given = np.asarray(theirs.result)
            yield error(f"{what}: CrossSim's error", given, matrix.multiply(volts))


def new_state(bad: BadCrossbar, cross: CrossSim) -> Iterator[Row]:
    """Yield one input on a state that was never solved before."""
    for n in (10, 32, 128, 256):
        what = f"{n}x{n}, new state"
        (G, volts), circuit = task(n), Circuit((n, n), SEGMENT)
        one, none = volts[:1], np.zeros((1, n))
        ours = Timed(lambda c=circuit, g=G, v=one, z=none: c.solve(g, OHMIC, v, z).bit_current)  # type: ignore[misc]
        yield milliseconds(f"{what}: ours", ours)
        if not isinstance(bad.found, Missing):
            theirs = Timed(lambda g=G, v=one: bad.multiply(g, v, SEGMENT), once=n > 128)  # type: ignore[misc]
            yield milliseconds(f"{what}: badcrossbar", theirs)
            yield times(f"{what} / badcrossbar", theirs, ours, 50)
            yield error(f"{what}: error", np.asarray(ours.result), np.asarray(theirs.result), 1e-9)
        if not isinstance(cross.found, Missing):
            # To our own error; its tolerance is of volts, ten times below what is asked.
            multiply = cross.solver(SEGMENT, 1e-10)
            theirs = Timed(lambda f=multiply, g=G, v=one[0]: f(g, v), once=n > 128)  # type: ignore[misc]
            yield milliseconds(f"{what}: CrossSim to 1e-9", theirs)
            yield times(f"{what} / CrossSim", theirs, ours, 3)
            given, wanted = np.asarray(theirs.result), np.asarray(ours.result)[0]
            yield error(f"{what}: CrossSim's error", given, wanted)


def resistive(cross: CrossSim) -> Iterator[Row]:
    """Yield what 1 to 50 ohm per segment do to the time of one input on 64x64."""
    n = 64
    first: dict[str, float] = {}
    for ohm in (1.0, 10.0, 50.0):
        (G, volts), circuit = task(n), Circuit((n, n), ohm)
        one, none = volts[:1], np.zeros((1, n))
        calls: dict[str, Callable[[], object]] = {
            "ours": lambda c=circuit, g=G, v=one, z=none: c.solve(g, OHMIC, v, z).bit_current  # type: ignore[misc]
        }
        if not isinstance(cross.found, Missing):
            multiply = cross.solver(ohm, 1e-3)
            calls["CrossSim, its tolerance"] = lambda f=multiply, g=G, v=one[0]: f(g, v)  # type: ignore[misc]
        for who, call in calls.items():
            timed = Timed(call)
            first.setdefault(who, timed.seconds)
            name = f"{n}x{n}, {ohm:g} ohm, one input: {who}"
            yield milliseconds(name, timed)
            if ohm > 1:
                slower = timed.seconds / first[who]
                holds = slower <= 10 if who == "ours" else None
                target = "at most 10" if who == "ours" else None
                yield Row(f"{name}, over 1 ohm", slower, None, "times", target, holds)


def states(bad: BadCrossbar, cross: CrossSim) -> Iterator[Row]:
    """Yield 100 states of 10x10, one input each."""
    rng, n = np.random.default_rng(1), 10
    G, volts = rng.uniform(0.1 * SIEMENS, SIEMENS, (100, n, n)), rng.uniform(0, VOLT, (100, n))
    circuit, none = Circuit((n, n), SEGMENT), np.zeros((100, n))
    ours = Timed(lambda: circuit.solve_each(G, volts, none).bit_current)
    yield milliseconds("100 states of 10x10: ours", ours)
    fastest: list[Timed] = []
    if not isinstance(bad.found, Missing):
        fastest.append(
            Timed(
                lambda: [bad.multiply(g, v[None], SEGMENT) for g, v in zip(G, volts, strict=True)]
            )
        )
        yield milliseconds("100 states of 10x10: badcrossbar", fastest[-1])
    if not isinstance(cross.found, Missing):
        multiply = cross.solver(SEGMENT, 1e-3)
        fastest.append(Timed(lambda: [multiply(g, v) for g, v in zip(G, volts, strict=True)]))
        yield milliseconds("100 states of 10x10: CrossSim, its tolerance", fastest[-1])
    if fastest:
        best = min(fastest, key=lambda timed: timed.seconds)
        yield times("100 states of 10x10 / fastest peer", best, ours, 5)


def large(bad: BadCrossbar, *, quick: bool) -> Iterator[Row]:
    """Yield 512x512: one input, and the matrix with the memory that it takes."""
    n = 128 if quick else 512
    (G, volts), circuit = task(n), Circuit((n, n), SEGMENT)
    one, none = volts[:1], np.zeros((1, n))
    ours = Timed(lambda: circuit.solve(G, OHMIC, one, none).bit_current)
    yield milliseconds(f"{n}x{n}, one input: ours", ours)
    if not isinstance(bad.found, Missing):
        theirs = Timed(lambda: bad.multiply(G, one, SEGMENT), once=True)
        yield milliseconds(f"{n}x{n}, one input: badcrossbar", theirs)
        yield times(f"{n}x{n}, one input / badcrossbar", theirs, ours, 50)
    seconds, gigabytes = alone("matrix", n)
    yield Row(f"{n}x{n}, its matrix", seconds, None, "s", "under 30", seconds < 30)
    yield Row(f"{n}x{n}, its matrix: memory", gigabytes, None, "GB", "under 8", gigabytes < 8)


def alone(what: str, n: int) -> tuple[float, float]:
    """Return seconds and gigabytes of a task in a process whose memory is that of nothing else."""
    ran = subprocess.run(  # noqa: S603
        [sys.executable, __file__, "--alone", what, str(n)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, gigabytes = (float(word) for word in ran.stdout.split())
    return seconds, gigabytes


def print_alone(what: str, n: int) -> None:
    """Print the seconds, and the gigabytes of the whole process above those before it."""

    def run(n: int) -> None:
        (G, volts), circuit = task(n), Circuit((n, n), SEGMENT)
        if what == "matrix":
            circuit.transfer(G)
        else:
            circuit.solve(G, OHMIC, volts[:1], np.zeros((1, n)))

    run(8)
    before, begin = most_memory(), time.perf_counter()
    run(n)
    seconds = time.perf_counter() - begin
    sys.stdout.write(f"{seconds} {(most_memory() - before) / 1e6}\n")


def most_memory() -> float:
    """Return the most that this process has held, kB: Linux's own count, which exec starts anew."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def nonlinear(spice: Ngspice) -> Iterator[Row]:
    """Yield 100 inputs on 32x32 cells with I = G sinh(3V)/3, at up to 0.8 V."""
    n, law = 32, SinhLaw(3.0)
    (G, volts), circuit = task(n), Circuit((n, n), SEGMENT)
    high, none = 4 * volts, np.zeros((100, n))
    ours = Timed(lambda: circuit.solve(G, law, high, none))
    solution = circuit.solve(G, law, high, none)
    holds = ours.seconds < 1
    yield Row("32x32 sinh, 100 inputs", ours.seconds, ours.spread, "s", "under 1", holds)
    worst = float(solution.residual.max())
    yield Row("its Kirchhoff residual", worst, None, "", "at most 1e-9", worst <= 1e-9)
    yield Row("its Newton steps, most", float(solution.steps.max()), None, "")
    if spice.program is not None:
        theirs = Timed(lambda: spice.sinh(G, high[0], SEGMENT, 3.0), once=True)
        yield milliseconds(f"32x32 sinh, one input: {spice.version}", theirs)
        given, wanted = solution.bit_current[0], np.asarray(theirs.result)
        yield error("32x32 sinh: error against ngspice", given, wanted, 1e-9)


def noisy(cross: CrossSim, aihwkit: Aihwkit) -> Iterator[Row]:
    """Yield 8-bit multiplies of 512x512 cells with read noise, ideal wires, batch 1,024."""
    n, batch, name = 512, 1024, "512x512, 8 bit, noise"
    torch.manual_seed(0)
    x, weights = torch.rand(batch, n) * 2 - 1, torch.randn(n, n // 2)
    device = TileDevice(read_noise=0.01)
    bank = Bank(weights, device, TileSettings(tile=(n, n)), Chance(0)).eval()
    bank.calibrate(x[:256], weights)
    square = torch.randn(n, n)
    with torch.no_grad():
        ours = Timed(lambda: bank.multiply(x, weights))
        bare = Timed(lambda: x @ square)
        yield milliseconds(f"{name}: ours", ours)
        yield milliseconds("the bare product", bare)
        part = ours.seconds / bare.seconds
        yield Row(f"{name} / bare product", part, None, "times", "at most 5", part <= 5)
        if not isinstance(aihwkit.found, Missing):
            for kind, told in (("PCM_READ", "follows conductance"), ("ADDITIVE_CONSTANT", "one")):
                layer = aihwkit.noisy(n, n, kind)
                theirs = Timed(lambda f=layer: f(x))  # type: ignore[misc]
                yield milliseconds(f"{name}: aihwkit, {kind}", theirs)
                if told == "one":  # the same for all devices: another physics, only shown
                    ratio = theirs.seconds / ours.seconds
                    yield Row(f"{name} / aihwkit, {kind}", ratio, None, "times")
                else:
                    yield times(f"{name} / aihwkit, {kind}", theirs, ours, 5)
    if not isinstance(cross.found, Missing):
        few = 64  # 1,024 at once take 11 s, as long per input
        multiply = cross.noisy(weights.numpy().astype(np.float64), 0.01)
        some = x[:few].double().numpy()
        theirs = Timed(lambda: multiply(some), once=True)
        each = 1e3 * theirs.seconds / few
        yield Row("CrossSim, cells sampled, per input", each, None, "ms")
        ratio = theirs.seconds / few / (ours.seconds / batch)
        yield Row(
            f"{name} / CrossSim, sampled",
            ratio,
            None,
            "times",
            "at least 1000",
            ratio >= 1000,
        )


def lenet(*, quick: bool) -> Iterator[Row]:
    """Yield LeNet5 on 10,000 images, every layer on 128x128 tiles with noise and 8 bits."""
    count = 500 if quick else 10_000
    torch.manual_seed(0)
    images = torch.rand(count, 1, 28, 28)
    model = lenet5_of(images)
    device = TileDevice(read_noise=0.01)
    begin = time.perf_counter()
    on_tiles = to_crossbars(model, (128, 128), device, 8, inputs=images[:200])
    converted = time.perf_counter() - begin
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    begin = time.perf_counter()
    with torch.no_grad():
        for k in range(0, count, 500):
            on_tiles(images[k : k + 500])
    seconds = time.perf_counter() - begin
    torch.set_num_threads(threads)
    yield Row("LeNet5: conversion, calibration", converted, None, "s")
    name = f"LeNet5, {count} images on 128x128 tiles, 2 threads"
    yield Row(name, seconds, None, "s", "under 120", seconds < 120)


def lenet5_of(images: torch.Tensor) -> torch.nn.Module:
    """Return LeNet5 as in the studies, without a training: time does not depend on it."""
    from crossbar.fitting import Examples
    from crossbar.studies.task import Dataset

    examples = Examples(images[:20], torch.zeros(20, dtype=torch.int64))
    data = Dataset(examples, examples, examples, "uniform noise", 10)
    return lenet5(data, torch.Generator().manual_seed(0)).eval()


def growth(*, quick: bool) -> Iterator[Row]:
    """Yield how time grows with the lines, and what a product with the matrix takes at most."""
    sizes = (32, 64, 128) if quick else (64, 128, 256, 512)
    ours, matrices, products = [], [], []
    for n in sizes:
        (G, volts), circuit = task(n), Circuit((n, n), SEGMENT)
        one, none = volts[:1], np.zeros((1, n))
        ours.append(Timed(lambda c=circuit, g=G, v=one, z=none: c.solve(g, OHMIC, v, z)).seconds)  # type: ignore[misc]
        if n <= 256:
            made = Timed(lambda c=circuit, g=G: (c.forget(), c.transfer(g)), once=n > 128)  # type: ignore[misc]
            matrices.append(made.seconds)
        products.append(Timed(lambda g=G, v=volts: v @ g).seconds)  # type: ignore[misc]
    for name, seconds in (
        ("one input", ours),
        ("the matrix", matrices),
        ("100 inputs on the matrix, the bare product", products),
    ):
        exponent = np.polyfit(np.log(sizes[: len(seconds)]), np.log(seconds), 1)[0]
        yield Row(f"growth with lines N: {name}, N to the", float(exponent), None, "")
    for what, last in () if quick else (("one", (1024, 2048)), ("matrix", (256, 512))):
        memory = [alone(what, n)[1] for n in last]
        exponent = np.log(memory[1] / memory[0]) / np.log(last[1] / last[0])
        told = f"{'one input' if what == 'one' else 'the matrix'}, {last[0]} to {last[1]} lines"
        yield Row(f"growth of memory: {told}, N to the", float(exponent), None, "")
        yield Row(f"memory: {told}, the larger", memory[1], None, "GB")


def draw(rows: list[Row], path: Path) -> None:
    """Draw what one input and what 100 inputs take against the lines, and what wires do to it."""
    from matplotlib.figure import Figure

    from crossbar.figures.style import save, styled

    shades = {"ours": "#0072b2", "badcrossbar": "#d55e00", "CrossSim": "#009e73"}

    def plot(axes: Any, pattern: str) -> None:
        found: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            matched = re.fullmatch(pattern, row.name)
            if matched and row.unit == "ms":
                found.setdefault(matched["who"], []).append((float(matched["x"]), row.value))
        for who, points in found.items():
            shade = shades[who.split(",")[0].split(" ")[0]]
            axes.loglog(*zip(*sorted(points), strict=True), "o-", color=shade, label=who)
        axes.set_ylabel("ms")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)

    with styled():
        figure = Figure(figsize=(13.2, 4.2), layout="constrained")
        first, second, third = figure.subplots(1, 3)
        plot(first, r"(?P<x>\d+)x\d+, 100 inputs: (?P<who>.*)")
        first.set_title("100 inputs on a programmed array")
        plot(second, r"(?P<x>\d+)x\d+, (new state|one input): (?P<who>.*)")
        second.set_title("One input on a new state")
        plot(third, r"64x64, (?P<x>\d+) ohm, one input: (?P<who>.*)")
        third.set_title("One input on 64x64, by wire")
        for axes in (first, second):
            axes.set_xlabel("lines N of an N x N array, 1 ohm per segment")
        third.set_xlabel("resistance of a line segment (ohm)")
        figure.suptitle(
            "An array with line resistance, solved exactly",
            x=0.01,
            ha="left",
            fontsize=12,
            fontweight="bold",
        )
        save(figure, path)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--quick", action="store_true", help="smaller arrays where it takes long")
    parser.add_argument("--figure", type=Path, help="also draw times against lines (.png)")
    parser.add_argument("--alone", nargs=2, help="for itself: seconds and memory of one task")
    given = parser.parse_args()
    if given.alone:
        print_alone(given.alone[0], int(given.alone[1]))
        return
    bad, cross, aihwkit, spice = BadCrossbar(), CrossSim(), Aihwkit(), Ngspice()
    torch.set_num_threads(1)
    rows: list[Row] = []
    with threadpool_limits(limits=1):
        for part in (
            programmed(bad, cross),
            new_state(bad, cross),
            resistive(cross),
            states(bad, cross),
            large(bad, quick=given.quick),
            nonlinear(spice),
            noisy(cross, aihwkit),
        ):
            rows += part
        rows += growth(quick=given.quick)
    rows += lenet(quick=given.quick)
    peers = [bad.found, cross.found, aihwkit.found]
    peers.append(spice.missing if spice.program is None else (None, spice.version))
    if not given.json:
        for peer in peers:
            told = f"{peer.name}: {peer.reason}" if isinstance(peer, Missing) else peer[1]
            sys.stdout.write(f"{told}\n")
    if given.figure is not None:
        draw(rows, given.figure)
    show(rows, as_json=given.json, title="one array, beside other simulators; one thread")


if __name__ == "__main__":
    main()
