"""The main job measured: time of each stage, memory, and what analog hardware costs, over seeds.

``python benchmarks/moons.py [--seeds N] [--json]``. Every seed is another array, other points and
other networks; a spread over seeds is a standard deviation, as in every row below unless it says
otherwise.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rows import Row, arguments, show
from scipy.stats import t as student

from crossbar import offload, open_bench, session
from crossbar.bench import load
from crossbar.experiments.moons import make_task
from crossbar.experiments.moons import run as run_moons
from crossbar.experiments.moons_settings import MoonsSettings
from crossbar.experiments.moons_summary import summarise
from crossbar.network import classify
from crossbar.resumable import Record

MEBI = 2**20
RELAXATIONS = (0.0, 0.01, 0.02, 0.048, 0.08)
REFERENCE_SEEDS = 3
DRAWS = 5


def command(folder: Path, seed: int, *options: str) -> tuple[dict[str, Any], float]:
    """Run ``xbar moons --json`` as a user would; return its output and the wall time, s."""
    xbar = Path(sys.executable).with_name("xbar")
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own command
        [xbar, "moons", "--json", "--seed", str(seed), "--test-points", "1000", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout), time.perf_counter() - start


def stages(folder: Path) -> list[Row]:
    """Return the time that each stage of the main job takes, in one process, one thread."""
    times: dict[str, float] = {}

    def timed(name: str, since: float) -> float:
        now = time.perf_counter()
        times[name] = times.get(name, 0.0) + now - since
        return now

    start = time.perf_counter()
    from threadpoolctl import threadpool_limits

    from crossbar.training import train
    from crossbar.training_settings import TrainingSettings

    start = timed("import torch and the training", start)
    settings = MoonsSettings(test_points=1000)
    with threadpool_limits(limits=1), open_bench("sim") as bench:
        task = make_task(settings, np.random.default_rng(0))
        start = timed("open the bench, make the points", start)
        networks = {}
        for name in settings.objectives:
            rng = np.random.default_rng(0)
            networks[name] = train(task.train, name, TrainingSettings(), rng).network
            start = timed(f"train {name}", start)
        crossbar = bench.crossbar()
        for network in networks.values():
            hardware = offload(network, crossbar, task.train.inputs, calibrate=False)
            start = timed("program a network, mean", start)
            hardware.run(task.test.inputs)
            start = timed("infer 1000 points, mean", start)
            hardware.calibrate(task.train.inputs)
            start = timed("calibrate a network, mean", start)
    with session(load("sim"), folder / "s.sqlite", experiment="moons", settings={}) as s:
        short = MoonsSettings(repeats=1, epochs=30)
        run_moons(short, s.bench, Record(s.run), 0)
        results = s.store.results(s.run.id)
        start = time.perf_counter()
        summary = summarise(results)
        from crossbar.figures.moons import moons_figure
        from crossbar.figures.style import save

        save(moons_figure(results, summary, "", ""), folder / "figure.png")
        timed("draw the figure, matplotlib's import included", start)
    counts = {name: len(networks) if name.endswith("mean") else 1 for name in times}
    return [Row(name, value / counts[name], None, "s") for name, value in times.items()]


def drops(outputs: list[dict[str, Any]]) -> list[Row]:
    """Return what each training loses, and how much less trinomial training loses than ERM."""
    rows, means = [], {}
    for kind, key in (("as programmed", "drop_points"), ("calibrated", "calibrated_drop_points")):
        for training in ("erm", "trinomial", "lognormal"):
            found = [_row(out, training) for out in outputs]
            drop = np.array([row[key]["mean"] for row in found])
            means[kind, training] = drop
            software = np.array([100 * row["software_accuracy"] for row in found])
            if kind == "as programmed":
                rows.append(Row(f"{training}: software accuracy", *_spread(software), "%"))
            rows.append(Row(f"{training}: drop {kind}", *_spread(drop), "points"))
    for kind in ("as programmed", "calibrated"):
        less = means[kind, "erm"] - means[kind, "trinomial"]
        half = student.ppf(0.975, len(less) - 1) * np.std(less, ddof=1) / np.sqrt(len(less))
        target = "> 0, the 95 % interval too" if kind == "as programmed" else None
        holds = bool(less.mean() - half > 0) if target else None
        name = f"trinomial loses fewer points than erm by, {kind} (± half 95 % interval)"
        rows.append(Row(name, float(less.mean()), float(half), "points", target, holds))
    inside = np.array([_row(o, "erm")["success_at_verify"]["mean"] for o in outputs])
    ended = np.array([_row(o, "erm")["success_at_end"]["mean"] for o in outputs])
    later = np.array([_row(o, "erm")["success_on_reread"]["mean"] for o in outputs])
    rows.append(Row("erm: cells in band at their last verify", *_spread(100 * inside), "%"))
    rows.append(Row("erm: cells in band when all are done", *_spread(100 * ended), "%"))
    rows.append(Row("erm: cells in band 10 s later", *_spread(100 * later), "%"))
    return rows


def _row(output: Mapping[str, Any], training: str) -> Mapping[str, Any]:
    return next(row for row in output["rows"] if row["training"] == training)


def _spread(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    return float(values.mean()), float(np.std(values, ddof=1))


def reference(folder: Path) -> list[Row]:
    """Return what a 2-8-1 network loses with one shared reference bit line instead of pairs."""
    options = ("--mapping", "reference", "--hidden", "8", "--training", "erm,trinomial")
    outputs = [command(folder, seed, *options)[0] for seed in range(REFERENCE_SEEDS)]
    rows = []
    for name in ("erm", "trinomial"):
        drop = np.array([_row(out, name)["drop_points"]["mean"] for out in outputs])
        label = f"{name}: drop as programmed, 2-8-1, reference mapping ({REFERENCE_SEEDS} seeds)"
        rows.append(Row(label, *_spread(drop), "points"))
    return rows


def sensitivity(seeds: int) -> list[Row]:
    """Return what ERM and trinomial networks lose on better and on worse devices.

    How strongly the cells relax is assumed; this says what the assumption decides.
    """
    from threadpoolctl import threadpool_limits

    from crossbar.training import train
    from crossbar.training_settings import TrainingSettings

    sheet = load("sim").text
    assert '[device]\nmodel = "perovskite"\n' in sheet  # noqa: S101 - or nothing would be varied
    drop: dict[tuple[float, str], list[float]] = {}
    ended = []
    with threadpool_limits(limits=1), tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            task = make_task(MoonsSettings(test_points=1000), np.random.default_rng(seed))
            for name in ("erm", "trinomial"):
                rng = np.random.default_rng(seed)
                network = train(task.train, name, TrainingSettings(), rng).network
                software = np.mean(classify(network(task.test.inputs)) == task.test.labels)
                for relax in RELAXATIONS:
                    path = Path(folder) / f"{relax}.toml"
                    line = f'[device]\nmodel = "perovskite"\nrelax_sigma = {relax}\n'
                    path.write_text(sheet.replace('[device]\nmodel = "perovskite"\n', line))
                    with open_bench(str(path), seed=seed) as bench:
                        crossbar = bench.crossbar()
                        for _ in range(DRAWS):
                            hardware = offload(
                                network, crossbar, task.train.inputs, calibrate=False
                            )
                            right = classify(hardware(task.test.inputs)) == task.test.labels
                            lost = 100 * float(software - np.mean(right))
                            drop.setdefault((relax, name), []).append(lost)
                            if relax == 0:
                                ended.append(100 * hardware.report.success_at_end)
    label = "cells in band when all are done, relax_sigma 0: what disturb leaves (± over draws)"
    return [
        Row(label, *_spread(np.array(ended)), "%"),
        *(
            Row(
                f"{name}: drop if ln G spreads {relax * np.log(1e4):.2f} in 10 s, relax_sigma "
                f"{relax:g} (± over {len(lost)} draws)",
                *(float(np.mean(lost)), float(np.std(lost, ddof=1)), "points"),
            )
            for (relax, name), lost in sorted(drop.items())
        ),
    ]


def ideal(folder: Path) -> list[Row]:
    """Return how exactly an array without faults computes."""
    output, _ = command(folder, 0, "--bench", "ideal", "--repeats", "2")
    worst = max(abs(v) for row in output["rows"] for v in row["drop_points"]["values"])
    rng = np.random.default_rng(0)
    errors = []
    for mapping in ("differential", "reference"):
        with open_bench("ideal") as bench:
            crossbar = bench.crossbar(mapping)
            matrices = rng.normal(size=(3, 4)), rng.normal(size=(5, 1))
            crossbar.program(*matrices)
            for layer, matrix in enumerate(matrices):
                x = rng.uniform(-1, 1, size=(1000, len(matrix)))
                errors.append(np.abs(crossbar.matmul(x, layer).values - x @ matrix).max())
    largest = float(max(errors))
    return [
        Row("ideal bench: largest drop of any draw", worst, None, "points", "0", worst == 0),
        Row("ideal bench: largest error of matmul", largest, None, "1", "<= 1e-9", largest <= 1e-9),
    ]


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="arrays, point sets and networks")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outputs, walls = [], []
        for seed in range(chosen.seeds):
            output, wall = command(folder, seed)
            outputs.append(output)
            walls.append(wall)
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MEBI
        seconds = float(np.median(walls))
        spread = float(np.ptp(walls))
        rows = [
            Row(
                "xbar moons --json, median (± range)",
                *(seconds, spread, "s", "<= 60", seconds <= 60),
            ),
            *stages(folder),
            Row("peak memory of xbar moons", memory, None, "MiB"),
            *drops(outputs),
            *reference(folder),
            *sensitivity(chosen.seeds),
            *ideal(folder),
        ]
    title = f"moons, bench sim, device perovskite (its spreads are assumed), {chosen.seeds} seeds"
    show(rows, as_json=chosen.json, title=title)


if __name__ == "__main__":
    main()
