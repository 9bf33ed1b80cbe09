"""Bugs to be planted into drivers, guard and journal: a checker has to catch each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import instruments.analog_discovery
import instruments.backend
import sim_backend.virtual.bench
from crossbar.backend import Cells, LimitError, Reading
from crossbar.guard import Guarded
from crossbar.recorder import Recorded
from crossbar.store import Run
from instruments.analog_discovery import AnalogDiscovery
from instruments.backend import HardwareBackend
from instruments.discovery_credible import Credible
from instruments.keithley2400 import Keithley2400
from instruments.switch_board import SwitchBoard
from instruments.wiring import Sensing
from instruments.wiring_parallel import ParallelWiring
from instruments.wiring_switched import SwitchedWiring
from sim_backend.virtual.switch_board import BoardFaults, VirtualSwitchBoard

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Bug:
    """A planted bug.

    Parameters
    ----------
    plant
        Puts it there.
    shows
        The kinds of finding of which one has to be made.
    fault
        With which it shows; most show in any run.
    bench
        On which it shows.
    """

    plant: Patch
    shows: tuple[str, ...]
    fault: str = "none"
    bench: str = "virtual-switched"


def _never_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HardwareBackend, "_turn_off", lambda _: None)


def _journal_after(patch: pytest.MonkeyPatch) -> None:
    """The pulse first, and its intent when it is over."""

    def call(self: Any, verb: str, asked: Any, act: Any, answered: Any) -> Any:
        answer = act()
        number = self._run.intent(verb, self._now(), asked)
        self._run.outcome(number, self._now(), answered(answer))
        return answer

    patch.setattr(Recorded, "_call", call)


def _no_outcome(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Run, "outcome", lambda *_args, **_named: None)


def _no_limits(patch: pytest.MonkeyPatch) -> None:
    def pulse(self: Any, cells: Cells, voltages: Any, widths: Any, read: float) -> Reading:
        self._charge(cells, np.ones(len(cells)), voltages**2 * widths)
        reading: Reading = self._backend.pulse(cells, voltages, widths, read)
        return reading

    patch.setattr(Guarded, "pulse", pulse)
    patch.setattr(instruments.backend, "checked_pulses", lambda _c, v, w, *_: (v, w))


def _not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Guarded, "_charge", lambda *_: None)


def _asked_differently(change: Callable[[Any, Any, Any], tuple[Any, Any, Any]]) -> Patch:
    """Let the drivers get another pulse than was asked for and journalled."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        pulse = HardwareBackend.pulse

        def changed(self: Any, cells: Cells, voltages: Any, widths: Any, read: float) -> Reading:
            return pulse(self, *change(cells, voltages, widths), read)

        patch.setattr(HardwareBackend, "pulse", changed)

    return plant


def _pulsed_twice(patch: pytest.MonkeyPatch) -> None:
    """A retry that nobody has asked for."""
    pulse = HardwareBackend.pulse

    def twice(self: Any, *given: Any) -> Reading:
        pulse(self, *given)
        return pulse(self, *given)

    patch.setattr(HardwareBackend, "pulse", twice)


def _wrong_line(patch: pytest.MonkeyPatch) -> None:
    addresses = SwitchedWiring._addresses

    def shifted(self: Any, cells: Cells) -> Any:
        return addresses(self, Cells(cells.word, (cells.bit + 1) % 10))

    patch.setattr(SwitchedWiring, "_addresses", shifted)


def _no_flags(patch: pytest.MonkeyPatch) -> None:
    reading = Sensing.reading

    def silent(self: Any, *given: Any) -> Reading:
        found = reading(self, *given)
        return replace(found, flags=np.zeros_like(found.flags))

    patch.setattr(Sensing, "reading", silent)


def _untranslated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instruments.analog_discovery, "translated", lambda error: error)


def _stays_at_0_v_only_if_asked(patch: pytest.MonkeyPatch) -> None:
    """The Keithley stays at its level while another cell is selected."""
    source = Keithley2400.source

    def stubborn(self: Any, voltage: float) -> None:
        if voltage:
            source(self, voltage)

    patch.setattr(Keithley2400, "source", stubborn)
    patch.setattr(Keithley2400, "rest", lambda _: None)


def _makes_before_it_breaks(patch: pytest.MonkeyPatch) -> None:
    broken = partial(VirtualSwitchBoard, faults=BoardFaults(breaks=False))
    patch.setattr(sim_backend.virtual.bench, "VirtualSwitchBoard", broken)
    patch.setattr(SwitchBoard, "open_all", lambda _: None)


def _refuses_late(patch: pytest.MonkeyPatch) -> None:
    """What is refused is driven first."""

    def pulse(self: Any, cells: Cells, voltages: Any, widths: Any, read: float) -> Reading:
        backend = self._backend
        reading: Reading = backend._perform(backend._wiring.pulse, cells, voltages, widths, read)
        if np.abs(voltages).max() > self.limits.voltage:
            raise LimitError("too much")
        return reading

    patch.setattr(Guarded, "pulse", pulse)


BUGS: Mapping[str, Bug] = {
    "never switches off": Bug(_never_off, ("left on",)),
    "never switches off, converters": Bug(_never_off, ("left on",), bench="virtual-parallel"),
    "journals after the pulse": Bug(_journal_after, ("unasked",)),
    "keeps no outcomes": Bug(_no_outcome, ("lost record",)),
    "knows no limits": Bug(_no_limits, ("envelope",), "too much"),
    "refuses what it has driven": Bug(_refuses_late, ("envelope",), "too much"),
    "does not count": Bug(_not_counted, ("uncounted",)),
    "pulses twice": Bug(_pulsed_twice, ("uncounted",)),
    "pulses too long": Bug(_asked_differently(lambda c, v, w: (c, v, 3 * w)), ("unasked",)),
    "pulses too high": Bug(_asked_differently(lambda c, v, w: (c, 1.1 * v, w)), ("unasked",)),
    "pulses backwards": Bug(_asked_differently(lambda c, v, w: (c, -v, w)), ("unasked",)),
    "selects the neighbour": Bug(_wrong_line, ("unasked", "wrong datum")),
    "drops flags": Bug(_no_flags, ("wrong datum",), "shorted"),
    "believes a sticking scope": Bug(
        lambda patch: patch.setattr(Credible, "check", lambda *_: None),
        ("wrong datum",),
        "stuck",
        "virtual-parallel",
    ),
    "believes a bench without supplies": Bug(
        lambda patch: patch.setattr(AnalogDiscovery, "confirm", lambda *_: None),
        ("wrong datum",),
        "tripped",
    ),
    "forgets the converters": Bug(
        lambda patch: patch.setattr(ParallelWiring, "_pulses", _without_rest),
        ("unasked",),
        bench="virtual-parallel",
    ),
    "lets others' errors out": Bug(_untranslated, ("crash",), "refused"),
    "switches relays under voltage": Bug(
        _stays_at_0_v_only_if_asked, ("hot switching",), bench="serial"
    ),
    "makes before it breaks": Bug(_makes_before_it_breaks, ("two cells",), bench="serial"),
}

_pulses = ParallelWiring._pulses


def _without_rest(self: Any, cells: Cells, voltages: Any, rest: tuple[float, float]) -> Any:
    """Unselected lines are driven as hard as selected ones."""
    return _pulses(self, cells, voltages, (1.0, 0.0))
