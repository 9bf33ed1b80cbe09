"""A simulated laboratory: it makes a recipe into made-up devices and measures their I-V curves.

For trying out a campaign from end to end, and for its tests. How the recipe enters the device is
assumed throughout: nobody has measured it. What follows from the device, the curves and their
usability, is the simulator's physics and the same analysis that real files go through.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import numpy as np

from crossbar.backend import DataError
from crossbar.campaigns.records import Recipe
from crossbar.device_fit import bench_text

Progress = Callable[[str, int, int], None]

BEST: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "length": (1.5, 1.0),  # um
        "diameter": (150.0, 120.0),  # nm
        "deposition": (15.0, 12.0),  # min
        "silver": (200.0, 250.0),  # nm
    }
)
"""Where the made-up devices are best, and how far from it they are clearly worse; assumed. The
place is that of the best device of arXiv 2412.02779."""
KINDS: Mapping[str, float] = MappingProxyType(
    {"MAPbI3": 0.0, "MAPbBr3": 0.35, "MAPbCl3": 0.6, "FAPbI3": 0.45, "CsPbI3": 0.7}
)
"""How much worse the other perovskites are; assumed, but that FA and Cs are below MA."""
CYCLES = 6
SWITCHING, RELAXING = (0.05, 0.8), (0.01, 0.25)
"""Spread from cycle to cycle and of relaxation, of the best and of the worst devices; assumed."""


def make_and_measure(
    recipe: Recipe,
    number: int,
    folder: Path,
    devices: int = 4,
    progress: Progress = lambda work, done, total: None,
) -> list[Path]:
    """Return PyMeasure CSV files of I-V curves of simulated devices of a recipe.

    Parameters
    ----------
    recipe
        Of a campaign over some of `BEST` and ``type``.
    number
        Of the recipe: its devices are the same whenever they are made.
    folder
        Receives a folder with the files.
    devices
        How many are made and measured, at most ten.
    progress
        Told of curves.

    Raises
    ------
    DataError
        If the laboratory does not know a variable, or cannot make so many.
    """
    from crossbar import load, session
    from crossbar.experiments import EXPERIMENTS
    from crossbar.experiments.iv import IvSettings

    if not 1 <= devices <= 10:
        raise DataError(f"{devices} devices: the simulated laboratory makes 1 to 10 of a recipe")
    # On lines of their own, as single devices are: none disturbs another.
    cells = " ".join(f"{k},{k}" for k in range(devices))
    settings = IvSettings(cells=cells, cycles=CYCLES)
    target = folder / f"recipe-{number}"
    target.mkdir(parents=True, exist_ok=True)
    experiment = EXPERIMENTS["iv"]
    with tempfile.TemporaryDirectory() as scratch:
        bench = Path(scratch) / "laboratory.toml"
        bench.write_text(bench_text("sim", _table(recipe)), encoding="utf-8")
        store = Path(scratch) / "made.sqlite"
        with session(
            load(str(bench)), store, experiment="iv", settings=asdict(settings), seed=number
        ) as s:
            experiment.run(settings, s.bench, s.run, s.seed, progress)
            results, run = s.store.results(s.run.id), s.store.run(s.run.id)
        assert experiment.write_csv is not None  # noqa: S101 - of iv
        return experiment.write_csv(run, results, target)


def badness(recipe: Recipe) -> float:
    """Return how far a recipe is from the best made-up device: 0 is the best.

    Raises
    ------
    DataError
        If it has a variable that the laboratory does not know.
    """
    total = 0.0
    for name, value in recipe.items():
        if name == "type" and value in KINDS:
            total += KINDS[str(value)]
        elif name in BEST and not isinstance(value, str):
            best, width = BEST[name]
            total += ((value - best) / width) ** 2
        else:
            known = ", ".join(("type", *BEST))
            raise DataError(f"the simulated laboratory knows {known}, not {name} = {value!r}")
    return total


def _table(recipe: Recipe) -> str:
    """Return the table ``[device]`` of a bench of such devices."""
    worse = 1 - np.exp(-badness(recipe))
    cycle, relax = (low * (high / low) ** worse for low, high in (SWITCHING, RELAXING))
    constants = {
        "cycle_sigma": cycle,
        "relax_sigma": relax,
        "stuck_off": 0.0,
        "stuck_on": 0.0,
    }
    lines = [f"{name} = {value:.6g}" for name, value in constants.items()]
    return "\n".join(["[device]", 'model = "perovskite"', *lines]) + "\n"
