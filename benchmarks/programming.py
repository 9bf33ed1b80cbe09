"""Write policies on simulated arrays: pulses, and what of the programming is left.

``python benchmarks/programming.py [--json] [--seeds N] [--bench NAME]``. By default on `sim-rram`,
whose cells relax and read as those of a public log do; medians over seeds, each another array with
other targets. Errors are parts of the window. Speed is in throughput.py, the one-shot policy in
one_shot.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rows import Row, arguments, show

from crossbar.backend import Array
from crossbar.bench import open_bench
from crossbar.crossbar import Crossbar
from crossbar.programming import POLICIES, WriteVerify
from crossbar.programming.metrics import Metrics

PLAIN = "ispp"
BEST = "model"
SKIPPED = ("one-shot",)
"""Policies that need a file of their own."""
LEVELS, LEVEL_BAND = 4, 0.025
"""Even levels over the window, and the half-width of each one's band."""
FINE_BAND = 0.01
ACCEPTED: dict[str, Any] = {
    "passes": 10,
    "pass_delay": 1.0,
    "verify_reads": 4,
    "order": "largest-first",
}
"""Acceptance: cells that have left their band a second later are written again."""
REREADS = (0.1, 1.0, 10.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Medians over seeds of one way to program; with the spread, as median deviation, of some."""

    pulses: float
    pulses_spread: float
    verified: float
    within_5: float
    within_5_spread: float
    within_1: float
    within_1_spread: float
    error: float
    error_spread: float


def one(bench: str, policy: str, levels: int, band: float, seed: int, **more: Any) -> Array:
    """Return the figures of one programming of one array."""
    with open_bench(bench, seed=seed) as opened:
        given: WriteVerify = opened.programming.cell
        span = given.window.high - given.window.low
        cell = replace(given, tolerance=band * span, reread_delay=max(REREADS), **more)
        rng, shape = np.random.default_rng([seed, 5]), opened.backend.shape
        even = np.linspace(given.window.low, given.window.high, levels or 2)
        targets = rng.choice(even, shape) if levels else rng.uniform(even[0], even[-1], shape)
        kind, own = POLICIES[policy], opened.programming.pulses
        crossbar = Crossbar(
            opened.backend,
            cell,
            own if isinstance(own, kind) else kind(),
            metrics=Metrics(REREADS, disturb=False, multiplies=0),
        )
        report = crossbar.program_conductances(targets)
    errors = [np.abs(read.conductance - targets) / span for read in report.rereads]
    return np.array(
        [
            report.pulses.mean(),
            report.success_at_verify,
            (errors[1] <= 0.05).mean(),
            (errors[1] <= 0.01).mean(),
            np.sqrt((errors[-1] ** 2).mean()),
        ]
    )


def measured(bench: str, policy: str, levels: int, band: float, seeds: int, **more: Any) -> Outcome:
    """Return the medians over seeds."""
    found = np.array([one(bench, policy, levels, band, seed, **more) for seed in range(seeds)])
    middle = np.median(found, axis=0)
    spread = np.median(np.abs(found - middle), axis=0)
    return Outcome(
        pulses=middle[0],
        pulses_spread=spread[0],
        verified=middle[1],
        within_5=middle[2],
        within_5_spread=spread[2],
        within_1=middle[3],
        within_1_spread=spread[3],
        error=middle[4],
        error_spread=spread[4],
    )


def level_rows(bench: str, seeds: int) -> Iterator[Row]:
    """Yield pulses per cell for four levels, of every policy."""
    for policy in (name for name in POLICIES if name not in SKIPPED):
        found = measured(bench, policy, LEVELS, LEVEL_BAND, seeds)
        name = f"four levels, {policy}"
        target = holds = None
        if policy in ("coarse-fine", BEST):
            target = "at most 9, with 97 % in band"
            holds = found.pulses <= 9 and found.verified >= 0.97
        yield Row(f"{name}: pulses", found.pulses, found.pulses_spread, "", target, holds)
        yield Row(f"{name}: in band at verify", 100 * found.verified, None, "%")


def fine_rows(bench: str, seeds: int) -> Iterator[Row]:
    """Yield pulses and errors for any conductance, of every policy, and of acceptance."""
    outcomes = {
        policy: measured(bench, policy, 0, FINE_BAND, seeds)
        for policy in POLICIES
        if policy not in SKIPPED
    }
    for policy, found in outcomes.items():
        name = f"any target ±1 %, {policy}"
        yield Row(f"{name}: pulses", found.pulses, found.pulses_spread, "")
        error, spread = 100 * found.error, 100 * found.error_spread
        yield Row(f"{name}: rms error after 10 s", error, spread, "%")
    best = outcomes[BEST]
    rivals = [o for name, o in outcomes.items() if name != BEST and o.verified >= 0.97]
    fewest = min(rival.pulses for rival in rivals)
    equal = all(best.error <= rival.error + 2 * rival.error_spread for rival in rivals)
    yield Row(
        f"{BEST}: pulses beside the best of the others that verify 97 %",
        best.pulses / fewest,
        None,
        "x",
        "below 1, at no larger error",
        best.pulses < fewest and equal,
    )
    plain = outcomes[PLAIN]
    held = measured(bench, BEST, 0, FINE_BAND, seeds, **ACCEPTED)
    name = f"{BEST}, accepted after a second"
    yield Row(f"{name}: pulses", held.pulses, held.pulses_spread, "")
    wide, spread = 100 * held.within_5, 100 * held.within_5_spread
    yield Row(
        f"{name}: within 5 % at 1 s", wide, spread, "%", "at least 90 %", held.within_5 >= 0.9
    )
    yield Row(f"{name}: within 1 % at 1 s", 100 * held.within_1, 100 * held.within_1_spread, "%")
    yield Row(f"{PLAIN}: within 1 % at 1 s", 100 * plain.within_1, 100 * plain.within_1_spread, "%")
    # Shares of a hundred cells: their ratio is exact, but for what binary fractions make of it.
    ratio = round(held.within_1 / plain.within_1, 9)
    yield Row("the one over the other", ratio, None, "x", "at least 2", ratio >= 2)


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="arrays per figure")
    parser.add_argument("--bench", default="sim-rram", help="a simulated bench")
    chosen = parser.parse_args()
    rows = [*level_rows(chosen.bench, chosen.seeds), *fine_rows(chosen.bench, chosen.seeds)]
    title = f"write policies on {chosen.bench}, medians of {chosen.seeds} arrays"
    show(rows, as_json=chosen.json, title=title)


if __name__ == "__main__":
    main()
