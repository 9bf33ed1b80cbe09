"""The figures of a study, made from its record alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from crossbar.backend import Array
from crossbar.store import Arrays

Results = Mapping[str, Arrays]
PREFIX = "unit/"
BAND = (0.025, 0.975)
"""Ends of the middle 95 %."""


def measured(results: Results) -> bool:
    """Return whether any unit was finished."""
    return any(name.startswith(PREFIX) for name in results)


def summarise(results: Results) -> dict[str, Any]:
    """Return one row of plain values per network and objective, every measure on every level.

    ``median``, ``low`` and ``high`` (the middle 95 %) are over the draws of all seeds together,
    ``seed_sd`` is the standard deviation of the seeds' medians, None of one seed. Rows are in the
    order of their names' first units, whatever order units were finished in.
    """
    if "study" not in results:
        return {"rows": [], "levels": [], "measures": []}
    study, data = results["study"], results["data"]
    names = [str(name) for name in study["measures"]]
    return {
        "data": {
            "sentence": str(data["sentence"]),
            "claim": str(data["claim"]),
            "origin": [str(line) for line in data["origin"]],
            "fingerprint": str(data["fingerprint"]),
            **dict(
                zip(("train", "validation", "test"), map(int, data["counts"]), strict=True),
            ),
        },
        "about": str(study["about"]),
        "by": str(study["by"]),
        "form": str(study["form"]),
        "measures": names,
        "chance": dict(zip(names, study["chance"].tolist(), strict=True)),
        "levels": [
            {
                "sigma": float(study["sigma"][k]),
                "rho": float(study["rho"][k]),
                "usability": float(study["usability"][k]),
                "convention": str(study["convention"][k]),
            }
            for k in range(len(study["sigma"]))
        ],
        "training": {
            "epochs": int(study["epochs"]),
            "warmup": int(study["warmup"]),
            "batch": int(study["batch"]),
            "learning_rate": float(study["learning_rate"]),
        },
        "rows": [
            _row(network, objective, units, names)
            for (network, objective), units in grouped(results).items()
        ],
        "conventions": {
            "median, low, high": "over the draws of all seeds together; low to high: middle 95 %",
            "clean": "of the trained weights as they are, mean and sd over seeds",
            "level": _meaning(str(study.get("tiles", ""))),
        },
        "tiles": str(study.get("tiles", "")) or None,
    }


def _meaning(tiles: str) -> str:
    """Return what a level does to a network."""
    if tiles:
        return (
            "each conductance of a pair times exp(N(0, sigma^2)), after it is mapped to the "
            f"levels of a device with this rho; {tiles}; biases digital; each draw a chip, "
            "calibrated with training examples"
        )
    return (
        "each parameter times exp(N(0, sigma^2)), after it is mapped to the levels of a device "
        "with this rho"
    )


def grouped(results: Results) -> dict[tuple[str, str], list[Arrays]]:
    """Return the finished units of each network and objective, in the order of their seeds."""
    found: dict[tuple[str, str], dict[int, Arrays]] = {}
    for name, arrays in results.items():
        if name.startswith(PREFIX):
            network, objective, index = name.removeprefix(PREFIX).split("/")
            found.setdefault((network, objective), {})[int(index)] = arrays
    # By the order of the study, which names them; a cluster finishes them in any.
    asked = [str(pair) for pair in results["study"]["pairs"]]
    order = sorted(found, key=lambda pair: asked.index("/".join(pair)))
    return {pair: [found[pair][index] for index in sorted(found[pair])] for pair in order}


def _row(network: str, objective: str, units: list[Arrays], names: list[str]) -> dict[str, Any]:
    values = np.stack([unit["values"] for unit in units])
    clean = np.stack([unit["clean"] for unit in units])
    return {
        "network": network,
        "objective": objective,
        "seeds": len(units),
        "draws": values.shape[-1],
        "parameters": int(units[0]["parameters"]),
        "best_epochs": [int(unit["best_epoch"]) for unit in units],
        "measures": {
            name: {
                "clean": float(clean[:, k].mean()),
                "clean_sd": float(clean[:, k].std(ddof=1)) if len(units) > 1 else None,
                "levels": [_level(values[:, k, level]) for level in range(values.shape[2])],
            }
            for k, name in enumerate(names)
        },
    }


def _level(values: Array) -> dict[str, float | None]:
    """Return the figures of one level, of values of shape ``(seeds, draws)``."""
    low, high = np.quantile(values, BAND)
    medians = np.median(values, axis=1)
    return {
        "median": float(np.median(values)),
        "low": float(low),
        "high": float(high),
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if values.size > 1 else None,
        "seed_sd": float(medians.std(ddof=1)) if len(medians) > 1 else None,
    }
