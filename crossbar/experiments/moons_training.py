"""The networks of the main job: trained with each objective, its noise searched if asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from crossbar.backend import Array
from crossbar.crossbar import Crossbar
from crossbar.data import Points
from crossbar.device_errors import DeviceErrors, measure_errors
from crossbar.error_laws import MeasuredErrors
from crossbar.network import Layer, Network, classify
from crossbar.resumable import Record
from crossbar.search_settings import SearchSettings
from crossbar.store import Arrays
from crossbar.training_settings import NoiseSettings, TrainingSettings

Progress = Callable[[str, int, int], None]
DEVICE = "device"
"""The objective that has to know what the bench makes of conductances."""
ERRORS = "device-errors"


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What every network of a run is trained on and with.

    Parameters
    ----------
    train, test
        Standardised; the test points are used to say what a network is worth, for nothing else.
    validation
        Points that a search chooses by.
    grid
        Where decision boundaries are drawn, shape ``(n, 2)``.
    widths
        As of `crossbar.training.train`.
    schedule
        How each network is trained.
    search
        How the noise is searched; None to take that of the schedule.
    deployment
        What candidates of a search are judged under; None for the drift of its settings.
    """

    train: Points
    test: Points
    validation: Points
    grid: Array
    widths: tuple[int, ...]
    schedule: TrainingSettings
    search: SearchSettings | None
    deployment: DeviceErrors | None = None


def bench_errors(
    crossbar: Crossbar,
    repeats: int,
    rng: np.random.Generator,
    record: Record,
    progress: Progress,
) -> DeviceErrors:
    """Return what the bench makes of conductances, measured by programming all its cells.

    An interrupted run's measurement is taken over.
    """
    arrays = record.finished(ERRORS)
    if arrays is None:
        record.begin(ERRORS)
        told = partial(progress, "errors of the device")
        # `Crossbar.program` works around stuck cells: what it makes of networks is without them.
        found = measure_errors(crossbar, rng, repeats, told, stuck=False)
        law = found.law
        assert isinstance(law, MeasuredErrors)  # noqa: S101 - what it was measured as
        arrays = {"targets": law.targets, "reached": law.reached, "stuck": law.stuck}
        record.result(ERRORS, arrays)
    # From the record in either case, so that a run that goes on draws the same errors.
    return DeviceErrors.measured(
        arrays["targets"],
        arrays["reached"],
        crossbar.settings.window,
        stuck=arrays["stuck"],
        source=f"{repeats} programs of this array",
    )


def trained(
    name: str,
    work: Work,
    errors: DeviceErrors | None,
    seed: int,
    record: Record,
    progress: Progress,
) -> Network:
    """Return the network of an objective, trained or from the interrupted run.

    Parameters
    ----------
    name
        Of the objective.
    work
        What it is trained on and with.
    errors
        Of the bench, for the objective `DEVICE`.
    seed
        Every objective begins from the same random state.
    record
        Receives the network, and what was searched.
    progress
        Told of epochs, or of the search.
    """
    arrays = record.finished(f"network/{name}")
    if arrays is None:
        network, noise, losses = _made(name, work, errors, seed, record, progress)
        arrays = {
            **{f"matrix_{k}": layer.matrix for k, layer in enumerate(network.layers)},
            "losses": losses,
            "accuracy": np.asarray(
                np.mean(classify(network(work.test.inputs)) == work.test.labels)
            ),
            "grid_scores": network(work.grid)[:, 0],
            "p1": np.array(noise.p1),
            "p2": np.array(noise.p2),
            "sigma": np.array(noise.sigma),
        }
        record.result(f"network/{name}", arrays)
    return network_of(arrays)


def network_of(arrays: Arrays) -> Network:
    """Return the network that a record holds: tanh inside, one linear output."""
    matrices: list[Array] = []
    while (key := f"matrix_{len(matrices)}") in arrays:
        matrices.append(arrays[key])
    last = len(matrices) - 1
    return Network(
        tuple(
            Layer(matrix[:-1], matrix[-1], "linear" if k == last else "tanh")
            for k, matrix in enumerate(matrices)
        )
    )


def _made(
    name: str,
    work: Work,
    errors: DeviceErrors | None,
    seed: int,
    record: Record,
    progress: Progress,
) -> tuple[Network, NoiseSettings, Array]:
    """Return a network, the noise that it was trained with, and its losses if they are known."""
    # Torch takes a second to import.
    from crossbar.noise_space import SEARCHED
    from crossbar.training import train

    noise = work.schedule.noise
    schedule = replace(
        work.schedule, noise=replace(noise, device=errors if name == DEVICE else None)
    )
    if work.search is not None and name in SEARCHED:
        from crossbar.noise_search import search_noise

        searched = search_noise(
            work.train,
            work.validation,
            work.widths,
            schedule,
            name,
            work.search,
            seed,
            record.finished,
            record.result,
            progress,
            deployment=work.deployment,
        )
        return searched.trained, searched.noise, np.empty(0)
    rng = np.random.default_rng(seed)
    told = partial(progress, f"training {name}")
    made = train(work.train, name, schedule, rng, widths=work.widths, progress=told)
    return made.network, schedule.noise, made.losses
