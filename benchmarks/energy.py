"""What the moons networks dissipate on the array, and whether the papers' arithmetic comes out.

``python benchmarks/energy.py [--seeds N] [--json]``. Every seed is another array, other points and
other networks, each programmed a few times; a spread is the standard deviation over seeds. Reads
take 50 ns, as in Joksas' code, which no bench of ours does. Rows that begin with a paper's name are
that paper's figures, or follow from them.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rows import Row, arguments, show

from crossbar import session
from crossbar.bench import load
from crossbar.energy.papers import PRINTED, checks
from crossbar.experiments.energy import EnergySettings, run
from crossbar.experiments.energy_summary import summarise

TRAININGS = ("erm", "trinomial", "lognormal")
DRAWS = 3
PICO = 1e12
V100 = "V100, FP16 without tensor cores, peak/300 W"
TARGETS = {
    # Independent of the code: powers and ratio as worked out by hand from what is printed.
    "so that V100 has": (f"{V100} within 5 %", 100.0, 0.05),
    "of a cell's read, 2 operations": ("72.6 fJ, by hand", 72.6, 1e-3),
    "power at the first": ("1.112 W, by hand", 1.112, 1e-3),
    "power at the second": ("2.088 mW, by hand", 2.088, 1e-3),
    "ratio of the two": ("533, by hand", 533.0, 1e-3),
}


def papers() -> list[Row]:
    """Return the papers' figures and what follows from them."""
    rows = []
    for figure in checks():
        name = f"{figure.paper.partition(',')[0]}: {figure.what} ({figure.kind})"
        if figure.kind == PRINTED or figure.what not in TARGETS:
            rows.append(Row(name, figure.value, None, figure.unit))
            continue
        words, expected, within = TARGETS[figure.what]
        holds = abs(figure.value / expected - 1) <= within
        rows.append(Row(name, figure.value, None, figure.unit, words, holds))
    return rows


def measured(seed: int, **options: Any) -> dict[str, Any]:
    """Run the experiment and return its summary."""
    settings = EnergySettings(**options)
    with (
        tempfile.TemporaryDirectory() as folder,
        session(
            load("sim"), Path(folder) / "s.sqlite", experiment="energy", settings={}, seed=seed
        ) as s,
    ):
        run(settings, s.bench, s.run, s.seed)
        return summarise(s.store.results(s.run.id))


def networks(seeds: int) -> list[Row]:
    """Return what a network of each training dissipates."""
    rows = []
    for training in TRAININGS:
        found = [measured(seed, training=training, repeats=DRAWS) for seed in range(seeds)]
        whole = [one["inference"] for one in found]
        for what, energies in (
            ("array, own devices", [w["array_energy_J"]["mean"] for w in whole]),
            ("with idle cells on driven lines", [w["driven_energy_J"]["mean"] for w in whole]),
            ("with ISAAC's ADC and DAC too", [w["total_energy_J"]["mean"] for w in whole]),
        ):
            rows.append(Row(f"{training}: an inference, {what}", *_spread(energies, PICO), "pJ"))
        for convention in ("device", "pair"):
            rates = [w["tops_per_watt"]["array"][convention]["mean"] for w in whole]
            name = f"{training}: array only, 2 operations per {convention}"
            rows.append(Row(name, *_spread(rates), "TOPS/W"))
        accuracies = [100 * one["accuracy"]["mean"] for one in found]
        rows.append(Row(f"{training}: accuracy on the array", *_spread(accuracies), "%"))
    return rows


def _spread(values: list[float], factor: float = 1.0) -> tuple[float, float]:
    scaled = factor * np.array(values)
    return float(scaled.mean()), float(scaled.std(ddof=1)) if len(scaled) > 1 else 0.0


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="arrays, point sets and networks")
    chosen = parser.parse_args()
    title = (
        f"energy, bench sim, device perovskite (its constants are assumed), {chosen.seeds} seeds, "
        f"{DRAWS} draws each, reads of 50 ns"
    )
    show([*papers(), *networks(chosen.seeds)], as_json=chosen.json, title=title)


if __name__ == "__main__":
    main()
