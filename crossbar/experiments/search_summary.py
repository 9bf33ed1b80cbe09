"""The figures of searches over noise, made from a record alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from crossbar.search import NUMBERS, VALUE, VARIABLES
from crossbar.store import Arrays

PREFIX = "search/"


def searched(results: Mapping[str, Arrays]) -> list[str]:
    """Return the objectives that the record holds a search of, in order."""
    names = (name.removeprefix(PREFIX) for name in results if name.startswith(PREFIX))
    return list(dict.fromkeys(name.rpartition("/")[0] for name in names))


def candidates(results: Mapping[str, Arrays], objective: str) -> list[Arrays]:
    """Return the candidates of a search, in order, as many as there are."""
    found: list[Arrays] = []
    while (name := f"{PREFIX}{objective}/{len(found)}") in results:
        found.append(results[name])
    return found


def best_of(found: list[Arrays]) -> int | None:
    """Return which candidate was chosen: the first with the largest value; None if all failed."""
    values = np.array([float(c[VALUE]) for c in found])
    return int(np.nanargmax(values)) if np.isfinite(values).any() else None


def summarise(results: Mapping[str, Arrays]) -> dict[str, Any]:
    """Return one row of plain values per search.

    ``first`` is the first candidate, ``best`` the one that was chosen; ``sd`` is over the draws,
    the same for all candidates.
    """
    return {
        "searches": [_row(name, candidates(results, name)) for name in searched(results)],
        "search_conventions": {
            "accuracy": "mean over draws of drift or errors, on validation points that no "
            "candidate is trained on and no test is made with",
            "sd": "standard deviation over the draws, which all candidates share",
            "best": "chosen among all candidates by that accuracy, and too good by the choice",
        },
    }


def _row(objective: str, found: list[Arrays]) -> dict[str, Any]:
    best = best_of(found)
    failed = [k for k, c in enumerate(found) if not np.isfinite(float(c[VALUE]))]
    return {
        "training": objective,
        "candidates": len(found),
        "failed": failed,
        "draws": int(found[0]["accuracy"].size),
        "first": _candidate(found, 0),
        "best": None if best is None else _candidate(found, best),
    }


def _candidate(found: list[Arrays], k: int) -> dict[str, Any]:
    one = found[k]
    accuracy = one["accuracy"]
    finite = bool(np.isfinite(float(one[VALUE])))
    return {
        "candidate": k,
        "noise": {
            str(name): float(number)
            for name, number in zip(one[VARIABLES], one[NUMBERS], strict=True)
        },
        "accuracy": float(one[VALUE]) if finite else None,
        "sd": float(np.std(accuracy, ddof=1)) if finite and accuracy.size > 1 else None,
        "undrifted": float(one["undrifted"]) if finite else None,
    }
