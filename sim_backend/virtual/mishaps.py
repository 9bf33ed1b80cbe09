"""What happens to a source meter in a laboratory, by name: on the way to it, and in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.lines import Fault, LineFaults

SourceMeter: TypeAlias = Virtual2400 | Virtual6487

BOTH = (Virtual2400, Virtual6487)
OVERFLOW = "+9.900000E+37"
NOT_A_NUMBER = "NAN"
PLAUSIBLE = "+1.234500E-04"
TOO_MANY = 12
"""Errors, more than the queue holds."""

USED: Mapping[type[SourceMeter], tuple[str, ...]] = {
    Virtual2400: (
        *("SOUR:VOLT:RANG 20", "SOUR:VOLT 7", "SENS:CURR:PROT 1", "SENS:CURR:RANG 1e-2"),
        *("SOUR:VOLT:STAR 5", "SOUR:VOLT:STOP 15", "SOUR:VOLT:STEP 2", "SOUR:SWE:RANG BEST"),
        *("SOUR:VOLT:MODE SWE", "ARM:COUN 3", "TRIG:COUN 2", "SOUR:DEL 0.5"),
        *("SENS:FUNC:CONC OFF", "SENS:RES:MODE AUTO", "SENS:AVER ON", "SENS:CURR:NPLC 5"),
        *("FORM:ELEM CURR", "OUTP:SMOD ZERO", "SOUR:CLE:AUTO ON", "SOUR:FUNC CURR"),
    ),
    Virtual6487: (
        *("SOUR:VOLT:RANG 50", "SOUR:VOLT 7", "SOUR:VOLT:ILIM 2.5e-3", "SENS:CURR:RANG 2e-2"),
        *("SOUR:VOLT:SWE:STAR 9", "SOUR:VOLT:SWE:STOP -9", "SOUR:VOLT:SWE:STEP 3"),
        *("SOUR:VOLT:SWE:DEL 0.5", "ARM:COUN 3", "TRIG:COUN 2"),
        *("SENS:AVER ON", "SENS:MED ON", "SENS:CURR:NPLC 5", "FORM:ELEM READ,STAT"),
    ),
}
"""What somebody has left an instrument at: off, and everything else as it must not be."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something that goes wrong with one message, or just before it.

    Parameters
    ----------
    faults
        Takes the instrument and the number of the message; returns what goes wrong.
    models
        Instruments that it can happen to.
    replies
        True if it happens to a reply, so that a message without a question is spared.
    by_hand
        True if somebody at the front panel changes the limit, which may be while it is on.
    """

    faults: Callable[[SourceMeter, int], LineFaults]
    models: tuple[type[SourceMeter], ...] = BOTH
    replies: bool = False
    by_hand: bool = False


def _on_the_way(fault: Fault, *, replies: bool = True) -> Mishap:
    return Mishap(lambda _, number: {number: fault}, replies=replies)


def _in_it(happen: Callable[[SourceMeter], None], **more: object) -> Mishap:
    return Mishap(lambda meter, number: {number: partial(happen, meter)}, **more)  # type: ignore[arg-type]


def _pressed(meter: SourceMeter, **commands: str) -> None:
    meter.panel(commands["k2400" if isinstance(meter, Virtual2400) else "k6487"])


def _panel(k2400: str, k6487: str, *, by_hand: bool = False) -> Mishap:
    return _in_it(partial(_pressed, k2400=k2400, k6487=k6487), by_hand=by_hand)


def _spoil(meter: SourceMeter, text: str) -> None:
    meter.spoilt = text


def _open_interlock(meter: SourceMeter) -> None:
    if isinstance(meter, Virtual2400):
        meter.enable_closed = False
    else:
        meter.interlock_closed = False


def _fill_errors(meter: SourceMeter) -> None:
    for _ in range(TOO_MANY):
        meter.panel("NONSENSE")


def _stick_zero_check(meter: SourceMeter) -> None:
    if isinstance(meter, Virtual6487):
        meter.zero_check_stuck = True
    meter.panel("SYST:ZCH ON")


MISHAPS: Mapping[str, Mishap] = {
    "reply dropped once": _on_the_way(Fault.DROP),
    "every reply dropped": _on_the_way(Fault.HANG, replies=False),
    "command dropped": _on_the_way(Fault.DROP_COMMAND, replies=False),
    "reply late": _on_the_way(Fault.LATE),
    "reply truncated": _on_the_way(Fault.TRUNCATE),
    "reply without end": _on_the_way(Fault.NO_END),
    "reply is noise": _on_the_way(Fault.GARBAGE),
    "reply doubled": _on_the_way(Fault.DOUBLE),
    "plausible wrong reply": _on_the_way(Fault.REPLACE),
    "wrong reply with its mark": _on_the_way(Fault.REPLACE_MARKED),
    "hang": _on_the_way(Fault.BUSY, replies=False),
    "unplugged": _on_the_way(Fault.UNPLUG, replies=False),
    "front-panel reset": _panel("*RST", "*RST", by_hand=True),
    "front-panel level": _panel("SOUR:VOLT 0.55", "SOUR:VOLT 0.55"),
    "front-panel limit": _panel("SENS:CURR:PROT 1e-3", "SOUR:VOLT:ILIM 2.5e-3", by_hand=True),
    "front-panel output off": _panel("OUTP OFF", "SOUR:VOLT:STAT OFF"),
    "overflow": _in_it(partial(_spoil, text=OVERFLOW), replies=True),
    "no number": _in_it(partial(_spoil, text=NOT_A_NUMBER), replies=True),
    "interlock opens": _in_it(_open_interlock),
    "error queue full": _in_it(_fill_errors),
    "zero check pressed": _in_it(lambda meter: meter.panel("SYST:ZCH ON"), models=(Virtual6487,)),
    "zero check stuck on": _in_it(_stick_zero_check, models=(Virtual6487,)),
}
"""By name; what is not among them is in `BLIND`."""
BLIND: Mapping[str, Mishap] = {
    "wrong current with its mark": _in_it(partial(_spoil, text=PLAUSIBLE), replies=True),
}
"""What no protocol can tell from the truth: whatever makes the reply knows its mark."""
