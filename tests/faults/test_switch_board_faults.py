"""Whatever happens to the switch board or to its line: never two lines of a kind, nothing left
closed without a word, and no reading believed that was taken through other relays.

A fault at every single message of a short dialogue, in the program's own time; and some of them on
a real pseudo-terminal.
"""

import time
from collections.abc import Iterable
from contextlib import ExitStack

import pytest

from crossbar.backend import CrossbarError, InstrumentError
from faulty_switch_board import FAULTS, PAIRS, PATIENCE, Outcome, Rig, play, violations
from instruments.switch_board import SwitchBoard
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.servers import Fault, PtyServer
from sim_backend.virtual.switch_board import BoardFaults, VirtualSwitchBoard
from sim_backend.virtual.world import Loopback, World
from switch_board_driver import overlaps

MESSAGES = play(Rig()).messages
FIRST = 2
"""Message after the empty line and IDENT."""


def everywhere(rig: Rig) -> Iterable[tuple[str, int, Outcome]]:
    """Yield what becomes of a dialogue with each fault at each message."""
    for fault in FAULTS:
        for at in range(MESSAGES):
            yield fault, at, play(rig, fault, at)


def test_without_a_fault_every_selection_is_believed_and_lasts() -> None:
    outcome = play(Rig())
    assert outcome.error is None
    assert violations(outcome) == []
    assert [pair for _, _, pair in outcome.believed] == list(PAIRS)
    assert outcome.strays == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_message_leaves_nothing_closed_and_nothing_wrong(fault: str) -> None:
    outcomes = [play(Rig(), fault, at) for at in range(MESSAGES)]
    found = {at: violations(each) for at, each in enumerate(outcomes)}
    assert {at: wrong for at, wrong in found.items() if wrong} == {}
    # The fault has bitten: otherwise this shows nothing.
    assert any(each.error or each.strays for each in outcomes)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_program_before_has_left_closed_is_opened_or_told_of(fault: str) -> None:
    rig = Rig(left=frozenset({3, 19}))
    for at in range(FIRST, FIRST + 3):
        assert violations(play(rig, fault, at)) == []
    for at in range(FIRST):
        # Nothing is told to what has not said that it is a switch board; its watchdog is there.
        outcome = play(rig, fault, at)
        outcome.time.sleep(PATIENCE)
        assert outcome.board.closed <= outcome.board.faults.stuck


def test_a_reply_that_comes_twice_costs_nothing() -> None:
    for at in range(MESSAGES):
        outcome = play(Rig(), "double", at)
        assert outcome.error is None
        assert len(outcome.believed) == len(PAIRS)


class MakesBeforeItBreaks(SwitchBoard):
    """The planted bug: close what is wanted, and only then look after the rest."""

    def select(self, selected: Iterable[int]) -> None:
        wanted = frozenset(selected)
        mask = sum(1 << channel for channel in wanted)
        self._ask(f"CLOSE {mask:08X}", str)
        self._confirmed = wanted


class ComparesNothing(SwitchBoard):
    """The planted bug: read back, and never look at it."""

    def _compare(self, found: frozenset[int], wanted: frozenset[int], why: str = "") -> None:
        pass


class AsksFirst(SwitchBoard):
    """The planted bug: to open the relays only if the board says that there is need."""

    def safe(self) -> None:
        if self.closed():
            super().safe()


class ConfirmsNothing(SwitchBoard):
    """The planted bug: believe that a selection lasts."""

    def confirm(self) -> None:
        pass

    def _open(self) -> None:
        self._confirmed = None
        super()._open()


PLANTED = {
    "make before break": (Rig(MakesBeforeItBreaks, BoardFaults(breaks=False)), "two lines"),
    "a read-back that is not compared": (Rig(ComparesNothing), "believed"),
    "asks before it opens": (Rig(AsksFirst), "left closed without a word"),
    "confirms nothing": (Rig(ConfirmsNothing), "believed"),
    "a watchdog that never fires": (
        Rig(faults=BoardFaults(watches=False)),
        "left closed for good",
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug: str) -> None:
    rig, expected = PLANTED[bug]
    found = [wrong for _, _, outcome in everywhere(rig) for wrong in violations(outcome)]
    assert any(expected in wrong for wrong in found)


def test_a_driver_that_does_not_beat_is_caught() -> None:
    outcome = play(Rig(beat=0.0))
    assert isinstance(outcome.error, InstrumentError)
    assert "its watchdog opened them" in str(outcome.error)
    assert outcome.believed == []


SOME = (2, 4, 5, 8)
"""Messages at which the real line is disturbed: opening, a selection, its confirmation, its end."""


@pytest.mark.parametrize("at", SOME)
@pytest.mark.parametrize("fault", Fault)
def test_a_fault_on_a_real_line_leaves_nothing_closed_and_nothing_wrong(
    fault: Fault, at: int
) -> None:
    board = VirtualSwitchBoard(World(FastClock(), Loopback()))
    began = time.monotonic()
    error: CrossbarError | None = None
    with ExitStack() as stack:
        server = stack.enter_context(PtyServer(board, faults={at: fault}))
        try:
            with SwitchBoard(server.device, deadline=0.1, beat=0.0) as driver:
                for pair in PAIRS:
                    driver.select(pair)
                    seen = board.closed
                    driver.confirm()
                    assert seen == pair
                driver.open_all()
        except CrossbarError as problem:
            error = problem
        left = board.closed
    assert time.monotonic() - began < 60
    assert not left or "could not confirm" in str(error)
    assert overlaps(board) == []
    end = time.monotonic() + 60
    while board.closed:  # the watchdog's second
        assert time.monotonic() < end
        time.sleep(0.02)
