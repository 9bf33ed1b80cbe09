"""What checks of every wiring say in the same words."""

from collections.abc import Iterator

import numpy as np

from crossbar.backend import Array, Finding, Mask, Siemens, Volt

GAIN = 0.03
"""Largest error of an amplifier's gain that passes, as a part of it; assumed."""
SCOPE_OFFSET: Volt = 0.02
"""Largest offset of a scope input that passes; assumed."""
OPEN: Siemens = 2e-8
"""A cell below this conducts nothing; assumed: a fiftieth of a memristor that is off."""
SHORTED: Siemens = 1e-3
"""A cell above this is a short; assumed: ten times a memristor that is on."""


def between(
    part: str, what: str, measured: float, low: float, high: float, unit: str, note: str = ""
) -> Finding:
    """Return a finding that passes if the number is inside; NaN does not pass."""
    passed = bool(low <= measured <= high)
    return Finding(part, what, passed, measured, low, high, unit, "" if passed else note)


def cell_findings(conductances: Array) -> Iterator[Finding]:
    """Yield what the cells say of themselves and of their lines: broken, shorted, open.

    Parameters
    ----------
    conductances
        S, shape ``(n_word_lines, n_bit_lines)``.
    """
    conducts: Mask = np.abs(conductances) >= OPEN
    words: Mask = np.asarray(conducts.any(axis=1))
    bits: Mask = np.asarray(conducts.any(axis=0))
    for name, alive in (("word line", words), ("bit line", bits)):
        for line, passed in enumerate(alive.tolist()):
            note = "" if passed else "no cell of it conducts: the line is broken, or not connected"
            yield Finding(f"{name} {line}", "continuity", passed, note=note)
    dead = ~words[:, None] | ~bits[None, :]
    for what, wrong, note in (
        ("not open", ~conducts & ~dead, "conducts nothing: open, or not formed yet"),
        ("not shorted", conductances > SHORTED, "conducts like a wire"),
    ):
        for word, bit in np.argwhere(wrong):
            value = float(conductances[word, bit])
            cell = f"cell ({word}, {bit})"
            yield Finding(cell, what, False, value, OPEN, SHORTED, "S", note)
        if not wrong.any():
            worst = float(conductances.max() if what == "not shorted" else conductances.min())
            yield Finding("every cell", what, True, worst, OPEN, SHORTED, "S")
