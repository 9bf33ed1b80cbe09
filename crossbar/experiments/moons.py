"""The main job: what analog hardware costs a small network on the two-moons task.

Networks are trained with each objective, programmed into the array by write-verify, and run with
every multiply done there; programming and inference are repeated, because one programming draw says
little. What is measured goes to the record draw by draw, and the summary, the table and the figure
are made from those arrays alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from crossbar.backend import Array, DataError
from crossbar.bench import Bench, Description, with_lines
from crossbar.data import Points, Standardisation, moons, read_csv, split, standardise
from crossbar.experiments import moons_wires
from crossbar.experiments.moons_settings import MoonsSettings
from crossbar.experiments.moons_training import Work, bench_errors, trained
from crossbar.mapping import MAPPINGS
from crossbar.network import classify
from crossbar.offload import HardwareNetwork, offload
from crossbar.placement import check_fits
from crossbar.resumable import Record
from crossbar.store import Arrays

Progress = Callable[[str, int, int], None]
"""Called with the name of a piece of work, how much of it is done, and how much there is."""

VALIDATION_POINTS, VALIDATION_SHARE = 1000, 0.3
"""Points that a search chooses by: of the moons, and of a person's own training points."""
GRID = 61
"""Points per side of the grid on which decision boundaries are drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Points of the task, standardised by the training part."""

    train: Points
    test: Points
    scaling: Standardisation


def adapted(settings: MoonsSettings, description: Description) -> Description:
    """Return the bench with the line resistance asked for, if any is."""
    if settings.line_resistance is None:
        return description
    return with_lines(description, settings.line_resistance)


