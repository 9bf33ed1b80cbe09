"""A study: networks trained with several objectives, on devices that are worth less and less.

Every unit, a network, an objective and a seed, goes to the record as soon as it is done; a study
that was interrupted goes on with those that are missing. Units are made here, or on the workers of
a Dask cluster; their numbers are the same.
"""

import os
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import DataError
from crossbar.experiments.bounds import option
from crossbar.experiments.study_settings import FOLDER, StudySettings
from crossbar.resumable import Record
from crossbar.store import Arrays
from crossbar.studies import READERS, named
from crossbar.studies.levels import at_sigma

if TYPE_CHECKING:
    from crossbar.studies.task import Dataset, Task
    from crossbar.studies.tiles import TilePlan
    from crossbar.studies.unit import Plan, Unit

Progress = Callable[[str, int, int], None]

WARM = 1 / 3
"""Part of the epochs without noise, first: with noise from the start small networks learn little
(resnet on textures, lognormal 0.4, 10 epochs: .39 without a warm-up, .88 with this one)."""

VALIDATION_DRAWS = 10


def run(
    settings: StudySettings,
    record: Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Make every unit that is missing, here or on a cluster, and leave each in the record.

    Parameters
    ----------
    settings
        What to do.
    record
        Receives the study's plan, what the data are, and each unit as soon as it is done.
    seed
        Of the data and of every unit.
    progress
        Told of units; of the steps and levels of each where they are made here.

    Raises
    ------
    DataError
        If a name does not exist, the data cannot be used, or they are not those of the run that
        is gone on with.
    ClusterError
        If the cluster cannot be used, or did not finish.
    """
    about = named(settings.task)
    units = _units(settings, about)
    data = _data(settings, about, seed)
    plan = _plan(settings, about, data, seed)
    _begin(settings, about, data, plan, units, record)
    missing = [unit for unit in units if record.finished(unit.name) is None]
    done = len(units) - len(missing)
    progress("units", done, len(units))
    # Closed at once whatever happens, so that a cluster does not go on for nobody.
    with closing(_made(settings, plan, missing, data, progress)) as made:
        for unit, arrays in made:
            record.result(unit.name, arrays)
            done += 1
            progress("units", done, len(units))


def _units(settings: StudySettings, about: "Task") -> list["Unit"]:
    """Return the units in the order they are made: every objective once, before the next seed."""
    from crossbar.objectives import OBJECTIVES
    from crossbar.studies.unit import Unit

    networks, objectives = settings.chosen
    if networks in (("all",), ("first",)):
        networks = tuple(about.networks)[: 1 if networks == ("first",) else None]
    for asked, known, what in (
        (networks, about.networks, "network"),
        (objectives, OBJECTIVES, "objectives"),
    ):
        for name in asked:
            if name not in known:
                raise DataError(f"{option(what)} {name!r} is not one of {', '.join(known)}")
    return [
        Unit(network, objective, index)
        for index in range(settings.seeds)
        for network in networks
        for objective in objectives
    ]


def located(settings: StudySettings) -> StudySettings:
    """Return the settings with the folder of the data, if the environment names one."""
    everything = os.environ.get(FOLDER)
    if settings.data is None and everything and settings.task in READERS:
        own = Path(everything) / settings.task
        if own.is_dir():
            return replace(settings, data=str(own))
    return settings


def _data(settings: StudySettings, about: "Task", seed: int) -> "Dataset":
    from crossbar.studies.unit import seed_of

    named_folder = located(settings).data
    folder = None if named_folder is None else Path(named_folder)
    rng = np.random.default_rng(seed_of("data", seed, about.name))
    return about.load(folder, rng, settings.size)


def _plan(settings: StudySettings, about: "Task", data: "Dataset", seed: int) -> "Plan":
    from crossbar.fit_settings import FitSettings
    from crossbar.studies.unit import Plan

    epochs = settings.epochs or about.epochs(data)
    return Plan(
        task=settings.task,
        settings=FitSettings(
            epochs=epochs,
            batch=about.batch,
            learning_rate=about.learning_rate,
            warmup=int(WARM * epochs),
            validation_draws=VALIDATION_DRAWS if settings.validation_sigma else 1,
            noise=settings.noise,
        ),
        deployment=at_sigma(settings.device, settings.validation_sigma),
        levels=settings.levels,
        draws=settings.draws,
        seed=seed,
        tiles=_tiles(settings),
    )


def _tiles(settings: StudySettings) -> "TilePlan | None":
    from crossbar.studies.tiles import TilePlan
    from crossbar.tiling.settings import TileSettings
    from crossbar.wires import Lines

    if settings.tiled is None:
        return None
    bits = settings.tile_bits or None
    return TilePlan(
        settings=TileSettings(
            tile=settings.tiled, dac_bits=bits, adc_bits=bits, coding=settings.coding
        ),
        read_noise=settings.read_noise,
        lines=Lines(settings.line_resistance),
    )


def _begin(
    settings: StudySettings,
    about: "Task",
    data: "Dataset",
    plan: "Plan",
    units: list["Unit"],
    record: Record,
) -> None:
    """Record what the data are and what is asked of them, or find that it is what it was."""
    from crossbar.studies.task import NO_CLAIM

    fingerprint = np.array(data.fingerprint())
    before = record.finished("data")
    if before is None:
        record.result(
            "data",
            {
                "sentence": np.array(data.sentence),
                "claim": np.array(NO_CLAIM),
                "origin": np.array(data.origin, dtype=np.str_),
                "fingerprint": fingerprint,
                "shape": np.array(data.shape),
                "counts": np.array([len(p) for p in (data.train, data.validation, data.test)]),
            },
        )
    elif before["fingerprint"] != fingerprint:
        raise DataError(
            f"the data are not those of the run that is gone on with, which were "
            f"{before['sentence']}; name their folder with --data"
        )
    if record.finished("study") is None:
        record.result("study", _asked(settings, about, data, plan, units))


def _asked(
    settings: StudySettings, about: "Task", data: "Dataset", plan: "Plan", units: list["Unit"]
) -> dict[str, ArrayLike]:
    """Return what a table and a figure have to know besides the units."""
    return {
        "about": np.array(about.about),
        "pairs": np.array(list(dict.fromkeys(f"{u.network}/{u.objective}" for u in units))),
        "measures": np.array([measure.name for measure in about.measures]),
        "chance": np.array([measure.chance(data.test.labels) for measure in about.measures]),
        "by": np.array("sigma" if settings.usabilities is None else "usability"),
        "form": np.array(settings.form),
        "sigma": np.array([level.sigma_ub for level in plan.levels]),
        "rho": np.array([level.rho for level in plan.levels]),
        "usability": np.array([level.usability(settings.form) for level in plan.levels]),
        "convention": np.array([level.convention for level in plan.levels]),
        "epochs": np.array(plan.settings.epochs),
        "warmup": np.array(plan.settings.warmup),
        "batch": np.array(plan.settings.batch),
        "learning_rate": np.array(plan.settings.learning_rate),
        "tiles": np.array("" if plan.tiles is None else str(plan.tiles)),
    }


def _made(
    settings: StudySettings,
    plan: "Plan",
    units: list["Unit"],
    data: "Dataset",
    progress: Progress,
) -> Generator[tuple["Unit", Arrays], None, None]:
    """Yield units as they are done, made here one after the other or on a cluster."""
    if settings.scheduler is not None:
        from crossbar.studies.cluster import on_cluster

        def look(workers: int) -> None:
            progress("workers", workers, workers)

        yield from on_cluster(settings.scheduler, plan, units, data, look)
        return
    from crossbar.studies.unit import make

    for unit in units:
        yield unit, make(plan, unit, data, progress)
