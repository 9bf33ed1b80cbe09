"""Simulated benches that predictors are made for, the making of them, and what they then save."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from rows import Row

from crossbar.backend import Array, Cells, Siemens, Volt
from crossbar.bench import load
from crossbar.bench_settings import simulation_settings
from crossbar.calibration import measure_offset
from crossbar.programming import IsppSettings, Pulses, WriteVerify, write_verify
from crossbar.programming.one_shot import OneShotSettings
from crossbar.programming.predictor import Predictor, Shots, together
from crossbar.programming.predictor.collect import Collection, collect
from crossbar.programming.predictor.fitting import Origin, fit_predictor
from sim_backend import SimulatedBackend
from sim_backend.devices.device import DeviceModel
from sim_backend.devices.jart import Jart
from sim_backend.devices.perovskite import Perovskite

SEEDS = 10
TRAINING_ARRAYS, TRAINING_SEED = 6, 1000
"""Arrays of 10x10 cells, of seeds that no program is tried on."""


@dataclass(frozen=True, slots=True)
class Case:
    """One device on the bench ``sim``.

    Parameters
    ----------
    device
        Its constants.
    noise
        The same in words.
    collection
        How its pulses are collected.
    cell
        What a programmed cell is.
    tolerances
        Half-widths of the band that are tried, S.
    ispp
        The staircase that one-shot is compared with, and falls back on.
    attempts
        How many pulses of the predictor are tried.
    """

    device: DeviceModel
    noise: str
    collection: Collection
    cell: WriteVerify
    tolerances: tuple[Siemens, ...]
    ispp: IsppSettings
    attempts: tuple[int, ...]

    @property
    def window(self) -> tuple[Siemens, Siemens]:
        """Where targets lie, S."""
        return self.cell.conductance_min, self.cell.conductance_max


JART_READ: Volt = 0.2  # where the model is read, in the other sign
CASES: Mapping[str, Case] = MappingProxyType(
    {
        "perovskite": Case(
            Perovskite(),
            "as in its assumed constants: cycle 0.25, rate 0.3, threshold 4 %, read 0.5 %",
            Collection(4.2, 3.4, 2e-6, 8e-5, read_voltage=0.3, voltage_spread=0.3),
            WriteVerify(),
            (1e-6, 5e-6),
            IsppSettings(),
            (1, 2, 20),
        ),
        "jart-v1b": Case(
            Jart(device_sigma=0.02, cycle_sigma=0.01),
            "device to device 2 %, cycle to cycle 1 %",
            Collection(0.342, 0.7065, 1e-4, 4.8e-4, read_voltage=JART_READ),
            WriteVerify(JART_READ, 1e-4, 4.8e-4, 5e-6),
            (5e-6, 20e-6, 50e-6),
            # The best of five staircases that were tried: 10 and 100 us, steps of 2 to 10 mV.
            IsppSettings(0.3, 0.005, 0.4, 0.6, 0.01, 0.8, 1e-4),
            (1, 2),
        ),
    }
)
"""By the device's name."""


def opened(case: Case, seed: int) -> SimulatedBackend:
    """Return the bench ``sim`` with this device."""
    settings = simulation_settings(load("sim"), seed)
    return SimulatedBackend(replace(settings, device=case.device))


def journal(case: Case) -> Shots:
    """Return pulses of arrays that are used for nothing else."""
    parts = []
    for seed in range(TRAINING_SEED, TRAINING_SEED + TRAINING_ARRAYS):
        with opened(case, seed) as backend:
            rng, offset = np.random.default_rng(seed), measure_offset(backend, 64)
            cells = Cells.all(backend.shape)
            parts.append(collect(backend, cells, case.collection, rng, offset))
    return together(*parts)


def made(name: str) -> Predictor:
    """Return the predictor for a device, made anew."""
    case = CASES[name]
    source = f"bench sim with {name}, {TRAINING_ARRAYS} arrays of 10x10"
    return fit_predictor(
        journal(case), Origin(name, source, TRAINING_SEED, case.noise), case.window
    )


def programmed(case: Case, pulses: Pulses, tolerance: Siemens, seed: int) -> tuple[float, ...]:
    """Return mean pulses per cell, s, and share in the band, of one array from random states."""
    with opened(case, seed) as backend:
        rng, offset = np.random.default_rng(seed), measure_offset(backend, 64)
        cells = Cells.all(backend.shape)
        backend.set_conductances(rng.uniform(*case.window, backend.shape))
        targets = rng.uniform(*case.window, len(cells))
        cell = replace(case.cell, tolerance=tolerance)
        report = write_verify(backend, cells, targets, cell, pulses, offset)
        return float(report.pulses.mean()), report.seconds, float((report.status == 0).mean())


def savings() -> Iterator[Row]:
    """Yield pulses and seconds of one-shot and its fallback against the fallback alone."""
    for name, case in CASES.items():
        for tolerance in case.tolerances:
            policies: dict[str, Pulses] = {"ispp": case.ispp}
            for attempts in case.attempts:
                policies[f"one-shot, {attempts} of the predictor's"] = OneShotSettings(
                    name, attempts=attempts, loop=asdict(case.ispp)
                )
            part = f"{name}, ±{1e6 * tolerance:g} µS"
            reference: Array | None = None
            for label, pulses in policies.items():
                found = np.array(
                    [programmed(case, pulses, tolerance, seed) for seed in range(SEEDS)]
                )
                yield from _rows(f"{part}, {label}", found, reference)
                reference = found if reference is None else reference


def _rows(part: str, found: Array, reference: Array | None) -> Iterator[Row]:
    """Yield the medians over the seeds, and what was saved of each seed's reference."""
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    middle = np.median(found, axis=0)
    yield Row(f"{part}: pulses per cell", float(middle[0]), float(error[0]), "")
    yield Row(f"{part}: an array of 100", float(middle[1]), float(error[1]), "s")
    yield Row(f"{part}: in the band", 100 * float(middle[2]), 100 * float(error[2]), "%")
    if reference is None:
        return
    for column, what in ((0, "pulses"), (1, "seconds")):
        saved = 100 * (1 - found[:, column] / reference[:, column])
        value, spread = float(np.median(saved)), float(np.std(saved, ddof=1)) / len(saved) ** 0.5
        target = "fewer than ispp" if column == 0 else None
        yield Row(
            f"{part}: {what} saved", value, spread, "%", target, value > 0 if target else None
        )


def folder() -> Path:
    """Return where the predictors lie that come with the program."""
    import crossbar.programming.predictor as package

    return Path(package.__path__[0])