def run(
    settings: MoonsSettings,
    bench: Bench,
    record: Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Train, program and infer, and leave everything measured in the record.

    Parameters
    ----------
    settings
        What to do.
    bench
        Where; the same array is programmed again and again.
    record
        Receives one result per network and per programming draw, as soon as it is there. What an
        interrupted run had finished is not done again; the array, though, is as it is now.
    seed
        Of the points and of the training; the bench has its own.
    progress
        Told of training, draws and cells.

    Raises
    ------
    DataError
        If an objective does not exist, or the points cannot be used.
    CapacityError
        If the network does not fit the array.
    """
    # Torch takes a second to import; a bench PC that only reads should not wait for it.
    from crossbar.objectives import OBJECTIVES

    for name in settings.objectives:
        if name not in OBJECTIVES:
            raise DataError(f"training {name!r} is not one of {', '.join(OBJECTIVES)}")
    shapes = [(3, settings.hidden), (settings.hidden + 1, 1)]
    check_fits(shapes, MAPPINGS[settings.mapping], bench.backend.shape)
    # Matrices this small gain nothing from threads, and lose much on a busy machine.
    with threadpool_limits(limits=1):
        _run(settings, bench, record, seed, progress)


def _run(
    settings: MoonsSettings, bench: Bench, record: Record, seed: int, progress: Progress
) -> None:
    points_rng, training_rng, more_rng = np.random.default_rng(seed).spawn(3)
    task = make_task(settings, points_rng)
    train, validation = _validation(settings, task, more_rng)
    grid = _grid(task.train.inputs)
    if record.finished("points") is None:
        record.result("points", _points_arrays(task, grid))
    crossbar = bench.crossbar(mapping=settings.mapping)
    errors = None
    if settings.measures:
        errors = bench_errors(crossbar, settings.device_programs, more_rng, record, progress)
    work = Work(
        *(train, task.test, validation, grid, (2, settings.hidden, 1)),
        *(settings.schedule, settings.searched, errors if settings.drift is None else None),
    )
    start = int(training_rng.integers(2**63))
    networks = {
        name: trained(name, work, errors, start, record, progress) for name in settings.objectives
    }
    total = settings.draws * len(networks)
    for draw in range(settings.draws):
        for k, (name, network) in enumerate(networks.items()):
            progress("programming draws", draw * len(networks) + k, total)
            piece = f"draw/{name}/{draw}"
            if record.finished(piece) is not None:
                continue
            record.begin(piece)

            def cells(done: int, of: int) -> None:
                progress("cells of this pass", done, of)

            hardware = offload(
                network, crossbar, task.train.inputs, calibrate=False, progress=cells
            )
            last = grid if draw == settings.draws - 1 else None
            found = _infer(hardware, task, last)
            if settings.line_resistance is not None:
                wires = moons_wires.measure(
                    crossbar, hardware, task.test.inputs, settings.line_resistance
                )
                found = {**found, **{f"wires_{key}": values for key, values in wires.items()}}
            record.result(piece, found)
    progress("programming draws", total, total)


def _validation(
    settings: MoonsSettings, task: Task, rng: np.random.Generator
) -> tuple[Points, Points]:
    """Return training points and others to choose by, if there is anything to choose."""
    if settings.data is not None and settings.search:
        return split(task.train, VALIDATION_SHARE, rng)
    others = moons(VALIDATION_POINTS, settings.noise, rng) if settings.data is None else task.train
    return task.train, task.scaling(others) if settings.data is None else others


def make_task(settings: MoonsSettings, rng: np.random.Generator) -> Task:
    """Return the points, generated or read, split and standardised by the training part."""
    if settings.data is not None:
        train, test = split(read_csv(settings.data), 0.5, rng)
    else:
        train = moons(settings.train_points, settings.noise, rng)
        test = moons(settings.test_points, settings.noise, rng)
    scaling = standardise(train)
    return Task(train=scaling(train), test=scaling(test), scaling=scaling)


def _infer(hardware: HardwareNetwork, task: Task, grid: Array | None) -> Arrays:
    """Run the test points on the array, as programmed and then calibrated; return what is kept.

    Calibrating takes a few training inputs more; both are shown because it wins back a good part
    of what relaxation costs, and not every bench that is compared with does it.
    """
    inference = hardware.run(task.test.inputs)
    boundary = None if grid is None else hardware(grid)[:, 0]
    hardware.calibrate(task.train.inputs)
    calibrated = hardware.run(task.test.inputs)
    report = hardware.report
    arrays: dict[str, ArrayLike] = {
        "accuracy": _accuracy(inference.scores, task.test),
        "calibrated_accuracy": _accuracy(calibrated.scores, task.test),
        "target": report.target,
        "verified": report.verified,
        "ended": report.ended,
        "reread": report.reread,
        "status": report.status,
        "pulses": report.pulses,
        "tolerance": report.tolerance,
        "reread_delay": report.reread_delay,
        "success_at_verify": report.success_at_verify,
        "success_at_end": report.success_at_end,
        "success_on_reread": report.success_on_reread,
        "program_seconds": report.seconds,
        "clipped_reads": report.clipped,
        "clipped_products": sum(
            int(p.clipped.sum()) for p in (*inference.products, *calibrated.products)
        ),
        "inputs_beyond_range": np.array(inference.beyond),
    }
    for k, product in enumerate(inference.products):
        arrays[f"errors_{k}"] = product.errors
        arrays[f"calibrated_errors_{k}"] = calibrated.products[k].errors
        arrays[f"digital_sd_{k}"] = np.std(product.digital)
        arrays[f"shortfall_{k}"] = report.shortfall[k]
    if boundary is not None:
        arrays["grid_scores"] = boundary
    return {name: np.asarray(value) for name, value in arrays.items()}


def _accuracy(scores: Array, points: Points) -> float:
    return float(np.mean(classify(scores) == points.labels))


def _grid(inputs: Array) -> Array:
    """Return a grid over the points with a margin, shape ``(GRID**2, 2)``."""
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    margin = 0.08 * (high - low)
    axes = [np.linspace(a, b, GRID) for a, b in zip(low - margin, high + margin, strict=True)]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)


def _points_arrays(task: Task, grid: Array) -> Arrays:
    return {
        "train_inputs": task.train.inputs,
        "train_labels": task.train.labels,
        "test_inputs": task.test.inputs,
        "test_labels": task.test.labels,
        "mean": np.asarray(task.scaling.mean),
        "std": np.asarray(task.scaling.std),
        "class_names": np.array(task.test.class_names),
        "grid": grid,
    }
