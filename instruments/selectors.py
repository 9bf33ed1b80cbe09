"""How one cell is put between W1 and the amplifier: by address pins, or by the switch board."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Indices, Second
from instruments.analog_discovery import AnalogDiscovery, Pattern
from instruments.scans import address_bits
from instruments.settings import SwitchBoardTable, SwitchedTable
from instruments.slots import Slots

ENABLED = Pattern.of([1], 1e-6)
"""High during a run, low between runs; one object, so that it is known to be unchanged."""


class Selector(Protocol):
    """What selects a word line and a bit line; lines go by their addresses or channels."""

    @property
    def stepping(self) -> bool:
        """True if addresses can change within a run."""
        ...

    def addresses(self, shape: tuple[int, int]) -> tuple[Indices, Indices]:
        """Return the address of each word line and of each bit line of an array."""
        ...

    def open(self) -> None:
        """Select nothing; the relay is at W1 and the amplifier."""
        ...

    def close(self) -> None:
        """Select nothing, for good."""
        ...

    def parts(self, slots: Slots, capacity: int) -> Iterator[Indices]:
        """Yield which slots can share a run, in the order to run them."""
        ...

    def prepare(self, slots: Slots, interval: Second) -> Mapping[int, Pattern]:
        """Select what a run's slots take; return the patterns that step it, by DIO.

        Parameters
        ----------
        slots
            That share a run.
        interval
            Of a slot, s.
        """
        ...

    def select(self, word: int, bit: int) -> Mapping[int, Pattern]:
        """Select one pair of lines; return the patterns that connect it during a run, by DIO."""
        ...

    def hold(self, word: int, bit: int, *, relay: bool) -> None:
        """Connect one pair of lines from now on: to W1 and amplifier, or through the relay."""
        ...

    def confirm(self) -> None:
        """See that what was selected still is, before anybody believes what was measured.

        Raises
        ------
        InstrumentError
            If it is not.
        """
        ...

    def release(self) -> None:
        """Select nothing, the relay at W1 and the amplifier."""
        ...


@lru_cache(maxsize=8)
def _stepping(words: bytes, bits: bytes, lines: tuple[int, int], interval: Second) -> list[Pattern]:
    """Return the patterns of all address lines; the arrays come as bytes, to be compared."""
    patterns = []
    for raw, count in zip((words, bits), lines, strict=True):
        addresses = np.frombuffer(raw, dtype=np.intp)
        patterns += [Pattern.of(line, interval) for line in address_bits(addresses, count)]
    return patterns


class PinSelector:
    """Selection by address pins, stepped by digital patterns within a run.

    The enable pin belongs to the patterns: it is high during a run only, so that between runs every
    line is on its rail without a call.

    Parameters
    ----------
    ad2
        Whose pins they are.
    table
        Of the wiring.
    """

    def __init__(self, ad2: AnalogDiscovery, table: SwitchedTable) -> None:
        self._ad2 = ad2
        self._table = table
        self._address = (*table.word_address, *table.bit_address)
        self._relay = 0 if table.relay is None else 1 << table.relay
        self._mask = sum(1 << pin for pin in self._address) | self._relay

    @property
    def stepping(self) -> bool:
        """Addresses change within a run."""
        return True

    def addresses(self, shape: tuple[int, int]) -> tuple[Indices, Indices]:
        """Return the address of each line."""
        words, bits = self._table.word_addresses, self._table.bit_addresses
        return np.array(words[: shape[0]], np.intp), np.array(bits[: shape[1]], np.intp)

    def open(self) -> None:
        """Select nothing."""
        self.release()

    def close(self) -> None:
        """Do nothing: the Analog Discovery releases its pins."""

    def parts(self, slots: Slots, capacity: int) -> Iterator[Indices]:
        """Yield the slots in order, as many as a run holds."""
        for begin in range(0, len(slots), capacity):
            yield np.arange(begin, min(begin + capacity, len(slots)))

    def prepare(self, slots: Slots, interval: Second) -> Mapping[int, Pattern]:
        """Return the patterns of address lines and enable."""
        lines = len(self._table.word_address), len(self._table.bit_address)
        patterns = _stepping(slots.word.tobytes(), slots.bit.tobytes(), lines, interval)
        stepped = dict(zip(self._address, patterns, strict=True))
        return {**stepped, self._table.enable: ENABLED}

    def select(self, word: int, bit: int) -> Mapping[int, Pattern]:
        """Set the address pins; the enable pin follows the run."""
        self._ad2.pins(self._mask, self._levels(word, bit))
        return {self._table.enable: ENABLED}

    def hold(self, word: int, bit: int, *, relay: bool) -> None:
        """Set all pins for good."""
        enable = 1 << self._table.enable
        levels = self._levels(word, bit) | enable | (self._relay if relay else 0)
        self._ad2.pins(self._mask | enable, levels)

    def confirm(self) -> None:
        """Do nothing: the pins are the Analog Discovery's, which fails as a whole."""

    def release(self) -> None:
        """Set all pins low."""
        self._ad2.pins(self._mask | 1 << self._table.enable, 0)

    def _levels(self, word: int, bit: int) -> int:
        pairs = ((self._table.word_address, word), (self._table.bit_address, bit))
        return sum(
            ((address >> k) & 1) << pin for pins, address in pairs for k, pin in enumerate(pins)
        )


