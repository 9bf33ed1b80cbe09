"""The network that chooses pulses, run on a simulated crossbar itself: what that costs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from one_shot_pairs import (
    HIGH,
    LOW,
    SEED,
    WIDTHS,
    WITHIN,
    inside,
    journal,
    label,
    pairs,
)
from rows import Row

from crossbar.backend import Array
from crossbar.bench import load
from crossbar.bench_settings import simulation_settings
from crossbar.crossbar import Crossbar
from crossbar.network import Network
from crossbar.offload import offload
from crossbar.predictor_training import DenseSettings, train_predictor
from crossbar.programming.predictor import DenseMap, Predictor, Way
from crossbar.programming.predictor.fitting import Origin
from sim_backend import SimulatedBackend

LINES = (20, 72)
"""17 x 66 with the differential mapping, and a few lines to avoid stuck cells."""

CALIBRATION = 256
"""Pairs whose inputs set the ranges of the layers and calibrate them."""

DECAYS = (0.0, 1e-3)
"""Of the weights in training: small ones bear what arrays do to them better."""

ARRAYS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Elsewhere:
    """A predictor on two crossbars, one for each polarity.

    Parameters
    ----------
    predictor
        Its maps multiply there.
    pulses, seconds
        What it took to program both.
    """

    predictor: Predictor
    pulses: int
    seconds: float


def offloaded(predictor: Predictor, before: Array, wanted: Array, seed: int) -> Elsewhere:
    """Return a predictor on arrays of the bench ``sim``, calibrated with these pairs.

    Their lines have no resistance, which would cost most of the time. With 2 ohm per segment one
    array was worse: .72/.18/.17 of the pairs in place of about .75/.22/.27.
    """
    pulses, seconds = 0, 0.0
    ways: list[Way] = []
    for other, way in enumerate((predictor.set, predictor.reset)):
        description = load("sim")
        settings = simulation_settings(description, seed + other)
        settings = replace(settings, word_lines=LINES[0], bit_lines=LINES[1], line_resistance=0.0)
        programming = description.programming
        crossbar = Crossbar(SimulatedBackend(settings), programming.cell, programming.pulses)
        if not (isinstance(way.map, DenseMap) and isinstance(way.map.network, Network)):
            raise TypeError("only networks run on a crossbar")
        hardware = offload(way.map.network, crossbar, way.map.inputs(before, wanted))
        pulses += int(hardware.report.pulses.sum())
        seconds += hardware.report.seconds
        ways.append(replace(way, map=replace(way.map, network=hardware)))
    return Elsewhere(replace(predictor, set=ways[0], reset=ways[1]), pulses, seconds)


def rows(level: tuple[float, float]) -> Iterator[Row]:
    """Yield what one attempt reaches, its width computed digitally and on the crossbar."""
    shots = journal(level, np.random.default_rng(SEED))
    before, wanted, population = pairs(level)
    for decay in DECAYS:
        rng = np.random.default_rng(SEED)
        settings = DenseSettings(decay=decay)
        origin = Origin("jart-v1b", "closed form", SEED, label(level))
        predictor = train_predictor(shots, origin, rng, seen=(LOW, HIGH), settings=settings)
        digital = predictor.pulses(before, wanted, *WIDTHS)[1]

        def shares(widths: Array) -> Array:
            again = np.random.default_rng(SEED + 1)  # the same cycles for everybody
            reached = population.pulsed(before, wanted > before, widths, again)
            return np.asarray(inside(before, wanted, reached).mean(axis=1))

        some = shots[:CALIBRATION]
        tried = [offloaded(predictor, some.before, some.after, 2 * k) for k in range(ARRAYS)]
        widths = [one.predictor.pulses(before, wanted, *WIDTHS)[1] for one in tried]
        found = np.array([shares(chosen) for chosen in widths])
        part = f"{label(level)}, network (decay {decay:g}) on {ARRAYS} pairs of crossbars"
        known = shares(digital)
        for k, what in enumerate(WITHIN):
            value, spread = float(np.median(found[:, k])), float(np.std(found[:, k], ddof=1))
            yield Row(f"{part}: within {what}", value, spread, "", f"digital {known[k]:.2f}")
        off = [100 * float(np.median(np.abs(np.log(chosen / digital)))) for chosen in widths]
        name = f"{part}: median error of ln of the width"
        yield Row(name, float(np.median(off)), float(np.std(off, ddof=1)), "%")
        for what, unit, values in (
            ("pulses", "", [one.pulses for one in tried]),
            ("bench time", "s", [one.seconds for one in tried]),
        ):
            value = float(np.median(values))
            yield Row(f"{part}: {what} to program it", value, float(np.std(values)), unit)
