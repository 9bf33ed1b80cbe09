"""BoTorch, Optuna and chance, on the search over noise and on a grid of 8,400 recipes.

``python benchmarks/search_engines.py [--seeds N] [--json]``. Needs Optuna, which nothing else here
does: ``pip install optuna``. All searches of a seed begin with the same points. Times are of the
processor, with one thread. A spread is a standard deviation over seeds unless it says otherwise.
"""

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version

import numpy as np
import torch
from rows import Row, arguments, show
from search_landscapes import NEAR, RECIPES, START, chance, landscape
from search_rivals import Chance, Optuna, ours
from threadpoolctl import threadpool_limits

from crossbar.backend import Array
from crossbar.bayesopt import Search
from crossbar.data import Points, moons, standardise
from crossbar.deployment import LogNormal, evaluate
from crossbar.losses import binary_accuracy
from crossbar.noise_space import NoiseSpace
from crossbar.search_settings import SearchSettings
from crossbar.search_space import Space
from crossbar.torch_layers import to_torch
from crossbar.training import train
from crossbar.training_settings import NoiseSettings, TrainingSettings

Engine = Callable[[Space, int, int], Search]
MODELS: Mapping[str, Engine] = {"botorch": ours, "optuna": Optuna}
FIRST = 5
LAST = 60
WITHIN = (12, 30, 60)
LANDSCAPES = (("smooth", 0.0), ("smooth", 0.03), ("hard", 0.0), ("hard", 0.03))
SHORT = TrainingSettings(epochs=300, warmup=100, restarts=2)
NOISES = NoiseSpace("trinomial", ("0", "2"), SearchSettings())
REPEATS = 20
"""Asks in a row that may give a point which was measured before: those cost no measurement."""


def recipes(seeds: int) -> list[Row]:
    """Return how many recipes each search needs to come within 2 % of the best."""
    found = []
    for kind, noise in LANDSCAPES:
        name = f"{kind}, noise {noise:g}"
        random = []
        for engine, make in MODELS.items():
            needed, times, repeated = [], [], []
            for seed in range(seeds):
                rng = np.random.default_rng([seed, kind == "hard"])
                values = landscape(rng, hard=kind == "hard")
                random.append(chance(values, len(values)))
                arrived, took, again = _arrival(make, values, noise, seed)
                needed.append(arrived)
                times += took
                repeated.append(again)
            found += _recipe_rows(f"{engine}, {name}", np.array(needed), np.array(times))
            if any(repeated):
                mean = float(np.mean(repeated))
                found.append(Row(f"{engine}, {name}: asked again", mean, None, "recipes"))
        share = np.mean(random, axis=0)
        median = float(np.argmax(share >= 0.5) + 1)
        found.append(Row(f"chance, {name}: recipes, median (exact)", median, None, "recipes"))
        found += [
            Row(f"chance, {name}: within {n} (exact)", 100 * float(share[n - 1]), None, "%")
            for n in WITHIN
        ]
    return found


def _arrival(make: Engine, values: Array, noise: float, seed: int) -> tuple[int, list[float], int]:
    """Return the recipes needed (LAST + 1 if not enough), the times of asks, and repetitions."""
    rng = np.random.default_rng([seed, 99])
    grid = RECIPES.grid()
    value_at = {tuple(p.values()): v for p, v in zip(RECIPES.points(grid), values, strict=True)}
    others = RECIPES.points(grid[rng.choice(len(grid), FIRST - 1, replace=False)])
    search, best, times, again = make(RECIPES, FIRST, seed), 0.0, [], 0
    seen: dict[tuple[float | str, ...], float] = {}
    for k in range(LAST):
        for _ in range(REPEATS):
            began = time.process_time()
            point = [START, *others][k] if k < FIRST else search.ask()
            if k >= FIRST:
                times.append(time.process_time() - began)
            key = tuple(point[name] for name in RECIPES.names)
            if key not in seen:
                break
            again += 1
            search.tell(point, seen[key])
        true = value_at[key]
        seen.setdefault(key, true + noise * rng.standard_normal())
        search.tell(point, seen[key])
        best = max(best, true)
        if best >= NEAR * values.max():
            return k + 1, times, again
    return LAST + 1, times, again


