"""What a write policy is: given cells off their targets, which pulse next."""

from typing import Protocol, runtime_checkable

from crossbar.backend import Array, Indices, LimitError, Limits, Mask, Second, Volt


class Policy(Protocol):
    """Chooses pulses for a fixed set of cells; holds what it must remember of each.

    A policy is told where each cell is and where it should be; it never reads, drives or stops.
    Stopping is the loop's business (`crossbar.programming.write_verify`). What its last pulse did
    to a cell it sees when it is asked for the next one.
    """

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return amplitude (V) and width (s) of the next pulse for some of the cells.

        Parameters
        ----------
        index
            Which cells, counted in the order they were handed to the loop, shape ``(n,)``.
        conductance
            As measured last, S, shape ``(n,)``.
        target
            Wanted, S, shape ``(n,)``; above `conductance` a SET is due, below it a RESET.
        """
        ...

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse was the strongest this policy has."""
        ...


@runtime_checkable
class Learning(Policy, Protocol):
    """A policy whose knowledge of a cell is worth keeping when the cell is written again."""

    def begin(self, index: Indices) -> None:
        """Take cells up again: what they did since their last pulse was no pulse's doing."""
        ...


class PartOf:
    """A policy that knows more cells, asked about some of them; see `Policy`.

    Parameters
    ----------
    whole
        Knows all of them.
    places
        Which of them are meant here, in order, shape ``(n,)``.
    """

    def __init__(self, whole: Learning, places: Indices) -> None:
        self._whole = whole
        self._places = places
        whole.begin(places)

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return amplitude (V) and width (s) of the next pulse."""
        return self._whole.next(self._places[index], conductance, target)

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse was the strongest."""
        return self._whole.exhausted(self._places[index])


class Pulses(Protocol):
    """The settings of a policy: a frozen dataclass, one table of a bench file."""

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """Amplitude of the strongest SET and of the strongest RESET pulse, V, with their signs."""
        ...

    @property
    def widths(self) -> tuple[Second, Second]:
        """Width of the shortest and of the longest pulse, s."""
        ...

    def policy(self, count: int) -> Policy:
        """Return the policy for this many cells."""
        ...


def check_pulses(pulses: Pulses, limits: Limits) -> None:
    """Raise `LimitError` if a bench would refuse a policy's pulses, before the first one."""
    for amplitude in pulses.strongest:
        if not abs(amplitude) <= limits.voltage:
            raise LimitError(
                f"the policy's pulses go to {amplitude} V, which is outside this bench's "
                f"±{limits.voltage} V"
            )
    for width in pulses.widths:
        if not limits.width_min <= width <= limits.width_max:
            raise LimitError(
                f"the policy's pulse width {width} s is outside this bench's {limits.width_min} s "
                f"to {limits.width_max} s"
            )
