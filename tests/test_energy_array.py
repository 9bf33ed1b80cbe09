import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import DataError
from crossbar.energy.array import (
    MeasuredLaw,
    dissipation,
    efficiency,
    operations,
    power_of,
)

RNG = np.random.default_rng(5)


def test_uniform_cells_at_one_voltage_take_v_squared_g_each() -> None:
    found = dissipation(np.full((3, 4), 2e-5), np.full((7, 3), -0.2))
    np.testing.assert_allclose(found.cells, 0.2**2 * 2e-5, rtol=1e-14)
    np.testing.assert_allclose(found.inputs, 12 * 0.2**2 * 2e-5, rtol=1e-14)
    assert found.power == pytest.approx(12 * 0.2**2 * 2e-5)


def test_power_is_the_sum_over_cells_averaged_over_inputs() -> None:
    conductances, voltages = RNG.uniform(1e-6, 1e-4, (5, 3)), RNG.uniform(-0.3, 0.3, (11, 5))
    found = dissipation(conductances, voltages)
    expected = np.zeros((11, 5, 3))
    for n, word, bit in np.ndindex(expected.shape):
        volt = abs(voltages[n, word])
        expected[n, word, bit] = volt * (volt * conductances[word, bit])
    np.testing.assert_allclose(found.cells, expected.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.inputs, expected.sum(axis=(1, 2)), rtol=1e-12)
    assert found.power == pytest.approx(float(found.inputs.mean()))


def test_a_uniform_voltage_takes_a_third_of_its_largest_power_on_the_mean() -> None:
    voltages = np.linspace(-0.3, 0.3, 100_001)[:, None]
    found = dissipation(np.array([[1e-5]]), voltages)
    assert found.power == pytest.approx(0.3**2 * 1e-5 / 3, rel=1e-4)


def test_a_word_line_at_zero_volt_takes_nothing() -> None:
    voltages = RNG.uniform(-0.3, 0.3, (4, 3))
    voltages[:, 1] = 0.0
    found = dissipation(np.full((3, 2), 1e-5), voltages)
    assert (found.cells[1] == 0).all()
    assert (found.cells[[0, 2]] > 0).all()


def test_a_law_bends_the_current_and_not_the_voltage() -> None:
    conductances, voltages = RNG.uniform(1e-6, 1e-4, (5, 3)), RNG.uniform(-0.3, 0.3, (11, 5))
    found = dissipation(conductances, voltages, lambda v: np.sinh(2 * v) / 2)
    expected = np.abs(voltages * np.sinh(2 * voltages) / 2) @ conductances.sum(axis=1)
    np.testing.assert_allclose(found.inputs, expected, rtol=1e-12)


def test_a_measured_law_is_that_of_its_cells_at_the_voltages_that_were_read() -> None:
    steps = np.array([0.05, 0.1, 0.2, 0.3])
    small_signal = RNG.uniform(1e-6, 1e-4, (4, 3))
    read = np.array([small_signal * np.sinh(3 * v) / (3 * v) for v in steps])
    law = MeasuredLaw.of(steps, read)
    expected = np.sinh(3 * steps) * 0.3 / np.sinh(3 * 0.3)
    np.testing.assert_allclose(law(steps), expected, rtol=1e-12)
    np.testing.assert_allclose(law(-steps), -expected, rtol=1e-12)
    found = dissipation(read[-1], np.full((1, 4), 0.1), law)
    assert found.power == pytest.approx(0.1 * np.sinh(0.3) / 3 * small_signal.sum())


def test_a_law_from_cells_that_differ_gives_the_power_of_all_of_them() -> None:
    steps = np.array([0.15, 0.3])
    read = np.array([[[1e-5, 9e-5]], [[2e-5, 9e-5]]])
    found = dissipation(read[-1], np.array([[0.15]]), MeasuredLaw.of(steps, read))
    assert found.power == pytest.approx(0.15**2 * (1e-5 + 9e-5))


def test_one_voltage_or_an_array_that_does_not_conduct_is_ohmic() -> None:
    voltages = np.array([[-0.2, 0.0, 0.1]])
    for read in (np.full((1, 2, 2), 3e-5), np.zeros((1, 2, 2))):
        np.testing.assert_array_equal(MeasuredLaw.of(np.array([0.3]), read)(voltages), voltages)


@pytest.mark.parametrize("voltages", [[0.0, 0.1], [0.2, 0.1], [0.1, np.inf], []], ids=str)
def test_voltages_that_do_not_ascend_are_no_law(voltages: list[float]) -> None:
    with pytest.raises(DataError, match="ascend"):
        MeasuredLaw(np.array(voltages), np.ones(len(voltages)))


def test_ratios_that_do_not_fit_are_no_law() -> None:
    for ratio in ([1.0], [1.0, np.nan]):
        with pytest.raises(DataError, match="one finite number per voltage"):
            MeasuredLaw(np.array([0.1, 0.2]), np.array(ratio))


def test_what_has_no_power_is_refused() -> None:
    for shape in ((5, 3), (0, 2), (2,)):
        with pytest.raises(DataError, match="do not drive"):
            dissipation(np.ones((2, 2)), np.ones(shape))
    with pytest.raises(DataError, match="NaN"):
        dissipation(np.full((2, 2), np.nan), np.ones((1, 2)))


def test_a_device_counts_two_operations_and_so_does_a_pair() -> None:
    assert operations(3, 4, devices=24) == {"device": 48, "pair": 24}
    # With one shared reference line the devices are fewer than two per weight.
    assert operations(3, 4, devices=15) == {"device": 30, "pair": 24}


@given(st.integers(1, 10**6), st.floats(1e-9, 1.0), st.floats(1e-3, 1e4, allow_subnormal=False))
def test_power_behind_an_efficiency_is_its_inverse(count: int, time: float, rate: float) -> None:
    assert efficiency(count, power_of(count, time, rate) * time) == pytest.approx(rate)


def test_an_operation_of_a_picojoule_is_one_tera_per_joule() -> None:
    assert efficiency(1, 1e-12) == pytest.approx(1.0)
    assert efficiency(1, 0.0) == float("inf")
