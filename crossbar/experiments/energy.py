"""What a network's inference costs on the array: power from measured conductances and voltages.

A network is programmed, every cell is read, and the test inputs run through it layer by layer; the
voltages that are driven and the conductances that were read say what each cell dissipates. How long
a read takes is an input: it is that of a chip that does not exist, and the bench's own read time is
kept beside it. So is the energy of converters, which are published ones and not the bench's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from crossbar.backend import Array, DataError
from crossbar.bench import Bench
from crossbar.energy.converters import ADCS, DACS, NONE
from crossbar.experiments.bounds import at_least, one_of, option, positive
from crossbar.experiments.certify import network_of
from crossbar.experiments.energy_draw import accuracy, dissipated
from crossbar.experiments.moons import make_task
from crossbar.experiments.moons_settings import MoonsSettings
from crossbar.mapping import MAPPINGS
from crossbar.matrices import read_matrix
from crossbar.network import Labels, Network, check_inputs, load
from crossbar.offload import offload
from crossbar.placement import check_fits
from crossbar.resumable import Record, recording
from crossbar.store import Arrays, Run
from crossbar.training_settings import TrainingSettings

Progress = Callable[[str, int, int], None]
"""Called with the name of a piece of work, how much of it is done, and how much there is."""

TRAINING, MOONS = TrainingSettings(), MoonsSettings()


@dataclass(frozen=True, slots=True)
class EnergySettings:
    """What `xbar energy` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a name does not exist.
    """

    network: str | None = field(
        default=None, metadata={"help": "A saved network (.npz); one is trained if missing."}
    )
    data: str | None = field(
        default=None,
        metadata={
            "help": "CSV: points to train on; with --network its inputs, and a class if there is."
        },
    )
    training: str = field(default="erm", metadata={"help": "Training objective of the network."})
    hidden: int = field(default=4, metadata={"help": "Hidden units of the 2-H-1 network."})
    mapping: str = field(
        default="differential",
        metadata={"help": f"How weights become conductances: {', '.join(MAPPINGS)}."},
    )
    repeats: int = field(default=5, metadata={"help": "Programming draws."})
    read_time: float = field(
        default=50e-9,  # Joksas et al., joksas/nonideality-aware-mnn-training
        metadata={"help": "Hypothetical duration of one read, s; by default that of Joksas."},
    )
    adc: str = field(
        default="isaac", metadata={"help": f"Published converter: {', '.join(ADCS)}, {NONE}."}
    )
    dac: str = field(
        default="isaac", metadata={"help": f"Published converter: {', '.join(DACS)}, {NONE}."}
    )
    input_bits: int = field(
        default=8,  # assumed
        metadata={"help": "Bits of an input; a DAC of fewer converts several times."},
    )
    law_points: int = field(
        default=4,
        metadata={"help": "Read voltages that show the cells' I-V law; 1: cells are ohmic."},
    )
    train_points: int = field(
        default=MOONS.train_points, metadata={"help": "Training points of the moons."}
    )
    test_points: int = field(
        default=MOONS.test_points, metadata={"help": "Test points of the moons."}
    )
    noise: float = field(
        default=MOONS.noise, metadata={"help": "Standard deviation of the moons' noise."}
    )
    epochs: int = field(
        default=TRAINING.epochs, metadata={"help": "Training steps per start, full batch."}
    )

    def __post_init__(self) -> None:
        at_least(self, repeats=1, hidden=1, epochs=1, input_bits=1, law_points=1, test_points=20)
        positive(self, "read_time")
        one_of(self, "mapping", MAPPINGS)
        one_of(self, "adc", (*ADCS, NONE))
        one_of(self, "dac", (*DACS, NONE))
        _ = self.points

    @property
    def points(self) -> MoonsSettings:
        """What the points of a trained network are, as `xbar moons` makes them."""
        return MoonsSettings(
            hidden=self.hidden,
            data=None if self.network else self.data,
            train_points=self.train_points,
            test_points=self.test_points,
            noise=self.noise,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A network and what runs through it.

    Parameters
    ----------
    network
        To be programmed.
    train, test
        Inputs as they reach the network, shape ``(n, n_in)``; the first set the ranges.
    labels
        Class of each test input; None where nobody knows.
    """

    network: Network
    train: Array
    test: Array
    labels: Labels | None