def _recipe_rows(name: str, needed: Array, times: Array) -> list[Row]:
    low, high = np.quantile(needed, [0.25, 0.75])
    label = (
        f"{name}: recipes to within 2 %, median (± half quartile range; {LAST + 1}: not in time)"
    )
    return [
        Row(label, float(np.median(needed)), float(high - low) / 2, "recipes"),
        *(Row(f"{name}: within {n}", 100 * float(np.mean(needed <= n)), None, "%") for n in WITHIN),
        Row(f"{name}: one ask, median", float(np.median(times)), float(np.std(times)), "s"),
    ]


def noise_searches(seeds: int) -> list[Row]:
    """Return how good the best of 23 noises is, by validation and on other points."""
    engines = {**MODELS, "chance": Chance}
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in engines}
    usual = []
    for seed in range(seeds):
        task = _Moons(seed)
        usual.append(task.judged({"p1 0": 0.1, "p2 0": 0.2, "p1 2": 0.1, "p2 2": 0.2}))
        for name, make in engines.items():
            figures[name].append(_best_noise(make, task, seed))
    rows = []
    for name, found in [("p1 .1, p2 .2", [(a, b, np.nan) for a, b in usual]), *figures.items()]:
        for what, values in zip(("validation", "test"), np.array(found).T, strict=False):
            label = f"moons 2-4-1, drift 0.6, {name}: {what} accuracy"
            rows.append(Row(label, float(values.mean()), float(values.std(ddof=1)), "1"))
    rows += [
        Row(f"moons, {name}: one ask, median", float(np.median(np.array(found)[:, 2])), None, "s")
        for name, found in figures.items()
    ]
    return rows


class _Moons:
    """Points of a seed, and what a noise is worth on them: 50 draws of drift, always the same."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        training = moons(500, 0.1, rng)
        scale = standardise(training)
        self._train = scale(training)
        self._others = [(scale(moons(n, 0.1, rng)), draws) for n, draws in ((500, 50), (2000, 200))]
        self._seed = seed

    def judged(self, point: Mapping[str, float | str]) -> tuple[float, float]:
        """Return mean accuracies under drift on the validation and on the test points."""
        noise = NOISES.noise(point, NoiseSettings())
        schedule = TrainingSettings(
            SHORT.epochs, SHORT.warmup, restarts=SHORT.restarts, noise=noise
        )
        rng = np.random.default_rng(self._seed)
        model = to_torch(train(self._train, "trinomial", schedule, rng).network)
        validation, test = (self._accuracy(model, *other) for other in self._others)
        return validation, test

    def _accuracy(self, model: torch.nn.Module, points: Points, draws: int) -> float:
        inputs, labels = torch.tensor(points.inputs), torch.tensor(points.labels).double()
        generator = torch.Generator().manual_seed(self._seed)
        where = LogNormal(NOISES.settings.drift)
        return float(
            evaluate(model, inputs, labels, binary_accuracy, where, draws, generator).mean()
        )


def _best_noise(make: Engine, task: _Moons, seed: int) -> tuple[float, float, float]:
    """Return validation and test accuracy of the best candidate, and the median time of an ask."""
    space, settings = NOISES.space, NOISES.settings
    search = make(space, settings.initial, seed)
    first = space.points(space.spread(settings.initial, np.random.default_rng(seed)))
    found, times = [], []
    for k in range(settings.total):
        began = time.process_time()
        point = first[k] if k < settings.initial else search.ask()
        if k >= settings.initial:
            times.append(time.process_time() - began)
        found.append(task.judged(point))
        search.tell(point, found[-1][0])
    return (*max(found), float(np.median(times)))


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4, help="landscapes of each kind, and moons")
    chosen = parser.parse_args()
    with threadpool_limits(limits=1):
        torch.set_num_threads(1)
        rows = [*noise_searches(chosen.seeds), *recipes(chosen.seeds)]
    libraries = ", ".join(f"{name} {version(name)}" for name in MODELS)
    title = f"searches, {libraries}; {chosen.seeds} seeds; landscapes are made up"
    show(rows, as_json=chosen.json, title=title)


if __name__ == "__main__":
    main()
