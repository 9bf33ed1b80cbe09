"""How fast the simulator programs: cell-pulses and programmed cells per second on one core.

``python benchmarks/throughput.py [--json] [--rounds N]``. A 256x256 array without line resistance,
which is the fast path: nothing is approximated on it beyond what `SimulatedBackend` says of every
array. Pulses are of both polarities and of amplitudes that all differ, one call for all cells. Then
`write_verify` brings every cell to a target of its own, from fresh, by several policies. Seconds
are those of the processor in all threads of this program, so that other programs do not count and a
second core would not help; medians of rounds, ± half their interquartile range.
"""

import statistics
import time
from collections.abc import Iterator

import numpy as np
from rows import Row, arguments, show

from crossbar.backend import Cells
from crossbar.bench import load
from crossbar.bench_settings import simulation_settings
from crossbar.programming import POLICIES, Pulses, WriteVerify, write_verify
from sim_backend import Perovskite, SimulatedBackend, SimulationSettings
from sim_backend.devices.device import DeviceModel

SIDE = 256
PULSES, PROGRAMMED = 5e6, 1e5
"""Cell-pulses and programmed cells per second that are to be reached."""

TARGETED = "coarse-fine"
"""The policy that the second figure is asked of; the others are reported beside it."""

OTHERS = ("ispp", "secant", "model")

WARM = 2


def spread(values: list[float]) -> tuple[float, float]:
    """Return median and half the interquartile range."""
    low, middle, high = statistics.quantiles(values, n=4)
    return middle, (high - low) / 2


def bench(device: DeviceModel, seed: int) -> SimulatedBackend:
    """Return a fresh array of these devices."""
    return SimulatedBackend(
        SimulationSettings(
            word_lines=SIDE, bit_lines=SIDE, line_resistance=0.0, device=device, seed=seed
        )
    )


def pulses(name: str, device: DeviceModel, rounds: int, target: bool) -> Iterator[Row]:
    """Yield cell-pulses per second of `SimulatedBackend.pulse`."""
    rng = np.random.default_rng(0)
    cells = Cells.all((SIDE, SIDE))
    widths = np.full(len(cells), 1e-4)
    rates = []
    with bench(device, 0) as backend:
        for _ in range(WARM + rounds):
            signs = np.where(rng.random(len(cells)) < 0.5, 1.0, -1.0)
            voltages = signs * rng.uniform(1.8, 3.2, len(cells))
            start = time.process_time()
            backend.pulse(cells, voltages, widths, 0.2)
            rates.append(len(cells) / (time.process_time() - start))
    middle, half = spread(rates[WARM:])
    yield Row(
        f"cell-pulses per second, {name}",
        middle / 1e6,
        half / 1e6,
        "M/s",
        f"at least {PULSES / 1e6:g}" if target else None,
        middle >= PULSES if target else None,
    )


def programmed(name: str, policy: Pulses, rounds: int, target: bool) -> Iterator[Row]:
    """Yield programmed cells per second, and pulses per cell, of a policy."""
    cells, wanted = Cells.all((SIDE, SIDE)), WriteVerify()
    rates, spent, inside = [], [], []
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        low, high = wanted.conductance_min, wanted.conductance_max
        targets = rng.uniform(low, high, len(cells))
        with bench(Perovskite(), seed) as backend:
            start = time.process_time()
            report = write_verify(backend, cells, targets, wanted, policy, np.zeros(SIDE))
            rates.append(len(cells) / (time.process_time() - start))
        spent.append(float(report.pulses.mean()))
        near = np.abs(report.verified - report.target) <= report.tolerance
        inside.append(100 * float(near.mean()))
    middle, half = spread(rates)
    yield Row(
        f"programmed cells per second, {name}: {np.median(spent):.0f} pulses a cell, "
        f"{np.median(inside):.0f} % in ±{1e6 * wanted.tolerance:g} uS",
        middle / 1e3,
        half / 1e3,
        "k/s",
        f"at least {PROGRAMMED / 1e3:g}" if target else None,
        middle >= PROGRAMMED if target else None,
    )


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="of pulses; a third of programming")
    chosen = parser.parse_args()
    rounds = max(3, chosen.rounds)
    fitted = simulation_settings(load("sim-rram"), None).device
    rows = [
        *pulses("device of the bench sim", Perovskite(), rounds, True),
        *pulses("device of the bench sim-rram", fitted, rounds, False),
    ]
    for name in (TARGETED, *OTHERS):
        rows += programmed(name, POLICIES[name](), rounds // 3, name == TARGETED)
    show(rows, as_json=chosen.json, title=f"throughput, {SIDE}x{SIDE} simulated, one thread")


if __name__ == "__main__":
    main()
