"""What has to be known to believe a device's figures of merit, in words."""

import numpy as np

from crossbar.backend import Array, Indices
from crossbar.merit.alignment import Aligned
from crossbar.merit.spread import spread, togetherness
from crossbar.merit.switching import Switching

TOGETHER = 0.2
"""Correlation between the points of a cycle from which on it has to be said: see `spread`."""


def of_steps(G: Array, *, l_min: int, form: str, confidence: float) -> tuple[str, ...]:
    """Return what the conductances themselves make doubtful."""
    cycles, points = G.shape
    notes = []
    if points < l_min:
        notes.append(
            f"the curve has {points} points, fewer than the {l_min} that rho asks for: "
            "rho says how it was sampled"
        )
    if not (G > 0).all():
        notes.append(
            f"conductances down to {G.min():g} have no logarithm: no spread and no usability"
        )
    elif cycles < 2:
        notes.append("one cycle says nothing about the spread between cycles: no usability")
    elif form != "correlated" and (alike := togetherness(G)) > TOGETHER:
        safe = spread(G, "correlated", confidence).bound
        notes.append(
            f"points of a cycle deviate together (correlation {alike:.2f}), and the bound takes "
            f"them for independent; it is {safe:.3g} by the form that does not"
        )
    return tuple(notes)


def of_alignment(aligned: Aligned) -> tuple[str, ...]:
    """Return what was left out of the branch; that 0 V has no conductance is not worth a word."""
    parts = [
        f"{count} {reason}"
        for reason, count in aligned.left_out.items()
        if count and reason != "at 0 V"
    ]
    notes = [f"points of the branch left out: {', '.join(parts)}"] if parts else []
    if aligned.cycles_left_out:
        which = ", ".join(str(number) for number in aligned.cycles_left_out)
        notes.append(f"cycles with too few usable points left out: {which}")
    return tuple(notes)


def of_switching(switched: Switching, branch: str, *, told: bool) -> tuple[str, ...]:
    """Return where the device switches otherwise than the settings take for granted."""
    notes = []
    if not told:
        notes.append(f"read at {switched.read_voltage:.3g} V, a tenth of the sweep")
    sign = 1 if branch.startswith("positive") else -1
    known: Indices = np.flatnonzero(np.isfinite(switched.v_set))
    if len(known) and (sign * switched.v_set[known] < 0).mean() > 0.5:
        other = "negative down" if sign > 0 else "positive up"
        notes.append(f"SET is on the other side than the {branch} branch: try {other}")
    return tuple(notes)
