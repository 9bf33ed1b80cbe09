"""Whether a record of the Analog Discovery 2 shows what its generators were told to play."""

import numpy as np

from crossbar.backend import Array, InstrumentError, Second, Volt


def commanded(samples: Array, interval: Second, times: Array, settle: Second) -> Array:
    """Return what a waveform should be at given times; NaN where its edges have not settled.

    Parameters
    ----------
    samples
        Of the waveform, V.
    interval
        Time of each, s. Before the first and after the last, the output is at 0 V.
    times
        Since the start of the waveform, s.
    settle
        Nothing is expected this long after a step, s, nor one tenth of it before: the two clocks
        need not agree better.
    """
    padded = np.concatenate(([0.0], samples, [0.0]))

    def at(moments: Array) -> Array:
        where = np.clip(np.floor(moments / interval + 1e-9).astype(np.intp), -1, len(samples))
        played: Array = padded[where + 1]
        return played

    now = at(times)
    quiet = (at(times - settle) == now) & (at(times + settle / 10) == now)
    # A pulse shorter than the settling time is never quiet, so both its edges count.
    return np.where(quiet, now, np.nan)


def check_against(expected: Array, seen: Array, tolerance: Volt | Array, what: str = "W1") -> None:
    """Raise unless a record shows what was commanded.

    Parameters
    ----------
    expected
        V, shape ``(samples,)``; NaN where nothing is expected (see `commanded`).
    seen
        The record of the scope input that watches, V, same shape.
    tolerance
        Largest difference that is accepted, V; of all samples or of each.
    what
        The output, for the message.

    Raises
    ------
    InstrumentError
        If any sample differs by more; it says what was commanded and what was seen.
    """
    difference = np.abs(seen - expected)
    wrong = np.flatnonzero(~(difference <= tolerance) & ~np.isnan(expected))
    if not wrong.size:
        return
    # A sample that is no number differs most of all.
    worst = int(wrong[np.argmax(np.nan_to_num(difference[wrong], nan=np.inf))])
    raise InstrumentError(
        f"{what} did not play what was commanded: {expected[worst]:.4g} V was commanded and "
        f"{seen[worst]:.4g} V was seen at sample {worst}; {wrong.size} of {len(expected)} samples "
        f"are further off than allowed, the first is {wrong[0]}"
    )
