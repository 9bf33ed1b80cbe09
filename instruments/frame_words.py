"""The words of frames: what is said to the DACs, slot by slot."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from crossbar.backend import Array
from instruments import ltc2668
from instruments.frames import Layout
from instruments.ltc2668 import ZERO, Codes, Command


def multiply_words(layout: Layout, codes: Codes, channels: Codes) -> Codes:
    """Return the words of frames that bring the word lines to each vector's codes in turn.

    Parameters
    ----------
    codes
        Of each word line, shape ``(frames, slots, lines)``.
    channels
        DAC channel of each word line.
    """
    frames, _, lines = codes.shape
    count = len(layout.starts)
    if count == lines:
        sent = codes | _all_lines(channels.tobytes())
    else:
        before = np.concatenate(
            [np.full((frames, 1, lines), ltc2668.MIDDLE), codes[:, :-1]], axis=1
        )
        changed = codes != before
        # Lines that change come last, so that the last word of a slot updates them all.
        order = np.argsort(changed, axis=-1, kind="stable")[:, :, lines - count :]
        moves = np.take_along_axis(changed, order, axis=-1)
        sent = ltc2668.words(
            Command.WRITE, channels[order], np.take_along_axis(codes, order, axis=-1)
        )
        sent[:, :, -1] |= Command.WRITE_UPDATE_ALL << 20
        sent = np.where(moves, sent, ltc2668.word(Command.NOTHING))
    return _with_end(sent.reshape(frames, -1))


@lru_cache(maxsize=8)
def _all_lines(channels: bytes) -> Codes:
    """Return the words, without their codes, that write these channels and update all at last."""
    numbers = np.frombuffer(channels, dtype=np.int64)
    sent = ltc2668.words(Command.WRITE, numbers, 0)
    sent[-1] |= Command.WRITE_UPDATE_ALL << 20
    return sent


@dataclass(frozen=True, slots=True, eq=False)
class Pulses:
    """Codes and channels of pulses, or of sweep points; every array of shape ``(n,)``.

    Parameters
    ----------
    word_channel, bit_channel
        Of the cell's lines.
    level
        Code of the pulse.
    word_rest, bit_rest
        Codes of all other word lines and bit lines during it.
    """

    word_channel: Codes
    bit_channel: Codes
    level: Codes
    word_rest: Codes
    bit_rest: Codes

    def __len__(self) -> int:
        return len(self.level)


def read_words(layout: Layout, lines: Codes, codes: Codes) -> Codes:
    """Return the words of frames that bring one word line after the other to a code.

    The words of `multiply_words`, without the search for what changes.

    Parameters
    ----------
    lines
        DAC channel of each slot, shape ``(frames, slots)``.
    codes
        Of each slot, same shape; all other channels are at 0 V.
    """
    frames, slots = lines.shape
    sent = np.full((frames, slots, len(layout.starts)), ltc2668.word(Command.NOTHING))
    # The line before goes back first; if it is the same one, the second word overrules this one.
    sent[:, 1:, -2] = ltc2668.words(Command.WRITE, lines[:, :-1], ltc2668.MIDDLE)
    sent[:, :, -1] = ltc2668.words(Command.WRITE_UPDATE_ALL, lines, codes)
    return _with_end(sent.reshape(frames, -1))


def pulse_words(pulses: Pulses, read: int | None) -> Codes:
    """Return the words of each pulse's slot, shape ``(n, 8)``, or ``(n, 6)`` without verify read.

    Parameters
    ----------
    read
        Code of the verify read; None for a voltage that is read while it is held.
    """
    sent = np.empty((len(pulses), 6 if read is None else 8), dtype=np.int64)
    sent[:, :6] = PULSE
    sent[:, 0] |= pulses.word_rest
    sent[:, 1] |= pulses.bit_rest
    word = pulses.word_channel << 16
    sent[:, 2] |= word | pulses.level
    sent[:, 3] |= pulses.bit_channel << 16
    if read is not None:
        sent[:, 6] = word | ltc2668.word(Command.WRITE_UPDATE, 0, read)
        sent[:, 7] = ZERO
    return sent


PULSE = np.array(
    [
        ltc2668.word(Command.WRITE_TO_ALL),
        ltc2668.word(Command.WRITE_TO_ALL),
        ltc2668.word(Command.WRITE),
        ltc2668.word(Command.WRITE, 0, ltc2668.MIDDLE),
        ltc2668.word(Command.UPDATE_ALL),
        ZERO,
    ]
)
"""Words of a pulse without its channels and codes: the fifth begins it, the sixth ends it."""


def equal_runs(values: Array) -> Iterator[slice]:
    """Yield the places of neighbours that are equal, in order."""
    if len(values) == 1:
        yield slice(0, 1)
        return
    edges = np.flatnonzero(np.diff(values)) + 1
    ends = [*edges.tolist(), len(values)]
    yield from (slice(a, b) for a, b in zip([0, *ends], ends, strict=False) if b > a)


def _with_end(sent: Codes) -> Codes:
    """Return the words of frames with the one that ends them all, 0 V on every line."""
    whole = np.empty((len(sent), sent.shape[1] + 1), dtype=np.int64)
    whole[:, :-1] = sent
    whole[:, -1] = ZERO
    return whole
