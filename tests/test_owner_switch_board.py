"""What we assume of the switch board; docs/owner-tests.md says how to try it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from crossbar.backend import InstrumentError
from instruments.analog_discovery import Acquisition, Trigger
from instruments.switch_board import BEAT, SwitchBoard
from instruments.switch_board_replies import CHANNELS
from instruments.timing import Monotonic, Timer
from owner_bench import Place, assumes, check_page, choose_places, place, say_what_is_not_tried
from owner_discovery import Discovery, discovery
from serial_line import serial_line
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.signals import Steps, Stimulus
from sim_backend.virtual.switch_board import VirtualSwitchBoard
from sim_backend.virtual.world import Loopback, World

PAGE = "docs/switch-board.md"
RELAYS = "data sheets of signal relays"
LEVEL = 0.5  # V


@dataclass(frozen=True, slots=True)
class Board:
    """An open switch board.

    Parameters
    ----------
    place
        Virtual or real.
    driver
        Of the board.
    timer
        Virtual or real time.
    """

    place: Place
    driver: SwitchBoard
    timer: Timer


class Contacts(Loopback):
    """W1 on the contacts of relays 0 and 1; their common pins on scope 1 and scope 2."""

    def __init__(self) -> None:
        self._closed: frozenset[int] = frozenset()

    def respond(self, stimulus: Stimulus) -> tuple[Steps, Steps]:
        """Return W1 where a relay is closed."""
        open_contact = Steps.constant(stimulus.start, 0.0)
        one, two = (stimulus.waveforms[0] if n in self._closed else open_contact for n in range(2))
        return one, two

    def switch(self, closed: frozenset[int]) -> None:
        """Close these channels and open all others."""
        self._closed = closed


@contextmanager
def switched(where: Place, world: World | None, *, silent: bool = False) -> Iterator[Board]:
    """Open a switch board, virtual in this world or the owner's; `silent` sends no beats."""
    beat = 0.0 if silent else BEAT
    if world is None:
        table = where.tables.get("switch_board")
        if table is None:
            pytest.skip("the bench file has no table [switch_board]")
        with SwitchBoard(table["port"], beat=beat) as driver:
            yield Board(where, driver, Monotonic())
        return
    virtual = VirtualSwitchBoard(world, watch=world.clock if silent else None)
    with serial_line(virtual.receive) as line, SwitchBoard(line.port, beat=beat) as driver:
        yield Board(where, driver, world.clock)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    choose_places(metafunc, "board", "silent", "watched")


@pytest.fixture
def board(request: pytest.FixtureRequest) -> Iterator[Board]:
    where = place(request, None)
    world = None if where.real else World(FastClock(), Loopback())
    with switched(where, world) as opened:
        yield opened


@pytest.fixture
def silent(request: pytest.FixtureRequest) -> Iterator[Board]:
    """A board whose driver sends no beats of itself."""
    where = place(request, None)
    world = None if where.real else World(FastClock(), Loopback())
    with switched(where, world, silent=True) as opened:
        yield opened


@pytest.fixture
def watched(request: pytest.FixtureRequest) -> Iterator[tuple[Board, Discovery]]:
    """A board whose relays 0 and 1 lead W1 to the scope."""
    with discovery(request, "relays", Contacts) as ad2, switched(ad2.place, ad2.world) as opened:
        ad2.ad2.level(0, LEVEL)
        yield opened, ad2


@assumes("it says that it is crossbar-switch, protocol 2, with 32 channels", PAGE, "documented")
def test_the_board_says_what_it_is(board: Board) -> None:
    found = board.driver.identify()
    board.place.note(f"{found}")
    assert (found.name, found.protocol, found.channels) == ("crossbar-switch", 2, 32)


@assumes("after the port was opened every relay is open", PAGE, "guessed")
def test_every_relay_is_open_at_first(board: Board) -> None:
    board.place.note(f"found closed and opened: {sorted(board.driver.found_closed)}")
    assert board.driver.closed() == frozenset()


@assumes("the read-back is what was asked for, for each of the 32 channels", PAGE, "guessed")
def test_each_channel_reads_back(board: Board) -> None:
    for channel in CHANNELS:
        board.driver.select([channel])
        assert board.driver.closed() == {channel}