def run(
    settings: EnergySettings,
    bench: Bench,
    record: Run | Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Program, read and run a network again and again; leave power and conductances in the record.

    The record holds results ``asked`` and ``network``, and one ``draw/K`` per programming.

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
        Told of training, draws and cells.

    Raises
    ------
    DataError
        If the objective does not exist, or the network or the data cannot be used.
    CapacityError
        If the network does not fit the array.
    """
    # Matrices this small gain nothing from threads, and lose much on a busy machine.
    with threadpool_limits(limits=1):
        saved = load(settings.network) if settings.network else None
        widths = saved.widths if saved else (2, settings.hidden, 1)
        shapes = [(n_in + 1, n_out) for n_in, n_out in pairwise(widths)]
        check_fits(shapes, MAPPINGS[settings.mapping], bench.backend.shape)
        record = recording(record)
        if record.finished("asked") is None:
            record.result("asked", _asked(settings))
        before = record.finished("network")
        if saved is None:
            known = None if before is None else network_of(before)
            work = _trained(settings, known, seed, progress)
        else:
            work = _given(settings, saved, seed)
        if before is None:
            record.result("network", _network_arrays(work))
        crossbar = bench.crossbar(mapping=settings.mapping)
        cells = partial(progress, "cells of this pass")
        for draw in range(settings.repeats):
            progress("programming draws", draw, settings.repeats)
            if record.finished(f"draw/{draw}") is not None:
                continue
            record.begin(f"draw/{draw}")
            hardware = offload(work.network, crossbar, work.train, progress=cells)
            found = dissipated(crossbar, hardware, work.test, work.labels, settings.law_points)
            record.result(f"draw/{draw}", found)
        progress("programming draws", settings.repeats, settings.repeats)


def _trained(
    settings: EnergySettings, known: Network | None, seed: int, progress: Progress
) -> Work:
    """Return a network that was trained on points, as `xbar moons` would with this seed.

    It is trained now unless it is `known` from an interrupted run.
    """
    points_rng, training_rng = np.random.default_rng(seed).spawn(2)
    task = make_task(settings.points, points_rng)
    if known is not None:
        return Work(known, task.train.inputs, task.test.inputs, task.test.labels)
    # Torch takes a second to import; a bench PC that has a network need not wait for it.
    from crossbar.objectives import OBJECTIVES
    from crossbar.training import train

    one_of(settings, "training", tuple(OBJECTIVES))
    warmup = settings.epochs * TRAINING.warmup // TRAINING.epochs
    trained = train(
        task.train,
        settings.training,
        TrainingSettings(epochs=settings.epochs, warmup=warmup),
        np.random.default_rng(int(training_rng.integers(2**63))),
        widths=(2, settings.hidden, 1),
        progress=partial(progress, f"training {settings.training}"),
    )
    return Work(trained.network, task.train.inputs, task.test.inputs, task.test.labels)


def _given(settings: EnergySettings, network: Network, seed: int) -> Work:
    """Return a saved network with its inputs: a person's own, or the moons for one of 2 inputs."""
    n_in = network.widths[0]
    if settings.data is None:
        if n_in != 2 or network.widths[-1] != 1:
            raise DataError(
                f"{settings.network} has {n_in} inputs and {network.widths[-1]} outputs, moons 2 "
                f"and 1: give its inputs with {option('data')}"
            )
        task = make_task(settings.points, np.random.default_rng(seed).spawn(2)[0])
        return Work(network, task.train.inputs, task.test.inputs, task.test.labels)
    table = read_matrix(Path(settings.data))
    if table.shape[1] not in (n_in, n_in + 1):
        raise DataError(
            f"{settings.data} has {table.shape[1]} columns; {settings.network} takes {n_in} "
            "inputs, and a column of classes may follow"
        )
    inputs = check_inputs(table[:, :n_in], n_in)
    labels = table[:, n_in].astype(np.int64) if table.shape[1] > n_in else None
    return Work(network, inputs, inputs, labels)


def _asked(settings: EnergySettings) -> Arrays:
    """Return what the summary needs of the settings, converters with their numbers."""
    asked = {
        "read_time": np.asarray(settings.read_time),
        "input_bits": np.asarray(settings.input_bits),
    }
    for kind, name, table in (("adc", settings.adc, ADCS), ("dac", settings.dac, DACS)):
        if name != NONE:
            c = table[name]
            asked[kind] = np.array([name, c.architecture, c.source])
            asked[f"{kind}_numbers"] = np.array([c.bits, c.rate, c.power, c.node])
    return asked


def _network_arrays(work: Work) -> Arrays:
    layers = work.network.layers
    return {
        **{f"matrix_{k}": layer.matrix for k, layer in enumerate(layers)},
        "activations": np.array([layer.activation for layer in layers]),
        "accuracy": np.asarray(accuracy(work.network(work.test), work.labels)),
        "inputs": np.asarray(len(work.test)),
    }
