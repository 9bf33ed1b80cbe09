from typing import cast

import numpy as np
import pytest

from crossbar.backend import InstrumentError
from instruments.analog_discovery import AnalogDiscovery, Idle, Pattern
from instruments.selectors import ENABLED, BoardSelector, PinSelector
from instruments.settings import SwitchBoardTable, SwitchedTable
from instruments.slots import Slots

TABLE = SwitchedTable("switched", relay=10, word_addresses=(0, 1, 2, 7), bit_addresses=(3, 2, 1))


class Pins:
    """What is asked of the pins of an Analog Discovery 2."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def pins(self, mask: int, levels: int) -> None:
        self.asked.append((mask, levels))


class Board:
    """A switch board that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str | frozenset[int]] = []
        self.broken = False

    def open(self) -> None:
        self.told.append("open")

    def confirm(self) -> None:
        if self.broken:
            raise InstrumentError("channels [] are closed instead")
        self.told.append("confirm")

    def close(self) -> None:
        self.told.append("close")

    def open_all(self) -> None:
        self.told.append("open all")

    def select(self, channels: frozenset[int]) -> None:
        if self.broken:
            raise InstrumentError("the board does not answer")
        self.told.append(channels)


def by_pins() -> tuple[PinSelector, Pins]:
    pins = Pins()
    return PinSelector(cast(AnalogDiscovery, pins), TABLE), pins


def by_board() -> tuple[BoardSelector, Board]:
    board = Board()
    made = BoardSelector(board, SwitchBoardTable("/dev/ttyACM0"))
    made.open()
    return made, board


def slots(*pairs: tuple[int, int]) -> Slots:
    words, bits = np.array(pairs, dtype=np.intp).T
    return Slots(words, bits, np.zeros(len(pairs)))


def test_lines_have_the_addresses_of_the_file() -> None:
    selector, _ = by_pins()
    words, bits = selector.addresses((3, 2))
    assert (words.tolist(), bits.tolist()) == ([0, 1, 2], [3, 2])
    words, bits = by_board()[0].addresses((3, 2))
    assert (words.tolist(), bits.tolist()) == ([0, 1, 2], [16, 17])


def test_address_lines_step_through_the_slots_and_enable_is_high_in_the_run_only() -> None:
    selector, pins = by_pins()
    patterns = selector.prepare(slots((1, 2), (2, 5), (12, 10)), 4e-5)
    assert sorted(patterns) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert patterns[0] == Pattern.of([1, 0, 0], 4e-5)
    assert patterns[3] == Pattern.of([0, 0, 1], 4e-5)
    assert patterns[4] == Pattern.of([0, 1, 0], 4e-5)
    assert patterns[8].idle is Idle.LOW
    assert not pins.asked


def test_patterns_of_the_same_slots_are_the_same_objects() -> None:
    selector, _ = by_pins()
    first = selector.prepare(slots((1, 2), (2, 5)), 4e-5)
    again = selector.prepare(slots((1, 2), (2, 5)), 4e-5)
    assert all(first[pin] is again[pin] for pin in first)


def test_a_pulse_has_static_addresses_and_enable_follows_its_run() -> None:
    selector, pins = by_pins()
    assert selector.select(5, 9) == {8: ENABLED}
    assert pins.asked == [(0b100_1111_1111, 0b1001_0101)]


def test_the_relay_is_held_with_its_cell_and_released_with_everything() -> None:
    selector, pins = by_pins()
    selector.hold(5, 9, relay=True)
    selector.hold(5, 9, relay=False)
    selector.release()
    everything = 0b101_1111_1111
    held = 0b1_1001_0101
    assert pins.asked == [(everything, held | 1 << 10), (everything, held), (everything, 0)]


def test_runs_by_pins_are_as_long_as_there_is_room() -> None:
    selector, _ = by_pins()
    parts = selector.parts(slots(*[(0, 0)] * 5), 2)
    assert [part.tolist() for part in parts] == [[0, 1], [2, 3], [4]]


def test_runs_by_board_have_one_selection_each() -> None:
    selector, _ = by_board()
    parts = selector.parts(slots((3, 16), (1, 17), (3, 16), (1, 17), (1, 17)), 2)
    assert [part.tolist() for part in parts] == [[0, 2], [1, 3], [4]]


def test_a_board_is_told_what_changes_only() -> None:
    selector, board = by_board()
    assert selector.prepare(slots((3, 16), (3, 16)), 4e-5) == {}
    selector.select(3, 16)
    selector.hold(3, 16, relay=True)
    selector.release()
    selector.release()
    selector.select(3, 16)
    selector.close()
    pair, through = frozenset({3, 16}), frozenset({3, 16, 31})
    assert board.told == ["open", pair, through, "open all", pair, "close"]


def test_a_board_that_failed_is_told_again() -> None:
    selector, board = by_board()
    selector.select(3, 16)
    board.broken = True
    with pytest.raises(InstrumentError):
        selector.select(4, 16)
    board.broken = False
    selector.select(3, 16)
    assert board.told[-2:] == [frozenset({3, 16}), frozenset({3, 16})]


def test_what_is_selected_can_be_confirmed_and_nothing_needs_no_confirmation() -> None:
    selector, board = by_board()
    selector.confirm()
    selector.select(3, 16)
    selector.confirm()
    selector.confirm()
    selector.release()
    selector.confirm()
    pair = frozenset({3, 16})
    assert board.told == ["open", pair, "confirm", "confirm", "open all"]


def test_a_selection_that_was_not_confirmed_is_made_anew() -> None:
    selector, board = by_board()
    selector.select(3, 16)
    board.broken = True
    with pytest.raises(InstrumentError, match="are closed instead"):
        selector.confirm()
    board.broken = False
    selector.select(3, 16)
    assert board.told[-2:] == [frozenset({3, 16}), frozenset({3, 16})]


def test_relays_of_which_nobody_knows_are_opened() -> None:
    selector, board = by_board()
    board.broken = True
    with pytest.raises(InstrumentError):
        selector.select(3, 16)
    selector.release()
    assert board.told == ["open", "open all"]


def test_address_pins_need_no_confirmation() -> None:
    selector, pins = by_pins()
    selector.select(5, 9)
    asked = list(pins.asked)
    selector.confirm()
    assert pins.asked == asked
