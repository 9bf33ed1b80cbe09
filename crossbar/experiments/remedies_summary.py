"""The figures of a remedies run, made from its record alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from crossbar.backend import Array
from crossbar.experiments.moons_summary import difference, spread, trainings
from crossbar.programming.report import Status
from crossbar.store import Arrays

Results = Mapping[str, Arrays]
PERCENT = 100.0
PREFIX = "draw/"
COSTS = ("pulses", "reads", "multiplies", "seconds")
"""What is counted, in the order of the record's arrays."""


def measured(results: Results) -> bool:
    """Return whether any programming draw was finished."""
    return any(name.startswith(PREFIX) for name in results)


def draws(results: Results) -> dict[tuple[str, str], list[Arrays]]:
    """Return the draws of each training and way, in the order in which they were begun."""
    found: dict[tuple[str, str], list[Arrays]] = {}
    for name, arrays in results.items():
        if name.startswith(PREFIX):
            _, training, way, _ = name.split("/")
            found.setdefault((training, way), []).append(arrays)
    return found


def summarise(results: Results) -> dict[str, Any]:
    """Return one row of plain values per training, way and remedy.

    Accuracies are fractions, what is won is in percentage points against the same training as
    programmed the first way, without a remedy, at the same time. Costs are those of one network
    until the remedy is in place: programming, tuning and all that the remedy rests on.
    """
    found = draws(results)
    base = {training: next(w for t, w in found if t == training) for training, _ in found}
    return {
        "array": results["asked"]["array"].tolist() if "asked" in results else None,
        "waits_s": results["asked"]["waits"].tolist() if "asked" in results else [],
        "software": {
            name: float(results[f"network/{name}"]["accuracy"]) for name in trainings(results)
        },
        "rows": [
            _row(training, way, k, found, base[training])
            for training, way in found
            for k in range(len(found[training, way][0]["remedies"]))
        ],
        "conventions": {
            "accuracy": "share of the test points, on the array; sd and ci95 over programming "
            "draws of one array, ci95 Student's 95 % interval of the mean",
            "won_points": "100 * (accuracy - accuracy of the first way without a remedy), same "
            "training and wait; ci95 paired where both are of the same draws, else Welch's",
            "cost": "per network until the remedy is in place, programming included; seconds of "
            "bench time, without the waits between programming and measuring",
            "age_s": "largest time between the last write and a measurement, by wait",
        },
    }


def _row(
    training: str,
    way: str,
    remedy: int,
    found: Mapping[tuple[str, str], list[Arrays]],
    base: str,
) -> dict[str, Any]:
    own, compared = found[training, way], found[training, base]
    accuracy = np.array([draw["accuracy"][remedy] for draw in own])
    plain = np.array([draw["accuracy"][_none(draw)] for draw in compared])
    cost = np.array([draw["programming"] + draw["cost"][remedy] for draw in own])
    status = [draw["status"] for draw in own]
    return {
        "training": training,
        "way": way,
        "remedy": str(own[0]["remedies"][remedy]),
        "draws": len(own),
        "accuracy": [spread(values) for values in accuracy.T],
        "won_points": _won(accuracy, plain, paired=own is compared),
        "age_s": np.max([draw["age"][remedy] for draw in own], axis=0).tolist(),
        "cells": int(own[0]["cells"]),
        "drives_per_input": int(own[0]["drives"]),
        "cost": {
            name: [spread(values) for values in cost[..., k].T] for k, name in enumerate(COSTS)
        },
        "stuck_cells": [int((s == Status.STUCK).sum()) for s in status],
        "largest_shortfall": float(np.max([draw["shortfall"].max() for draw in own])),
    }


def _none(draw: Arrays) -> int:
    return list(draw["remedies"]).index("none")


def _won(accuracy: Array, plain: Array, *, paired: bool) -> list[dict[str, object]]:
    """Return what is won at each wait; `accuracy` and `plain` have shape ``(draws, waits)``."""
    if paired:
        kept = ("mean", "ci95")
        won = [spread(PERCENT * values) for values in (accuracy - plain).T]
        return [{name: values[name] for name in kept} for values in won]
    return [
        difference(PERCENT * own, PERCENT * other)
        for own, other in zip(accuracy.T, plain.T, strict=True)
    ]
