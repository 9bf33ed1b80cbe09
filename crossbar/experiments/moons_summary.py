"""The figures of a moons run, made from its record alone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.stats import kurtosis
from scipy.stats import t as student

from crossbar.backend import Array
from crossbar.experiments import moons_wires, search_summary
from crossbar.programming.report import Status
from crossbar.store import Arrays

PERCENT = 100.0
NOISE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"trinomial": ("p1", "p2"), "lognormal": ("sigma",)}
)
"""What of `NoiseSettings` a training reads; of several layers, a number for each."""


def draws(results: Mapping[str, Arrays], training: str) -> list[Arrays]:
    """Return the programming draws of one objective, in order, as many as there are."""
    found: list[Arrays] = []
    while (name := f"draw/{training}/{len(found)}") in results:
        found.append(results[name])
    return found


def measured(results: Mapping[str, Arrays]) -> bool:
    """Return whether any programming draw was finished."""
    return any(name.startswith("draw/") for name in results)


def trainings(results: Mapping[str, Arrays]) -> list[str]:
    """Return the objectives that have a network in the record, in the order of training."""
    return [name.removeprefix("network/") for name in results if name.startswith("network/")]


def summarise(results: Mapping[str, Arrays]) -> dict[str, object]:
    """Return one row of plain values per objective; accuracies are fractions, drops are points.

    Every spread is the standard deviation over programming draws; ``ci95`` is Student's 95 %
    confidence interval of the mean. Objectives without a finished draw have no hardware figures.
    """
    rows = [
        _row(name, results[f"network/{name}"], draws(results, name)) for name in trainings(results)
    ]
    _compare(rows)
    every = {name: draws(results, name) for name in trainings(results)}
    wires = moons_wires.summarise(every, results["points"]["test_labels"]) if every else None
    searches = search_summary.summarise(results) if search_summary.searched(results) else {}
    return {
        "rows": rows,
        **searches,
        **({} if wires is None else {"wires": wires}),
        "conventions": {
            "drop_points": "100 * (software - hardware accuracy), same test points",
            "dot_product_error": "hardware minus digital product of the same inputs, in units of "
            "the product; relative to the products' standard deviation",
            "calibrated": "after gain and offset of every output were measured with training "
            "inputs and corrected digitally; the other figures are without that",
            "sd": "standard deviation over programming draws of one array",
            "ci95": "Student's 95 % interval of the mean over those draws; of a difference between "
            "two trainings, Welch's",
            "kurtosis": "excess kurtosis: 0 for normal errors, above it for rare large ones",
        },
    }


def _row(training: str, network: Arrays, found: list[Arrays]) -> dict[str, object]:
    software = float(network["accuracy"])
    row: dict[str, object] = {"training": training, "software_accuracy": software}
    # Records of earlier versions do not say what noise a network was trained with.
    if training in NOISE and NOISE[training][0] in network:
        row["noise"] = {name: network[name].tolist() for name in NOISE[training]}
    if not found:
        return row
    hardware, calibrated = (
        np.array([float(d[name]) for d in found]) for name in ("accuracy", "calibrated_accuracy")
    )
    chosen = [d["status"] >= 0 for d in found]
    pulses = np.concatenate([d["pulses"][c] for d, c in zip(found, chosen, strict=True)])
    return row | {
        "hardware_accuracy": spread(hardware),
        "drop_points": spread(PERCENT * (software - hardware)),
        "calibrated_accuracy": spread(calibrated),
        "calibrated_drop_points": spread(PERCENT * (software - calibrated)),
        "dot_product_error": _errors(found, "errors"),
        "calibrated_dot_product_error": _errors(found, "calibrated_errors"),
        "pulses_per_cell": {
            "mean": float(pulses.mean()),
            "median": float(np.median(pulses)),
            "p95": float(np.percentile(pulses, 95)),
        },
        "cells": int(chosen[0].sum()),
        "success_at_verify": spread(np.array([float(d["success_at_verify"]) for d in found])),
        "success_at_end": spread(np.array([float(d["success_at_end"]) for d in found])),
        "success_on_reread": spread(np.array([float(d["success_on_reread"]) for d in found])),
        "reread_delay_s": float(found[0]["reread_delay"]),
        "tolerance_S": float(found[0]["tolerance"]),
        "stuck_cells": [int((d["status"] == Status.STUCK).sum()) for d in found],
        "clipped_products": sum(int(d["clipped_products"]) for d in found),
        "clipped_reads": sum(int(d["clipped_reads"]) for d in found),
    }


BASELINE = "erm"
"""What other trainings are compared with."""


def _compare(rows: list[dict[str, Any]]) -> None:
    """Add to every row how many points less it loses than plain training, with the interval."""
    base = next((row for row in rows if row["training"] == BASELINE), None)
    for row in rows:
        if base is None or row is base or "drop_points" not in row or "drop_points" not in base:
            continue
        for name in ("drop_points", "calibrated_drop_points"):
            row[f"{name}_below_erm"] = difference(
                np.array(base[name]["values"]), np.array(row[name]["values"])
            )


def difference(first: Array, second: Array) -> dict[str, object]:
    """Return the difference of two means of independent values, with its 95 % interval by Welch.

    References
    ----------
    Welch, Biometrika 34 (1947) 28.
    """
    mean = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return {"mean": mean, "ci95": None}
    parts = [values.var(ddof=1) / len(values) for values in (first, second)]
    error = float(np.sqrt(sum(parts)))
    if error == 0:
        return {"mean": mean, "ci95": [mean, mean]}
    freedom = sum(parts) ** 2 / (
        parts[0] ** 2 / (len(first) - 1) + parts[1] ** 2 / (len(second) - 1)
    )
    half = float(student.ppf(0.975, freedom)) * error
    return {"mean": mean, "ci95": [mean - half, mean + half]}


def _errors(found: list[Arrays], name: str) -> dict[str, dict[str, float]]:
    """Return the errors of the dot products of each layer, all draws together."""
    described, layer = {}, 0
    while f"{name}_{layer}" in found[0]:
        errors = np.concatenate([d[f"{name}_{layer}"].ravel() for d in found])
        digital = float(np.mean([float(d[f"digital_sd_{layer}"]) for d in found]))
        described[f"layer_{layer}"] = {
            "mean": float(errors.mean()),
            "sd": float(errors.std()),
            "relative_sd": float(errors.std() / digital) if digital > 0 else float("nan"),
            "kurtosis": float(kurtosis(errors)) if errors.std() > 0 else float("nan"),
        }
        layer += 1
    return described


def spread(values: Array) -> dict[str, object]:
    """Return mean, standard deviation, 95 % interval of the mean, and the values themselves."""
    n = len(values)
    sd = float(np.std(values, ddof=1)) if n > 1 else None
    half = float(student.ppf(0.975, n - 1)) * sd / np.sqrt(n) if sd is not None else None
    mean = float(np.mean(values))
    return {
        "mean": mean,
        "sd": sd,
        "ci95": [mean - half, mean + half] if half is not None else None,
        "n": n,
        "values": [float(v) for v in values],
    }
