"""No current is returned that was taken through relays that had let go, whatever measured it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

import test_wiring_switched_virtual as virtual_wiring
from crossbar.backend import Array, Cells, InstrumentError
from instruments.selectors import BoardSelector
from instruments.settings import KeithleyTable
from instruments.switch_board import SwitchBoard
from instruments.wiring_switched import SwitchedWiring
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.switch_board import BoardFaults, VirtualSwitchBoard
from sim_backend.virtual.world import World
from test_wiring_switched_virtual import LIMITS, RESOURCE, SHAPE, rehearsed

CELLS = Cells.of([(1, 2), (3, 4), (5, 6)])
THREE = np.full(3, 0.2), np.full(3, 1e-4)
POINTS = np.linspace(0.1, 0.3, 5)

Verb = Callable[[SwitchedWiring], Array]
VERBS: dict[str, Verb] = {
    "read": lambda w: w.read(CELLS, 0.3).current,
    "pulse": lambda w: w.pulse(CELLS, *THREE, 0.3).current,
    "drive": lambda w: w.drive(np.where(np.arange(SHAPE[0]) == 1, 0.3, 0.0)[None]).current,
    "sweep": lambda w: w.sweep((1, 2), POINTS, LIMITS.current, 5e-3).current,
    "trace": lambda w: w.trace((1, 2), POINTS, 1e-3, LIMITS.current).current,
}
KEITHLEY = KeithleyTable("6487", RESOURCE, reads=True)
METER = ("read", "pulse", "sweep")
"""Verbs in which the source meter has a part."""


class LetsGo(VirtualSwitchBoard):
    """A board whose relays let go right after the n-th selection from now, before it is used."""

    left: int | None = None
    by_watchdog = True

    def handle(self, line: str) -> str | None:
        reply = super().handle(line)
        if self.left is not None and " CLOSE " in line:
            self.left -= 1
            if self.left == 0 and self.by_watchdog:
                assert isinstance(self._watch, FastClock)
                self._watch.sleep(1.1)
            elif self.left == 0:
                self.faults = BoardFaults(dead=frozenset(range(32)))
        return reply


@contextmanager
def bench(
    monkeypatch: pytest.MonkeyPatch, keithley: KeithleyTable | None
) -> Iterator[tuple[SwitchedWiring, LetsGo]]:
    boards: list[LetsGo] = []

    def made(world: World) -> LetsGo:
        boards.append(LetsGo(world, watch=FastClock()))
        return boards[0]

    monkeypatch.setattr(virtual_wiring, "VirtualSwitchBoard", made)
    with rehearsed("switched-serial", keithley=keithley) as opened:
        yield opened.wiring, boards[0]


def selections(verb: Verb, wiring: SwitchedWiring, board: LetsGo) -> int:
    """Return how many a verb makes of itself; what is selected before is none of them."""
    verb(wiring)
    wiring._selector.release()
    board.left = 0
    verb(wiring)
    made, board.left = -board.left, None
    wiring._selector.release()
    return made


@pytest.mark.parametrize("by_watchdog", [True, False], ids=["watchdog", "outputs"])
@pytest.mark.parametrize(
    ("verb", "keithley"),
    [*((verb, None) for verb in VERBS), *((verb, KEITHLEY) for verb in METER)],
    ids=[*VERBS, *(f"{verb} by the source meter" for verb in METER)],
)
def test_relays_that_let_go_in_any_selection_of_a_verb_are_an_error(
    verb: str,
    keithley: KeithleyTable | None,
    by_watchdog: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with bench(monkeypatch, keithley) as (wiring, board):
        board.by_watchdog = by_watchdog
        count = selections(VERBS[verb], wiring, board)
        assert count >= 1
        for last in {1, count}:
            board.left = last
            with pytest.raises(InstrumentError, match=r"closed (in the end )?instead of"):
                VERBS[verb](wiring)
            board.left, board.faults = None, BoardFaults()
            wiring._selector.release()
        assert VERBS[verb](wiring).size


@pytest.mark.parametrize("verb", VERBS)
def test_a_selector_that_does_not_confirm_returns_such_a_current(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The planted bug: what the tests above are for.
    monkeypatch.setattr(BoardSelector, "confirm", lambda _: None)
    with bench(monkeypatch, None) as (wiring, board):
        count = selections(VERBS[verb], wiring, board)
        truth = VERBS[verb](wiring)
        wiring._selector.release()
        board.left = count
        wrong = VERBS[verb](wiring)
        assert (np.abs(wrong - truth) > 0.5 * np.abs(truth)).any()
        board.left = None
        with pytest.raises(InstrumentError, match="do not believe"):
            wiring._selector.release()


def test_a_source_meters_reading_is_believed_only_after_the_end_of_its_selection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The planted bug: a board whose end of a selection is not looked at.
    def blind(board: SwitchBoard) -> None:
        board._confirmed = None
        board._open_relays()  # type: ignore[attr-defined]

    monkeypatch.setattr(SwitchBoard, "_open_relays", SwitchBoard._open, raising=False)
    monkeypatch.setattr(SwitchBoard, "_open", blind)
    with bench(monkeypatch, KEITHLEY) as (wiring, board):
        truth = wiring.read(CELLS, 0.3).current
        board.left = 3
        wrong = wiring.read(CELLS, 0.3).current
        assert wrong[2] < 0.5 * truth[2]