@assumes("a line that is garbled, or no command, switches nothing", PAGE, "guessed")
def test_an_unknown_command_switches_nothing(board: Board) -> None:
    board.driver.select([3])
    with pytest.raises(InstrumentError, match="refused"):
        board.driver._port.ask("CLOSE FFFFFFFF FFFFFFFF")
    assert board.driver.closed() == {3}


@assumes(
    "a selection takes the release time twice and the operate time, and below 50 ms",
    PAGE,
    "guessed",
)
def test_a_selection_takes_the_times_of_the_relays(board: Board) -> None:
    times = board.driver.identify()
    took = []
    for channel in range(10):
        began = board.timer.now
        board.driver.select([channel])
        took.append(board.timer.now - began)
    typical = float(np.median(took))
    board.place.note(f"a selection takes {typical * 1e3:.1f} ms, at most {max(took) * 1e3:.1f} ms")
    assert 2 * times.release + times.operate <= typical < 0.05


@assumes("beats, four a second, keep relays closed for 5 s", PAGE, "guessed")
def test_beats_keep_relays_closed(silent: Board) -> None:
    silent.driver.select([3])
    for _ in range(20):
        silent.timer.sleep(0.25)
        silent.driver.confirm()


@assumes(
    "after 0.8 s without a request relays are closed still; after 1.2 s all are open, and CLOSE is "
    "refused until OPEN",
    PAGE,
    "guessed",
)
def test_a_silent_second_opens_the_relays(silent: Board) -> None:
    driver, ask = silent.driver, silent.driver._port.ask
    drops = driver.drops
    driver.select([3])
    silent.timer.sleep(0.8)
    assert driver.closed() == {3}
    silent.timer.sleep(1.2)
    assert driver.closed() == frozenset()
    with pytest.raises(InstrumentError, match="DROPPED"):
        ask("CLOSE 00000010")
    with pytest.raises(InstrumentError, match="its watchdog opened them"):
        driver.confirm()
    silent.place.note(f"the watchdog has opened the relays {driver.drops} times")
    assert driver.drops == drops + 1
    driver.select([4])
    assert driver.closed() == {4}


RECORD = Acquisition(rate=1e5, samples=8000, trigger=Trigger.PC)


@assumes(
    "a relay conducts when it is selected, and only then",
    PAGE,
    "guessed",
)
def test_a_selected_relay_conducts(watched: tuple[Board, Discovery]) -> None:
    board, ad2 = watched
    for selected in ([0], [1], [], [0, 1]):
        board.driver.select(selected)
        found = [ad2.ad2.measure(n) > LEVEL / 2 for n in range(2)]
        assert found == [n in selected for n in range(2)]


@assumes(
    "break before make, by the board alone: after CLOSE one relay has let go 1 ms or more before "
    "another conducts",
    f"{PAGE}; {RELAYS}",
    "guessed",
)
def test_contacts_break_before_they_make(watched: tuple[Board, Discovery]) -> None:
    board, ad2 = watched
    board.driver.select([0])

    def change() -> None:
        ad2.device.triggerPC()
        # Not `select`, which says OPEN before: here the board itself is tried.
        board.driver._port.ask("CLOSE 00000002")

    one, two = ad2.record(RECORD, change) > LEVEL / 2
    with pytest.raises(InstrumentError, match=r"channels \[1\] .* instead of \[0\]"):
        board.driver.open_all()
    let_go, conducts = np.flatnonzero(one)[-1], np.flatnonzero(two)[0]
    gap = (conducts - let_go) / RECORD.rate
    board.place.note(f"both open for {gap * 1e3:.2f} ms in between")
    assert gap > 1e-3


@assumes("contacts have stopped bouncing when the board replies", RELAYS, "guessed")
def test_contacts_are_still_when_the_board_replies(watched: tuple[Board, Discovery]) -> None:
    board, ad2 = watched
    board.driver.select([0])
    seen = ad2.record(RECORD, ad2.device.triggerPC)
    assert np.all(seen[0] > LEVEL / 2)
    assert np.all(seen[1] < LEVEL / 2)


def test_the_page_lists_these_assumptions() -> None:
    check_page(__name__)


def test_instruments_of_yours_are_tried_with_a_bench_file_only(
    request: pytest.FixtureRequest,
) -> None:
    say_what_is_not_tried(request)
