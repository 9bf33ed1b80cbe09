import numpy as np
import pytest

from crossbar.backend import Array, Cells
from sim_backend.schemes import SCHEMES, doses, line_voltages

SHAPE = (3, 5)


def cubed(voltages: Array) -> Array:
    return voltages**3


@pytest.mark.parametrize("name", ["grounded", "half", "third"])
@pytest.mark.parametrize("selected", [False, True])
def test_doses_by_line_sums_equal_doses_added_pulse_by_pulse(name: str, selected: bool) -> None:
    rng = np.random.default_rng(5)
    cells = Cells(rng.integers(0, 3, 40), rng.integers(0, 5, 40))
    V, widths = rng.uniform(-3, 3, 40), rng.uniform(1e-6, 1e-3, 40)
    word, bit = line_voltages(SCHEMES[name], SHAPE, cells, V)
    up, down = np.zeros(SHAPE), np.zeros(SHAPE)
    for p, (i, j) in enumerate(cells):
        for k in range(3):
            for m in range(5):
                rate = (word[p, k] - bit[p, m]) ** 3
                if (k, m) != (i, j) or selected:
                    up[k, m] += max(rate, 0.0) * widths[p]
                    down[k, m] += max(-rate, 0.0) * widths[p]
    set_dose, reset_dose = doses(SCHEMES[name], SHAPE, cells, V, widths, cubed, selected=selected)
    np.testing.assert_allclose(set_dose, up, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(reset_dose, down, rtol=1e-12, atol=1e-15)


def test_one_pulse_leaves_its_own_cell_without_dose() -> None:
    for name in SCHEMES:
        set_dose, reset_dose = doses(
            SCHEMES[name],
            SHAPE,
            Cells.of([(1, 2)]),
            np.array([3.0]),
            np.array([1e-4]),
            cubed,
            selected=False,
        )
        assert set_dose[1, 2] == 0.0
        assert reset_dose[1, 2] == 0.0


@pytest.mark.parametrize(
    ("name", "same_word", "same_bit", "neither"),
    [("grounded", 3.0, 0.0, 0.0), ("half", 1.5, 1.5, 0.0), ("third", 1.0, 1.0, -1.0)],
)
def test_neighbours_see_what_the_scheme_is_named_for(
    name: str, same_word: float, same_bit: float, neither: float
) -> None:
    word, bit = line_voltages(SCHEMES[name], SHAPE, Cells.of([(1, 2)]), np.array([3.0]))
    volts = word[0][:, None] - bit[0][None, :]
    expected = np.full(SHAPE, neither)
    expected[1, :], expected[:, 2] = same_word, same_bit
    expected[1, 2] = 3.0
    np.testing.assert_allclose(volts, expected, atol=1e-12)
