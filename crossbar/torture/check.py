"""The checker: what must hold after every run, however it ended.

It believes the witness and the journal, and nothing that a driver says of itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossbar.backend import Array, CrossbarError, Second, Volt
from crossbar.store import Call
from crossbar.torture.rehearse import Played

SHARE, LEAST = 0.05, 3e-7
"""Of a current, and A, by which an unflagged datum may be off.  # assumed"""
AMPLITUDE = 1.03, 0.03
"""Factor, and V, by which a voltage may be larger than what was asked for.  # assumed"""
LONGER = 1.05, 2e-5
"""Factor, and s, by which a pulse may be longer.  # assumed: edges of converters"""
HALF = 0.5
"""Of an amplitude, which half-selected cells may see."""
SOONER: Second = 1e-9
"""Rounding of bench times, s."""
DRIVING = ("pulse", "sweep", "trace")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must never come of a run.

    Parameters
    ----------
    kind
        ``envelope``, ``limit``, ``hot switching``, ``two cells``, ``left on``, ``wrong datum``,
        ``lost record``, ``unasked``, ``uncounted`` or ``crash``.
    text
        What was found.
    """

    kind: str
    text: str


def check(played: Played) -> list[Finding]:
    """Return everything that must not be; nothing of a run that kept every promise."""
    return [
        *(Finding(str(v["kind"]), str(v["text"])) for v in played.violations),
        *_left(played),
        *_wrong(played),
        *_lost(played),
        *_unasked(played),
        *_uncounted(played),
        *_crashed(played),
    ]


def _left(played: Played) -> Iterator[Finding]:
    """Yield what is on that should be off; what nobody can reach has to be reported."""
    if not played.left:
        return
    if played.trouble == "CUT" and isinstance(played.error, CrossbarError):
        return
    yield Finding("left on", ", ".join(f"{name}: {what}" for name, what in played.left.items()))


def _wrong(played: Played) -> Iterator[Finding]:
    for datum in played.data:
        off = np.abs(datum.current - datum.truth) > SHARE * np.abs(datum.truth) + LEAST
        bad = (off | ~np.isfinite(datum.current)) & (datum.flags == 0)
        for at in np.argwhere(bad)[:3].tolist():
            place = tuple(at)
            yield Finding(
                "wrong datum",
                f"{datum.verb} {place}: {datum.current[place]:.4g} A without a flag, where "
                f"{datum.truth[place]:.4g} A flowed",
            )


def _lost(played: Played) -> Iterator[Finding]:
    """Yield what a caller was given and the journal does not hold."""
    answered = [call for call in played.calls if call.answered is not None]
    if len(answered) < played.answered:
        yield Finding(
            "lost record", f"{played.answered} calls returned, {len(answered)} are in the journal"
        )
    kept = [call.answered for call in answered if call.answered and "current" in call.answered]
    for datum, arrays in zip(played.data, kept, strict=False):
        if not np.array_equal(arrays["current"], datum.current, equal_nan=True):
            yield Finding("lost record", f"{datum.verb}: the journal holds other currents")


def _unasked(played: Played) -> Iterator[Finding]:
    """Yield what cells saw that no journalled intent covers at that moment."""
    driving = [call for call in played.calls if call.verb in DRIVING]
    for dose in played.doses:
        start = float(dose["start"]) - played.offset  # type: ignore[arg-type]
        call = _under_way(driving, start)
        text = f"{dose['voltage']:.3g} V for {dose['width']:.3g} s on {dose['cells'] or 'many'}"
        if call is None:
            yield Finding("unasked", f"{text}: no intent was in the journal")
        elif not _covered(call, dose, shared=played.grounded or call.verb == "sweep"):
            yield Finding("unasked", f"{text}: not what {call.verb} {call.id} asked for")


def _under_way(calls: Sequence[Call], start: Second) -> Call | None:
    """Return the call that was journalled, and not ended, at a bench time."""
    for call in calls:
        began, ended = call.bench_started, call.bench_ended
        if began is not None and began <= start + SOONER and (ended is None or start <= ended):
            return call
    return None


def _covered(call: Call, dose: Mapping[str, Any], *, shared: bool) -> bool:
    """Return whether a call asked for as much as a dose was.

    With `shared` cells on the word line of one that was asked for may see as much: where unselected
    lines are at 0 V they do, as under a source meter's sweep.
    """
    asked = requested(call)
    voltage, width = float(dose["voltage"]), float(dose["width"])
    largest = max((size for wanted in asked.values() for size, _ in wanted), key=abs, default=0.0)
    if abs(voltage) <= _most(HALF * largest):
        return True
    if not dose["cells"]:
        return False
    return all(
        any(
            np.sign(size) == np.sign(voltage)
            and abs(voltage) <= _most(size)
            and width <= LONGER[0] * long + LONGER[1]
            for at, wanted in asked.items()
            if at == (int(cell[0]), int(cell[1])) or (shared and at[0] == int(cell[0]))
            for size, long in wanted
        )
        for cell in dose["cells"]
    )


def requested(call: Call) -> dict[tuple[int, int], list[tuple[Volt, Second]]]:
    """Return voltages and widths that a call asked for, by cell."""
    asked = call.asked
    if call.verb == "pulse":
        found: dict[tuple[int, int], list[tuple[Volt, Second]]] = {}
        rows = zip(asked["word"], asked["bit"], asked["voltages"], asked["widths"], strict=True)
        for word, bit, voltage, width in rows:
            found.setdefault((int(word), int(bit)), []).append((float(voltage), float(width)))
        return found
    time = float(asked["dwell" if call.verb == "sweep" else "interval"])
    cell = int(asked["cell"][0]), int(asked["cell"][1])
    voltages: Array = np.asarray(asked["voltages"], dtype=np.float64)
    # Points of one voltage follow each other without a gap where they are held.
    return {cell: [(float(v), len(voltages) * time) for v in voltages]}


def _most(size: Volt) -> Volt:
    return AMPLITUDE[0] * abs(size) + AMPLITUDE[1]


def _uncounted(played: Played) -> Iterator[Finding]:
    """Yield cells that received more pulses than anybody counted, or than were asked for."""
    received: dict[tuple[int, int], int] = {}
    pulses = [call for call in played.calls if call.verb == "pulse"]
    for dose in played.doses:
        start = float(dose["start"]) - played.offset  # type: ignore[arg-type]
        call = _under_way(pulses, start)
        if call is None:
            continue
        largest = max((abs(s) for w in requested(call).values() for s, _ in w), default=0.0)
        if abs(float(dose["voltage"])) <= _most(HALF * largest):  # type: ignore[arg-type]
            continue
        for word, bit in dose["cells"]:  # type: ignore[attr-defined]
            if played.grounded and (int(word), int(bit)) not in requested(call):
                continue
            received[int(word), int(bit)] = received.get((int(word), int(bit)), 0) + 1
    for cell, count in received.items():
        counted = int(played.pulses[cell]) if played.pulses.size else 0
        if count > counted:
            yield Finding("uncounted", f"cell {cell} saw {count} pulses, {counted} were counted")


def _crashed(played: Played) -> Iterator[Finding]:
    error = played.error
    if error is not None and not isinstance(error, (CrossbarError, KeyboardInterrupt)):
        yield Finding("crash", f"{type(error).__name__}: {error}")
