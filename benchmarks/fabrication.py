"""How many recipes a campaign takes to come within 2 % of the best of 8,400.

``python benchmarks/fabrication.py [--seeds N] [--figure FILE] [--json]``. Five kinds of made-up
landscape, smooth and rugged, without and with noise of 0.03, which ours is told; every search
begins with the paper's first recipe and is ended after 60. Beside ours: the paper's method (types
as whole numbers, squared exponential kernel, one more recipe to begin with), Optuna (`pip install
optuna`; left out without it), and chance, exactly. Half an hour on two cores with 20 seeds; the
same library without our prior is in `search_engines.py`.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from fabrication_landscapes import KINDS, PAPER, ROWS, START, Array, landscape
from matplotlib.figure import Figure
from rich.progress import Progress
from rows import Row, arguments, show
from search_landscapes import chance
from search_rivals import Optuna
from threadpoolctl import threadpool_limits

from crossbar.bayesopt import Search, Study, StudySettings
from crossbar.campaigns.adviser import Adviser
from crossbar.campaigns.records import Made, State, Telling
from crossbar.cli.output import errors
from crossbar.figures.style import QUIET, save, styled
from crossbar.search_space import Ordinal, Point, Space

NEAR, LAST = 0.98, 60
NOISES = (0.0, 0.03)
WITHIN = (8, 12, 15, 20, 30, 45, 60)
MEDIAN, NINETIETH, SECONDS = 15, 30, 2.0
"""Targets: recipes that half and nine tenths of the searches need at most, and time of one ask."""
AGAIN = 20
"""Asks in a row that may give what was measured before: those cost no recipe."""
ASKS = 10

Propose = Callable[[list[tuple[int, float]]], int]
"""Returns the index of the next recipe, for those made so far and what they gave."""


def ours(noise: float, seed: int) -> Propose:
    """Return what a campaign proposes."""

    def propose(told: list[tuple[int, float]]) -> int:
        return _index(_adviser(told, noise).propose(1)[0].recipe)

    return propose


def _adviser(told: list[tuple[int, float]], noise: float) -> Adviser:
    points = PAPER.space.points(ROWS[[k for k, _ in told]])
    made = tuple(
        Made(n, point, "asked", None, "", "", (Telling("told", value, noise),))
        for n, (point, (_, value)) in enumerate(zip(points, told, strict=True), 1)
    )
    return Adviser(PAPER, State(made))


def as_in_the_paper(noise: float, seed: int) -> Propose:
    """Return what a squared exponential kernel on whole numbers for types proposes."""
    types = Ordinal("type", (0.0, 1.0, 2.0, 3.0, 4.0))
    space = Space((types, *PAPER.space.variables[1:]))
    return _by(Study(space, StudySettings(initial=2, kernel="se"), seed), numbered=True)


def optuna(noise: float, seed: int) -> Propose:
    """Return what Optuna proposes, after five recipes of chance."""
    return _by(Optuna(PAPER.space, 5, seed))


METHODS: Mapping[str, Callable[[float, int], Propose]] = {
    "ours": ours,
    "as in the paper": as_in_the_paper,
    "Optuna": optuna,
}


def _by(search: Search, *, numbered: bool = False) -> Propose:
    """Return what a search proposes that is told one recipe after the other."""
    types = PAPER.variables[0].choices

    def given(k: int) -> Point:
        point = PAPER.space.points(ROWS[[k]])[0]
        if numbered:
            point["type"] = float(types.index(str(point["type"])))
        return point

    def propose(told: list[tuple[int, float]]) -> int:
        k, value = told[-1]
        search.tell(given(k), value)
        known = dict(told)
        for _ in range(AGAIN):
            point = dict(search.ask())
            if numbered:
                point["type"] = types[round(float(point["type"]))]
            index = _index(point)
            if index not in known:
                break
            search.tell(given(index), known[index])
        return index

    return propose


def _index(point: Point) -> int:
    return int(np.abs(ROWS - PAPER.space.rows([point])).max(axis=1).argmin())


def arrival(work: tuple[str, str, float, int]) -> int:
    """Return how many recipes a search needs; LAST + 1 if that is not enough."""
    method, kind, noise, seed = work
    values, rng = landscape(kind, seed), np.random.default_rng([seed, 99])
    propose = METHODS[method](noise, seed)
    told: list[tuple[int, float]] = []
    k = START
    with threadpool_limits(limits=1):
        while True:
            told.append((k, float(values[k] + noise * rng.standard_normal())))
            if values[k] >= NEAR * values.max():
                return len(told)
            if len(told) == LAST:
                return LAST + 1
            k = propose(told)


def arrivals(methods: list[str], seeds: int) -> dict[tuple[str, str, float], Array]:
    """Return those of every method, landscape and noise, by seed."""
    keys = [(m, kind, noise) for m in methods for kind in KINDS for noise in NOISES]
    works = [(*key, seed) for key in keys for seed in range(seeds)]
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool,
        Progress(console=errors, disable=not errors.is_terminal) as bar,
    ):
        found = list(bar.track(pool.map(arrival, works), total=len(works)))
    split = np.array(found).reshape(len(keys), seeds)
    return dict(zip(keys, split, strict=True))


def _described(name: str, needed: Array, *, target: bool = False) -> Iterator[Row]:
    """Yield median and ninetieth percentile, and the distribution."""
    low, middle, high, far = np.quantile(needed, [0.25, 0.5, 0.75, 0.9])
    goals = (f"<= {MEDIAN}", f"<= {NINETIETH}") if target else (None, None)
    holds = (bool(middle <= MEDIAN), bool(far <= NINETIETH)) if target else (None, None)
    spread = float(high - low) / 2
    yield Row(
        f"{name}: median (± half quartile range)", middle, spread, "recipes", goals[0], holds[0]
    )
    yield Row(f"{name}: 90th percentile", far, None, "recipes", goals[1], holds[1])
    for n in WITHIN:
        yield Row(f"{name}: within {n}", 100 * float(np.mean(needed <= n)), None, "%")


def rows_of(found: Mapping[tuple[str, str, float], Array], seeds: int) -> Iterator[Row]:
    """Yield every figure: of all landscapes together, then one by one; chance beside."""
    methods = list(dict.fromkeys(method for method, _, _ in found))
    for method in methods:
        everything = np.concatenate([v for (m, _, _), v in found.items() if m == method])
        yield from _described(f"{method}, all", everything, target=method == "ours")
    for (method, kind, noise), needed in found.items():
        yield from _described(f"{method}, {kind}, noise {noise:g}", needed)
    for kind in KINDS:
        share = np.mean([chance(landscape(kind, s), len(ROWS)) for s in range(seeds)], axis=0)
        middle = float(np.argmax(share >= 0.5) + 1)
        yield Row(f"chance, {kind}: median (exact)", middle, None, "recipes")
        yield Row(f"chance, {kind}: within 60 (exact)", 100 * float(share[59]), None, "%")


def ask_times() -> Row:
    """Return the time of one ask at 60 told recipes, on one core."""
    values, times = landscape("bump", 0), []
    with threadpool_limits(limits=1):
        for seed in range(ASKS):
            rng = np.random.default_rng(seed)
            chosen = rng.choice(len(ROWS), 60, replace=False)
            told = [(int(k), float(values[k] + 0.03 * rng.standard_normal())) for k in chosen]
            began = time.process_time()
            _adviser(told, 0.03).propose(1)
            times.append(time.process_time() - began)
    slowest, spread = max(times), float(np.std(times))
    name = f"ours: one ask at 60 told, the slowest of {ASKS}"
    return Row(name, slowest, spread, "s", f"<= {SECONDS:g}", slowest <= SECONDS)


def draw(found: Mapping[tuple[str, str, float], Array], path: Path) -> None:
    """Draw how many searches have arrived, against the recipes made."""
    methods = list(dict.fromkeys(method for method, _, _ in found))
    shades = ("#0072b2", "#d55e00", "#cc79a7")
    with styled():
        figure = Figure(figsize=(10.4, 5.4), layout="constrained")
        grid = figure.subplots(2, 3, sharex=True, sharey=True)
        panels = ["all", *KINDS]
        for axes, kind in zip(grid.ravel(), panels, strict=True):
            for method, shade in zip(methods, shades, strict=False):
                for noise, style in zip(NOISES, ("-", "--"), strict=True):
                    chosen = [
                        v
                        for (m, k, n), v in found.items()
                        if (m, n) == (method, noise) and kind in ("all", k)
                    ]
                    needed = np.sort(np.concatenate(chosen))
                    share = 100 * np.searchsorted(needed, np.arange(LAST + 1), side="right")
                    label = method if noise == 0 else f"{method}, noise {noise:g}"
                    y = share / len(needed)
                    axes.step(
                        np.arange(LAST + 1),
                        y,
                        style,
                        color=shade,
                        lw=1.3,
                        where="post",
                        label=label,
                    )
            axes.axvline(MEDIAN, color=QUIET, lw=0.7, ls=":")
            axes.axhline(50, color=QUIET, lw=0.7, ls=":")
            axes.set_title(kind)
        for axes in grid[-1]:
            axes.set_xlabel("recipes made")
        for axes in grid[:, 0]:
            axes.set_ylabel("searches within 2 % (%)")
        grid[0, 0].legend(fontsize=6, loc="lower right")
        figure.suptitle(
            "Recipes until within 2 % of the best of 8,400",
            x=0.01,
            ha="left",
            fontsize=12,
            fontweight="bold",
        )
        seeds = len(next(iter(found.values())))
        figure.supxlabel(
            f"made-up landscapes that begin at 0.36 and have their best at 0.93; {seeds} of each "
            "kind; dotted: half of the searches, 15 recipes",
            fontsize=8,
            color=QUIET,
        )
        save(figure, path)


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="landscapes of each kind")
    parser.add_argument("--figure", type=Path, help="where the distributions are drawn")
    parser.add_argument("--methods", help="by commas; all by default")
    chosen = parser.parse_args()
    methods = chosen.methods.split(",") if chosen.methods else list(METHODS)
    if find_spec("optuna") is None and "Optuna" in methods:
        methods.remove("Optuna")
    found = arrivals(methods, chosen.seeds)
    if chosen.figure is not None:
        draw(found, chosen.figure)
    rows = [ask_times(), *rows_of(found, chosen.seeds)]
    title = (
        f"recipes until within 2 % ({chosen.seeds} made-up landscapes of each kind; "
        f"{LAST + 1}: not in time)"
    )
    show(rows, as_json=chosen.json, title=title)


if __name__ == "__main__":
    main()
