"""Which address lines of a selector are swapped, told from what answered at which address."""

from collections.abc import Mapping, Sequence
from itertools import permutations


def permuted(address: int, order: Sequence[int]) -> int:
    """Return the address that arrives when bit ``b`` travels on the line of bit ``order[b]``."""
    return sum(((address >> bit) & 1) << line for bit, line in enumerate(order))


def fitting_orders(answered: Mapping[int, int], width: int) -> list[tuple[int, ...]]:
    """Return every order of the address lines that explains which address answered which.

    Parameters
    ----------
    answered
        Address that was asked for, and the one that was found to answer.
    width
        Number of address lines.

    Returns
    -------
    list
        Orders as for `permuted`, those with fewest misplaced lines first. Without any observation
        that tells lines apart, several fit; none fits if something else than a swap is wrong.
    """
    fitting = [
        order
        for order in permutations(range(width))
        if all(permuted(asked, order) == found for asked, found in answered.items())
    ]
    return sorted(fitting, key=lambda order: sum(bit != line for bit, line in enumerate(order)))


def explain_order(order: Sequence[int], pins: Sequence[int]) -> str:
    """Return a sentence that names the misplaced lines, and what the bench file should say.

    Parameters
    ----------
    order
        As found by `fitting_orders`; not the right one.
    pins
        DIO of each address line, lowest bit first, as the bench file has them now.
    """
    wrong = [bit for bit, line in enumerate(order) if bit != line]
    named = " and ".join(f"A{bit} (DIO {pins[bit]})" for bit in wrong)
    # Bit b goes out on pins[b] and arrives as bit order[b]: that pin belongs to bit order[b].
    right = [0] * len(pins)
    for bit, line in enumerate(order):
        right[line] = pins[bit]
    verb = "swapped" if len(wrong) == 2 else "in the wrong order"
    return f"address lines {named} are {verb}: wired are {right}, the bench file says {list(pins)}"
