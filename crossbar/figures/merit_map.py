"""The usability of every cell of an array."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import DataError
from crossbar.figures.conductances import LABELLED
from crossbar.figures.style import INK, QUIET, styled
from crossbar.merit.usability import FORMS, Usability


def usability_map(
    cells: Mapping[tuple[int, int], Usability | None],
    *,
    shape: tuple[int, int] | None = None,
    note: str = "",
) -> Figure:
    """Return a map of an array.

    Parameters
    ----------
    cells
        Usability by ``(word line, bit line)``; cells that were not measured are left out, those
        that have none (of one cycle) are None and are crossed.
    shape
        Word lines and bit lines; None: as far as the cells go.
    note
        Below the map.

    Raises
    ------
    DataError
        If there is no cell, one lies outside the shape, or usabilities are of several forms.
    """
    known = {cell: value for cell, value in cells.items() if value is not None}
    forms = {value.form for value in known.values()}
    if not cells:
        raise DataError("a map of usability needs a cell")
    if len(forms) > 1:
        raise DataError(f"usabilities of several forms cannot be compared: {', '.join(forms)}")
    n_word, n_bit = shape or tuple(max(line) + 1 for line in zip(*cells, strict=True))
    for word, bit in cells:
        if not (0 <= word < n_word and 0 <= bit < n_bit):
            raise DataError(f"cell ({word}, {bit}) is outside an array of {n_word} by {n_bit}")
    values = np.full((n_word, n_bit), np.nan)
    for (word, bit), value in known.items():
        values[word, bit] = value.value
    with styled():
        figure = Figure(figsize=(6.4, 6.2), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(values, cmap="viridis", vmin=0.0, vmax=1.0, aspect="equal")
        axes.set(xlabel="bit line", ylabel="word line")
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
        name = next(iter(forms), "")
        bar.set_label(f"usability, {name}: {FORMS[name].formula}" if name in FORMS else "usability")
        bar.outline.set_visible(False)
        axes.set_title(f"Usability of {len(known)} of {n_word * n_bit} cells")
        if max(n_word, n_bit) <= LABELLED:
            axes.set_xticks(range(n_bit))
            axes.set_yticks(range(n_word))
            axes.tick_params(length=0)
        for word, bit in cells:
            _write(axes, word, bit, float(values[word, bit]), max(n_word, n_bit))
        if note:
            figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _write(axes: Axes, word: int, bit: int, value: float, lines: int) -> None:
    """Write a cell's value into it, or a cross where it has none."""
    known = np.isfinite(value)
    if known and lines > LABELLED:
        return
    axes.text(
        bit,
        word,
        f"{value:.2f}" if known else "×",
        ha="center",
        va="center",
        fontsize=min(8.0, 80 / lines),
        color="white" if known and value < 0.6 else INK,
    )
