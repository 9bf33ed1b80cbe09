"""Which layout of a frame takes least time: how many slots, and how long a cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from crossbar.backend import LimitError, Second
from instruments.frames import BITS, BOTH, CELLS, TICK, WORD_CELLS, WORDS, Layout

SHORTEST: Second = 1e-5
"""Shortest pulse: about what the DAC's output takes to settle.  # assumed"""
CLOSE, WIDTH_TOLERANCE = 1e-3, 1e-2
"""Part by which a width may differ from the one asked for: where it can, as from 30 us on, and at
the most. What a pulse does to a cell varies by tens of percent from cycle to cycle."""
SETUP = (WORDS, BITS, WORDS, BITS, BOTH)
"""Whom the words before a pulse are for; the last begins it."""


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """What every layout of a bench has in common; plans are kept for each one there is.

    Parameters
    ----------
    period
        Shortest cell, ticks; even, because half of it is SCK's high time.
    lead, step, dead
        From the last word to the first step of a reading, one step, and from the end of a pulse to
        the word of its verify read, s.
    inputs
        Multiplexer inputs that are read.
    exchange
        Time that one call to the instrument is expected to take, s.
    calls
        Calls that one frame takes.
    """

    period: int
    lead: Second
    step: Second
    dead: Second
    inputs: int
    exchange: Second = 1e-3  # assumed
    calls: int = 7


def bare(count: int, pace: Pace) -> Layout:
    """Return the layout of a few words to both DACs, and nothing else."""
    return Layout(period=pace.period, slots=0, slot=0, starts=(), targets=(), tail=count)


@lru_cache(maxsize=256)
def multiply(words: int, vectors: int, pace: Pace) -> Layout:
    """Return the layout that multiplies this many vectors in least time.

    Parameters
    ----------
    words
        Words of one slot.
    vectors
        How many there are; for many the layout is no longer different.
    """
    starts = tuple(WORD_CELLS * k for k in range(words))
    found: list[Layout] = []
    for step, period in _steps(pace):
        lead = _cells(pace.lead, period)
        window = WORD_CELLS * words + lead
        slot = window + 2 * pace.inputs * step
        slots = min((CELLS - WORD_CELLS) // slot, vectors)
        if slots >= 1:
            targets = (WORDS,) * words
            layout = Layout(period, slots, slot, starts, targets, window, step, pace.inputs, tail=1)
            found.append(layout)
    if not found:
        raise LimitError(f"{words} words and a reading do not fit into a pattern of {CELLS} cells")
    return min(found, key=lambda layout: cost(layout, vectors, pace))


@lru_cache(maxsize=256)
def pulse(width: Second, pulses: int, pace: Pace) -> Layout:
    """Return the layout of pulses of one width, each followed by its verify read, in least time.

    The words of a slot, see `pulse_words`: all and one of the word lines, all and one of the bit
    lines, update; end of the pulse; read voltage; and after the reading, end of the read.

    Raises
    ------
    LimitError
        If no such width is possible.
    """
    return _timed(width, pulses, pace, verify=True)


@lru_cache(maxsize=256)
def hold(dwell: Second, pace: Pace) -> Layout:
    """Return the layout of one voltage that is held, and read at the end of its time.

    The words are those of `pulse` without the two of the verify read.

    Raises
    ------
    LimitError
        If it cannot be held for this time.
    """
    return _timed(dwell, 1, pace, verify=False)


def cost(layout: Layout, vectors: int, pace: Pace) -> Second:
    """Return the expected time for this many slots."""
    frames = -(-vectors // layout.slots)
    return frames * (pace.calls * pace.exchange + layout.duration)


def _timed(width: Second, pulses: int, pace: Pace, *, verify: bool) -> Layout:
    """Return the cheapest layout whose pulse is exact, or close; the nearest if none is close."""
    found = list(_candidates(width, pulses, pace, verify))
    for part in (1e-9, CLOSE):
        if within := [la for la in found if abs(la.width - width) <= part * width]:
            return min(within, key=lambda layout: cost(layout, pulses, pace))
    nearest = min(found, key=lambda layout: abs(layout.width - width), default=None)
    if nearest is not None and abs(nearest.width - width) <= WIDTH_TOLERANCE * width:
        return nearest
    raise LimitError(_refusal(width, [layout.width for layout in found], verify))


def _candidates(width: Second, pulses: int, pace: Pace, verify: bool) -> Iterator[Layout]:
    """Yield, for every number of cells that a pulse may take, the layout nearest to its width."""
    if width < SHORTEST and verify:
        return
    tried = set()
    for held in range(WORD_CELLS, CELLS):
        period = max(2 * round(width / (2 * TICK * held)), pace.period)
        for cells in {held, max(round(width / (period * TICK)), WORD_CELLS)}:
            if (cells, period) not in tried:
                tried.add((cells, period))
                layout = _around(cells, period, pulses, pace, verify)
                if layout is not None:
                    yield layout


def _around(held: int, period: int, pulses: int, pace: Pace, verify: bool) -> Layout | None:
    """Return the layout with a pulse of `held` cells, or None if it does not fit."""
    lead, step = _cells(pace.lead, period), _cells(pace.step, period)
    reading = lead + 2 * pace.inputs * step
    starts = [WORD_CELLS * k for k in range(len(SETUP))]
    begins = WORD_CELLS * len(SETUP)
    end = begins + held - WORD_CELLS  # the first cell of the word that ends the pulse
    if verify:
        read = end + WORD_CELLS + _cells(pace.dead, period)
        zero = read + WORD_CELLS + reading
        starts += [end, read, zero]
        targets: tuple[int, ...] = (*SETUP, BOTH, WORDS, BOTH)
        window = read + WORD_CELLS + lead
    else:
        # The reading is over when the word that ends it begins.
        if held - WORD_CELLS < reading:
            return None
        zero = end
        starts += [end]
        targets = (*SETUP, BOTH)
        window = end - 2 * pace.inputs * step
    slot = zero + WORD_CELLS
    slots = min(CELLS // slot, pulses)
    if slots < 1:
        return None
    return Layout(period, slots, slot, tuple(starts), targets, window, step, pace.inputs, held=held)


def _steps(pace: Pace) -> Iterator[tuple[int, int]]:
    """Yield lengths of a step in cells with the cell that fits it, ticks."""
    whole = pace.step / TICK
    for cells in range(1, CELLS // (2 * pace.inputs) + 1):
        period = 2 * int(np.ceil(whole / cells / 2 - 1e-9))
        if period < pace.period:
            return
        yield cells, period


def _cells(duration: Second, period: int) -> int:
    """Return a duration in cells, not shorter than it is."""
    return int(np.ceil(duration / (period * TICK) - 1e-9))


def _refusal(width: Second, possible: Sequence[Second], verify: bool) -> str:
    name = "width" if verify else "dwell"
    below = [p for p in possible if p < width]
    above = [p for p in possible if p > width]
    if not possible:
        shortest = SHORTEST if verify else None
        more = f"at least {shortest:g} s" if shortest else "longer: it does not fit a reading"
        return f"a {name} of {width:g} s is not possible; it has to be {more}"
    near = " and ".join(f"{p:.6g} s" for p in [*sorted(below)[-1:], *sorted(above)[:1]])
    return f"a {name} of {width:g} s is not possible; the nearest are {near}"
