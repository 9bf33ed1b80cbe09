"""The words of frames: what is said to the DACs, slot by slot."""

from collections.abc import Iterator
from dataclasses import dataclass

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
    frames, slots, lines = codes.shape
    count = len(layout.starts)
    if count == lines:
        sent = ltc2668.words(Command.WRITE, channels, codes)
        sent[:, :, -1] |= Command.WRITE_UPDATE_ALL << 20
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
    whole = np.empty((frames, slots * count + 1), dtype=np.int64)
    whole[:, :-1] = sent.reshape(frames, -1)
    whole[:, -1] = ZERO
    return whole


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


def pulse_words(pulses: Pulses, read: int | None) -> Codes:
    """Return the words of each pulse's slot, shape ``(n, 8)``, or ``(n, 7)`` without verify read.

    Parameters
    ----------
    read
        Code of the verify read; None for a voltage that is read while it is held.
    """
    update = np.full(len(pulses), ltc2668.word(Command.UPDATE_ALL))
    zero = np.full(len(pulses), ZERO)
    columns = [
        ltc2668.words(Command.WRITE_TO_ALL, 0, pulses.word_rest),
        ltc2668.words(Command.WRITE_TO_ALL, 0, pulses.bit_rest),
        ltc2668.words(Command.WRITE, pulses.word_channel, pulses.level),
        ltc2668.words(Command.WRITE, pulses.bit_channel, ltc2668.MIDDLE),
        update,
        zero,
    ]
    if read is not None:
        columns += [ltc2668.words(Command.WRITE_UPDATE, pulses.word_channel, read), zero]
    return np.stack(columns, axis=1)


def equal_runs(values: Array) -> Iterator[slice]:
    """Yield the places of neighbours that are equal, in order."""
    edges = np.flatnonzero(np.diff(values)) + 1
    ends = [*edges.tolist(), len(values)]
    yield from (slice(a, b) for a, b in zip([0, *ends], ends, strict=False) if b > a)
