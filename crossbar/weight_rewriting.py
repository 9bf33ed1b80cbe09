"""Writing some weights of a programmed matrix anew, from what their cells are now."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from crossbar.backend import Array
from crossbar.blocks import CopyCells, Placed
from crossbar.mapping import Mapping, Window, solve_targets
from crossbar.programming import WriteVerify
from crossbar.programming.job import LOOK_READS, Job
from crossbar.programming.report import CellReport


@dataclass(frozen=True, slots=True, eq=False)
class Rewriting:
    """What became of weights that were written anew.

    Parameters
    ----------
    report
        Of the one cell that was written for each of them; None if there was nothing to write, or
        the pulses were not one for each.
    weights
        The whole matrix as its cells hold it afterwards, ``(n_in, n_out)``.
    conductance
        Of these cells, S, array shape, NaN elsewhere.
    """

    report: CellReport | None
    weights: Array
    conductance: Array

    @property
    def pulses(self) -> int:
        """Pulses that it took."""
        return 0 if self.report is None else int(self.report.pulses.sum())


def rewrite_weights(
    job: Callable[[WriteVerify], Job],
    wanted: Array,
    placed: Placed,
    mapping: Mapping,
    settings: WriteVerify,
    pulses: int | None,
) -> Rewriting:
    """Write weights anew and return what became of them.

    Parameters
    ----------
    job
        Makes the job that writes, from what a programmed cell is.
    wanted
        Weights, ``(n_in, n_out)``, NaN where they are left alone.
    placed
        Where the matrix lies.
    mapping, settings
        Rule for partners; window, band and budgets.
    pulses
        How many it may take in all; None for as many as the cells' own budgets allow. They are
        shared equally among the cells, so that a budget is never exceeded.
    """
    first = job(settings)
    mine = placed.mask(first.stuck.shape)
    now = first.read(mine, LOOK_READS)
    targets = moves(wanted, placed, mapping, settings.window, first.stuck, now)
    count = int((~np.isnan(targets)).sum())
    each = settings.pulses if pulses is None else min(settings.pulses, pulses // max(count, 1))
    if not count or not each:
        return Rewriting(None, placed.weights(now), now)
    writing = job(replace(settings, pulses=each, passes=1))
    writing.write(targets)
    after = writing.read(mine, LOOK_READS)
    return Rewriting(writing.passes[-1], placed.weights(after), after)


def moves(
    wanted: Array, placed: Placed, mapping: Mapping, window: Window, stuck: Array, now: Array
) -> Array:
    """Return the target of the one cell that is moved for each weight, S, NaN elsewhere.

    It is a cell of the last copy. Of a pair, the cell that gets there by losing conductance is
    taken if it can, so that the array does not draw more and more current; otherwise the one that
    gets closer. A shared partner is never moved.

    Parameters
    ----------
    wanted, placed, mapping
        As in `rewrite_weights`.
    window
        Allowed conductances.
    stuck, now
        Conductances of stuck cells, NaN elsewhere, and of the matrix's cells, S, array shape.
    """
    cells = placed.cells
    last: CopyCells = cells[placed.copies - 1 : placed.copies]
    plus, minus = cells.at(now)
    others = np.sum((plus - minus)[:-1], axis=0)
    difference = (wanted * (placed.scale * placed.copies) - others)[None]
    plus, minus = plus[-1:], minus[-1:]
    fixed_plus, fixed_minus = (~np.isnan(fixed) for fixed in last.at(stuck))
    nan = np.full_like(plus, np.nan)
    named = np.broadcast_to(~np.isnan(wanted), plus.shape)
    asked = np.where(named, difference, plus - minus)
    by_plus = solve_targets(asked, mapping, window, np.where(fixed_plus, plus, nan), minus)
    by_minus = solve_targets(asked, mapping, window, plus, np.where(fixed_minus, minus, nan))
    left_plus, left_minus = np.abs(by_plus.shortfall), np.abs(by_minus.shortfall)
    falls = asked < plus - minus  # where the plus cell would lose conductance
    use_plus = np.where(falls, left_plus <= left_minus, left_plus < left_minus)
    if not mapping.own_partner:
        use_plus = np.ones_like(use_plus)
    targets = np.full(stuck.shape, np.nan)
    for chosen, lines, reached in (
        (named & use_plus & ~fixed_plus, last.plus, by_plus.plus),
        (named & ~use_plus & ~fixed_minus, last.minus, by_minus.minus),
    ):
        targets[last.word[chosen], lines[chosen]] = reached[chosen]
    return targets
