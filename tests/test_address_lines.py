import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.address_lines import explain_order, fitting_orders, permuted

ORDERS = st.permutations(range(4))


@given(ORDERS)
def test_all_addresses_fix_the_order_of_the_lines(order: list[int]) -> None:
    answered = {address: permuted(address, order) for address in range(16)}
    assert fitting_orders(answered, 4) == [tuple(order)]


@given(ORDERS)
def test_the_two_reference_addresses_tell_every_order_apart(order: list[int]) -> None:
    # 10 = 1010 and 12 = 1100 give each line its own pair of levels.
    answered = {address: permuted(address, order) for address in (10, 12)}
    assert fitting_orders(answered, 4) == [tuple(order)]


def test_an_observation_that_no_swap_explains_fits_no_order() -> None:
    assert fitting_orders({1: 1, 2: 3}, 3) == []


def test_the_right_order_comes_first_where_several_fit() -> None:
    assert fitting_orders({0: 0}, 3)[0] == (0, 1, 2)


@pytest.mark.parametrize(
    ("order", "pins", "sentence"),
    [
        (
            (1, 0, 2),
            (1, 0, 2),
            "address lines A0 (DIO 1) and A1 (DIO 0) are swapped: wired are [0, 1, 2], the bench "
            "file says [1, 0, 2]",
        ),
        (
            (1, 2, 0),
            (5, 6, 7),
            "address lines A0 (DIO 5) and A1 (DIO 6) and A2 (DIO 7) are in the wrong order: wired "
            "are [7, 5, 6], the bench file says [5, 6, 7]",
        ),
    ],
)
def test_misplaced_lines_are_named_with_their_pins(
    order: tuple[int, ...], pins: tuple[int, ...], sentence: str
) -> None:
    assert explain_order(order, pins) == sentence


@given(ORDERS)
def test_the_order_that_is_told_puts_it_right(order: list[int]) -> None:
    pins = [4, 5, 6, 7]
    told = explain_order(order, pins) if list(order) != sorted(order) else "[4, 5, 6, 7], "
    right = [int(text) for text in told.partition("[")[2].partition("]")[0].split(",")]
    # With the pins as told, the bit that belongs to line k is sent on the pin that is line k.
    for bit, line in enumerate(order):
        assert right[line] == pins[bit]
