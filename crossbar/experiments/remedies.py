"""What wins back the accuracy that an array costs, and what each remedy costs itself.

Networks are trained, and programmed again and again with one pair of cells for each weight and with
several. After every programming the test points run through the array at each of several times,
with each remedy in turn on the same chip. Pulses, reads, multiplies and bench time are counted
where they are asked for: below the crossbar.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from crossbar.backend import Array, DataError
from crossbar.bench import Bench
from crossbar.counting import Counted, Tally
from crossbar.crossbar import Crossbar
from crossbar.experiments.moons import Task, make_task
from crossbar.experiments.moons_training import DEVICE, Work, bench_errors, trained
from crossbar.experiments.remedies_settings import RemediesSettings, Way
from crossbar.experiments.remedy import Chip, Remedy, take_reference, tune_on_chip
from crossbar.loop_settings import WeightSettings
from crossbar.mapping import MAPPINGS
from crossbar.network import Network, classify
from crossbar.offload import offload
from crossbar.placement import check_fits
from crossbar.programming.metrics import NOTHING
from crossbar.resumable import Record
from crossbar.store import Arrays

Progress = Callable[[str, int, int], None]
"""Called with the name of a piece of work, how much of it is done, and how much there is."""


def run(
    settings: RemediesSettings,
    bench: Bench,
    record: Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Train, program, wait and measure with every remedy, and leave everything in the record.

    The record holds ``asked``, a ``network/TRAINING`` each, and one ``draw/TRAINING/WAY/K`` per
    programming.

    Parameters
    ----------
    settings
        What to do.
    bench
        Where; the same array is programmed again and again.
    record
        Receives each draw as soon as it is there. What an interrupted run had finished is not done
        again; the array, though, is as it is now.
    seed
        Of the points and of the training; the bench has its own.
    progress
        Told of training, draws, cells and steps.

    Raises
    ------
    DataError
        If an objective does not exist, or the points cannot be used.
    CapacityError
        If the network does not fit the array with one of the numbers of copies.
    """
    # Torch takes a second to import; a bench PC that only reads should not wait for it.
    from crossbar.objectives import OBJECTIVES

    for name in settings.points.objectives:
        if name not in OBJECTIVES:
            raise DataError(f"training {name!r} is not one of {', '.join(OBJECTIVES)}")
    shapes = [(3, settings.hidden), (settings.hidden + 1, 1)]
    for counts in settings.counts:
        check_fits(shapes, MAPPINGS[settings.mapping], bench.backend.shape, counts)
    # Matrices this small gain nothing from threads, and lose much on a busy machine.
    with threadpool_limits(limits=1):
        _run(settings, bench, record, seed, progress)


def _run(
    settings: RemediesSettings, bench: Bench, record: Record, seed: int, progress: Progress
) -> None:
    counted = Counted(bench.backend)
    points_rng, training_rng, more_rng = np.random.default_rng(seed).spawn(3)
    task = make_task(settings.points, points_rng)
    if record.finished("asked") is None:
        shape, waits = np.array(bench.backend.shape), np.array(settings.waits)
        record.result("asked", {"array": shape, "waits": waits})
    crossbars = {way: _crossbar(settings, bench, counted, way) for way in settings.ways}
    errors = None
    if DEVICE in settings.points.objectives:
        programs = settings.device_programs
        errors = bench_errors(next(iter(crossbars.values())), programs, more_rng, record, progress)
    work = Work(
        task.train,
        task.test,
        task.train,
        task.train.inputs,
        (2, settings.hidden, 1),
        settings.points.schedule,
        None,
    )
    start = int(training_rng.integers(2**63))
    networks = {
        name: trained(name, work, errors, start, record, progress)
        for name in settings.points.objectives
    }
    pieces = list(_pieces(settings))
    for k, (draw, training, way) in enumerate(pieces):
        progress("programming draws", k, len(pieces))
        name = f"draw/{training}/{way.name}/{draw}"
        if record.finished(name) is None:
            record.begin(name)
            network, crossbar = networks[training], crossbars[way]
            found = _draw(settings, task, network, crossbar, counted, way, draw, progress)
            record.result(name, found)
    progress("programming draws", len(pieces), len(pieces))