class Board(Protocol):
    """What is asked of a switch board; see `instruments.switch_board.SwitchBoard`."""

    def open(self) -> None:
        """Open the port and leave every relay open."""
        ...

    def close(self) -> None:
        """Open every relay and close the port."""
        ...

    def select(self, channels: frozenset[int]) -> None:
        """Close these relays and no others, all of them open in between."""
        ...

    def open_all(self) -> None:
        """Open every relay; raise if they were not, until then, as they were selected."""
        ...

    def confirm(self) -> None:
        """Raise unless the relays are as they were selected."""
        ...


class BoardSelector:
    """Selection by a serial switch board: one selection at a time, its relays break before make.

    Relays can let go while something is measured through them. A selection that another one follows
    is confirmed as it ends; the last one of a measurement takes a `confirm` of its own.

    Parameters
    ----------
    board
        Not open yet.
    table
        Its channels.
    """

    def __init__(self, board: Board, table: SwitchBoardTable) -> None:
        self._board = board
        self._table = table
        self._closed: frozenset[int] | None = None

    @property
    def stepping(self) -> bool:
        """A run has one selection."""
        return False

    def addresses(self, shape: tuple[int, int]) -> tuple[Indices, Indices]:
        """Return the channel of each line."""
        words, bits = self._table.word_channels, self._table.bit_channels
        return np.array(words[: shape[0]], np.intp), np.array(bits[: shape[1]], np.intp)

    def open(self) -> None:
        """Open the port; every relay is open then."""
        self._closed = None
        self._board.open()
        self._closed = frozenset()

    def close(self) -> None:
        """Open every relay and close the port."""
        self._closed = None
        self._board.close()

    def parts(self, slots: Slots, capacity: int) -> Iterator[Indices]:
        """Yield the slots of one selection after the other."""
        pairs = np.stack([slots.word, slots.bit])
        _, first, group = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
        for k in np.argsort(first):
            members: NDArray[np.intp] = np.flatnonzero(group == k)
            for begin in range(0, len(members), capacity):
                yield members[begin : begin + capacity]

    def prepare(self, slots: Slots, interval: Second) -> Mapping[int, Pattern]:
        """Select the slots' one pair of lines."""
        return self.select(int(slots.word[0]), int(slots.bit[0]))

    def select(self, word: int, bit: int) -> Mapping[int, Pattern]:
        """Close the relays of two lines, if they are not the ones that are closed."""
        self.hold(word, bit, relay=False)
        return {}

    def hold(self, word: int, bit: int, *, relay: bool) -> None:
        """Close the relays of two lines, and the Keithley's."""
        extra = (self._table.relay_channel,) if relay else ()
        self._close(frozenset((word, bit, *extra)))

    def only(self, channels: frozenset[int]) -> None:
        """Close these relays and no others: a check looks at single lines."""
        self._close(channels)

    def confirm(self) -> None:
        """See that the relays of the selection are closed still, and no others."""
        if self._closed:
            selected, self._closed = self._closed, None
            self._board.confirm()
            self._closed = selected

    def release(self) -> None:
        """Open every relay, also if nobody knows which are closed."""
        if self._closed != frozenset():
            self._closed = None
            self._board.open_all()
            self._closed = frozenset()

    def _close(self, channels: frozenset[int]) -> None:
        if channels == self._closed:
            return
        self._closed = None  # unknown, until the board has confirmed
        self._board.select(channels)
        self._closed = channels
