"""The figures of a certificates' run, made from its record alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array
from crossbar.certificates import equation2, lognormal, trinomial
from crossbar.certificates.confidence import Decision, decide, interval
from crossbar.certificates.spreads import Spreads
from crossbar.certificates.trinomial import Trinomial
from crossbar.experiments.certify_votes import LOGNORMAL, TRINOMIAL
from crossbar.network import Labels
from crossbar.store import Arrays

QUANTILES: Mapping[str, float] = {"typical": 0.5, "most": 0.95}
"""Of the drift draws that a certified drift is longer than: half of them, and 95 %."""
CERTIFIED = (
    "the vote of the noisy network, averaged over its noisy copies: not the class that one chip "
    "gives, and not that the class is right"
)
CONFIDENCE = 0.95
"""Of the intervals of shares of points."""


@dataclass(frozen=True, slots=True, eq=False)
class Poll:
    """What was voted under one noise, as far as a run got.

    Parameters
    ----------
    decision
        At all points, those of the map too if they were voted on.
    right
        Whether the class voted for is that of the point, at the points that are certified.
    ones
        Share of the votes for class 1 at all points.
    votes, chosen_by
        How many were counted, and how many chose the class before.
    single
        Accuracy of each noisy copy by itself.
    """

    decision: Decision
    right: NDArray[np.bool_]
    ones: Array
    votes: int
    chosen_by: int
    single: Array


def poll(results: Mapping[str, Arrays], law: str) -> Poll | None:
    """Return the votes under one noise; None if none were counted yet."""
    pieces: list[Arrays] = []
    while (name := f"votes/{law}/{len(pieces)}") in results:
        pieces.append(results[name])
    if not pieces:
        return None
    labels: Labels = results["points"]["labels"].astype(np.int64)
    first = results[f"selection/{law}"]
    votes, chosen_by = sum(int(piece["votes"]) for piece in pieces), int(first["votes"])
    ones = np.sum([piece["ones"] for piece in pieces], axis=0)
    decision = decide(
        np.column_stack([chosen_by - first["ones"], first["ones"]]),
        np.column_stack([votes - ones, ones]),
        float(results["noise"]["alpha"]),
    )
    right = decision.classes[: len(labels)] == labels
    single = np.concatenate([piece["accuracy"] for piece in pieces])
    return Poll(decision, right, ones / votes, votes, chosen_by, single)


def measured(results: Mapping[str, Arrays]) -> bool:
    """Return whether any votes were counted that speak of drift."""
    return f"votes/{LOGNORMAL}/0" in results


def spreads(results: Mapping[str, Arrays]) -> Spreads:
    """Return the log-normal noise of a record."""
    noise = results["noise"]
    return Spreads(noise["sigmas"], noise["moved"], noise["common"])


def largest_drifts(found: Poll, noise: Spreads, quantile: float) -> Array:
    """Return the sigma of drift up to which each point is certified; 0 where it is not at all.

    Parameters
    ----------
    quantile
        Share of the drift draws of that sigma that are no longer than what is certified.
    """
    unit = float(noise.drift_distance(1.0, quantile))
    margins = np.maximum(lognormal.margins(found.decision.shares), 0.0)
    # Without anything that can drift, every drift is certified that leaves a majority.
    return margins / unit if unit > 0 else np.where(margins > 0, np.inf, 0.0)


def summarise(results: Mapping[str, Arrays]) -> dict[str, object]:
    """Return the figures as plain values; shares are fractions of the points.

    Every ``ci95`` is Clopper and Pearson's, of a share of points.
    """
    if not measured(results):
        return {"certified": CERTIFIED, "log-normal": None, "trinomial": None}
    noise = results["noise"]
    return {
        "certified": CERTIFIED,
        "points": len(results["points"]["labels"]),
        "parameters": int(noise["moved"].sum()),
        "software_accuracy": float(results["network"]["accuracy"]),
        "alpha": float(noise["alpha"]),
        "wrong_certificates_expected_at_most": float(noise["alpha"])
        * len(results["points"]["labels"]),
        "log-normal": _lognormal(results),
        "trinomial": _trinomial(results),
        "conventions": {
            "ci95": "Clopper and Pearson's interval of a share of points",
            "typical": "against every drift no longer than half of the random drift draws of this "
            "sigma are",
            "most": "the same with 95 % of the draws",
            "one_chip": "accuracy of single copies without noise that have drifted: counted, "
            "nothing is proved of it",
        },
    }


def _lognormal(results: Mapping[str, Arrays]) -> dict[str, object]:
    found, noise = poll(results, LOGNORMAL), spreads(results)
    assert found is not None  # noqa: S101 - measured() is what summarise asks first
    count = len(found.right)
    largest = {
        name: largest_drifts(found, noise, quantile)[:count] for name, quantile in QUANTILES.items()
    }
    rows: list[dict[str, object]] = []
    for k, sigma in enumerate(results["noise"]["drifts"].tolist()):
        row: dict[str, object] = {"drift": sigma}
        for name, values in largest.items():
            held = values >= sigma
            row[name] = {
                "certified": _share(held),
                "certified_and_right": _share(held & found.right),
            }
        if "chips" in results:
            row["one_chip"] = _spread(results["chips"]["accuracy"][k])
        rows.append(row)
    return {
        "smoothing": float(results["noise"]["smoothing"]),
        "sigmas": noise.sigmas.tolist(),
        **_vote(found),
        "largest_drift_if_unanimous": {
            name: float(largest_drifts(_unanimous(results, found), noise, quantile)[0])
            for name, quantile in QUANTILES.items()
        },
        "rows": rows,
    }


def _trinomial(results: Mapping[str, Arrays]) -> dict[str, object] | None:
    found = poll(results, TRINOMIAL)
    if found is None:
        return None
    p1, p2 = results["noise"]["p"].tolist()
    law, n = Trinomial(p1, p2), int(results["noise"]["moved"].sum())
    radii = trinomial_radii(found, law, n)
    most = max(int(values.max()) for values in radii.values())
    rows = [
        {"changed": r, **{name: _share(values >= r) for name, values in radii.items()}}
        for r in range(max(most, 0) + 2)
    ]
    return {
        "p1": p1,
        "p2": p2,
        **_vote(found),
        "rows": rows,
        "equation_2": equation2.LABEL,
        "equation_2_sound": equation2.sound(law),
    }


def trinomial_radii(found: Poll, law: Trinomial, n: int) -> dict[str, NDArray[np.int64]]:
    """Return, by certificate, how many parameters of each point may change in any way.

    ``exact``: the others stay as they are; ``exact_halved``: any of the others may be halved, which
    is what equation 2 claims; ``equation_2``: as printed.
    """
    shares = found.decision.shares
    claimed = [-1.0 if n == 0 or law.p2 >= 1 else equation2.radius(s, n, law) for s in shares]
    return {
        "exact": trinomial.radii(shares, n, law, half_allowed=False),
        "exact_halved": trinomial.radii(shares, n, law),
        "equation_2": np.floor(np.clip(claimed, -1, n)).astype(np.int64),
    }


def _unanimous(results: Mapping[str, Arrays], found: Poll) -> Poll:
    """Return the poll as it would be if all had voted for one class at one point."""
    alpha = float(results["noise"]["alpha"])
    decision = decide([[found.chosen_by, 0]], [[found.votes, 0]], alpha)
    return replace(found, decision=decision, right=found.right[:1])


def _vote(found: Poll) -> dict[str, object]:
    """Return who voted, and how well."""
    abstained = found.decision.abstained[: len(found.right)]
    return {
        "votes": found.votes,
        "selection_votes": found.chosen_by,
        "vote_accuracy": _share(found.right & ~abstained),
        "abstained": _share(abstained),
        "one_noisy_copy": _spread(found.single),
    }


def _share(held: NDArray[np.bool_]) -> dict[str, object]:
    low, high = interval(int(held.sum()), len(held), 1 - CONFIDENCE)
    return {"share": float(held.mean()), "ci95": [low, high]}


def _spread(accuracies: Array) -> dict[str, Any]:
    return {
        "mean": float(accuracies.mean()),
        "sd": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
        "n": len(accuracies),
    }