def _pieces(settings: RemediesSettings) -> Iterator[tuple[int, str, Way]]:
    """Yield draw, training and way; draws outermost, so that an interrupt leaves all with some."""
    for draw in range(settings.draws):
        for training in settings.points.objectives:
            for way in settings.ways:
                yield draw, training, way


def _crossbar(settings: RemediesSettings, bench: Bench, counted: Counted, way: Way) -> Crossbar:
    """Return a crossbar that measures nothing of its own: waits and reads are counted here."""
    p = bench.programming
    cell = replace(p.cell, reread_delay=0.0)
    return Crossbar(
        counted, cell, p.pulses, mapping=settings.mapping, metrics=NOTHING, copies=way.copies
    )


def _draw(
    settings: RemediesSettings,
    task: Task,
    network: Network,
    crossbar: Crossbar,
    counted: Counted,
    way: Way,
    draw: int,
    progress: Progress,
) -> Arrays:
    """Program a network, and measure it at every time with every remedy; return what is kept."""
    _ = crossbar.offset  # measured once for all draws, and no part of any
    before = counted.tally
    cells = partial(progress, "cells of this pass")
    hardware = offload(network, crossbar, task.train.inputs, calibrate=False, progress=cells)
    programming = counted.tally - before
    chip = Chip(hardware, crossbar, counted, task.train)
    written, pulses = counted.now, 0
    if way.tuned:
        counted.wait(settings.waits[0])
        before = counted.tally
        pulses = tune_on_chip(chip, partial(progress, "steps on the chip"))
        programming = programming + (counted.tally - before)
        # Its last pause, if it wrote at all, is the first part of the wait.
        written = counted.now - WeightSettings().pause if pulses else written
    else:
        take_reference(chip)
    remedies = settings.remedies_of(way)
    shape = len(remedies), len(settings.waits)
    accuracy, age, cost = np.empty(shape), np.empty(shape), np.empty((*shape, 4))
    for t, wait in enumerate(settings.waits):
        counted.wait(max(written + wait - counted.now, 0.0))
        chip.begin()
        # Remedies differ in what is done to these products: they are measured once for all.
        first = chip.hardware.layers[0].multiply(task.test.inputs).values
        # Each is measured a little later than the one before it: each is first in its turn.
        for i in np.roll(np.arange(len(remedies)), -draw):
            spent = _applied(chip, tuple(remedies.values())[i])
            right = classify(_scores(chip, first)) == task.test.labels
            accuracy[i, t], age[i, t] = np.mean(right), counted.now - written
            cost[i, t] = _plain(spent)
    report = hardware.report
    return {
        "remedies": np.array(list(remedies)),
        "accuracy": accuracy,
        "age": age,
        "cost": cost,
        "programming": _plain(programming),
        "cells": np.asarray(report.programmed.sum()),
        "drives": np.asarray(sum(len(placed.blocks) for placed in report.placed)),
        "pulses": report.pulses,
        "status": report.status,
        "tuning_pulses": np.asarray(pulses),
        "shortfall": np.array([float(np.abs(s).max(initial=0.0)) for s in report.shortfall]),
    }


def _applied(chip: Chip, remedy: Remedy) -> Tally:
    """Apply a remedy to raw products; return what it takes, with what it shares with others."""
    chip.begin()
    before, known = chip.counted.tally, dict(chip.spent)
    remedy.apply(chip)
    spent = chip.counted.tally - before
    for name in remedy.shares:
        # What was done only now is in `spent` already.
        if name in known:
            spent = spent + known[name]
    return spent


def _scores(chip: Chip, first: Array) -> Array:
    """Return the scores for raw products of the first layer, corrected as the chip is now."""
    values, layers = chip.crossbar.corrections[0](first), chip.hardware.layers
    values = layers[0].activated(values)
    for layer in layers[1:]:
        values, _ = layer.run(values)
    return values


def _plain(tally: Tally) -> Array:
    """Return pulses, reads, multiplies and seconds."""
    return np.array([tally.pulses, tally.reads, tally.multiplies, tally.seconds], dtype=np.float64)
