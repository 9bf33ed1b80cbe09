import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.backend import BenchError, Flag, LimitError
from sim_backend.converters import Adc, Dac, Readout, Tia, quantised

EXACT = Adc(bits=None, noise=0.0)


@settings(deadline=None)
@given(st.floats(-5, 5), st.integers(2, 16))
def test_dac_is_within_half_a_step_and_has_zero_and_both_ends(voltage: float, bits: int) -> None:
    dac = Dac(bits=bits)
    step = 5.0 / (2 ** (bits - 1) - 1)
    assert abs(float(dac.convert(np.array([voltage]))[0]) - voltage) <= step / 2 * (1 + 1e-9)
    ends = np.array([-5.0, 0.0, 5.0])
    np.testing.assert_array_equal(dac.convert(ends), ends)


def test_dac_has_as_many_levels_as_it_says() -> None:
    levels = np.unique(Dac(bits=4).convert(np.linspace(-5, 5, 10_001)))
    assert len(levels) == 2**4 - 1
    np.testing.assert_allclose(np.diff(levels), 5.0 / 7)


@pytest.mark.parametrize("voltage", [5.001, -6.0, np.nan, np.inf])
def test_dac_refuses_what_it_cannot_give(voltage: float) -> None:
    with pytest.raises(LimitError, match=r"outside ±5\.0 V"):
        Dac().convert(np.array([0.0, voltage]))


def test_exact_converters_pass_everything_through() -> None:
    values = np.random.default_rng(0).uniform(-1e-3, 1e-3, 1000)
    np.testing.assert_array_equal(Dac(bits=None).convert(values), values)
    reading = EXACT.convert(values, np.random.default_rng(1))
    np.testing.assert_array_equal(reading.current, values)
    assert not reading.flags.any()


@settings(deadline=None)
@given(st.floats(1e-9, 1e-2))
def test_adc_takes_the_smallest_range_that_holds_the_reading(current: float) -> None:
    adc = Adc(bits=8, noise=0.0)
    smallest = min(scale for scale in adc.ranges if current <= scale)
    read = float(adc.convert(np.array([current]), np.random.default_rng(0)).current[0])
    assert read == pytest.approx(round(current / smallest * 127) * smallest / 127, rel=1e-12)


def test_adc_clips_at_the_largest_range_and_says_so() -> None:
    reading = EXACT.convert(np.array([0.02, -0.02, 0.01, 0.005]), np.random.default_rng(0))
    np.testing.assert_array_equal(reading.current, [0.01, -0.01, 0.01, 0.005])
    np.testing.assert_array_equal(reading.clipped, [True, True, False, False])
    assert reading.flags[0] == Flag.CLIPPED


@pytest.mark.parametrize("scale", [1e-6, 1e-4])
def test_adc_noise_is_that_of_the_range_in_use(scale: float) -> None:
    adc = Adc(bits=None, noise=1e-3)
    reading = adc.convert(np.full(20_000, 0.5 * scale), np.random.default_rng(2))
    assert reading.current.std() == pytest.approx(1e-3 * scale, rel=0.03)
    assert not reading.flags.any()


def test_quantisation_error_is_uniform() -> None:
    values = np.random.default_rng(3).uniform(-1, 1, 50_000)
    error = quantised(values, 8, 1.0) - values
    assert error.std() == pytest.approx(1 / 127 / np.sqrt(12), rel=0.02)


def test_amplifiers_have_their_spread_and_keep_it() -> None:
    rng = np.random.default_rng(4)
    readout = Readout.drawn(Tia(0.01, 2e-8), EXACT, 20_000, rng)
    assert readout.gain.std() == pytest.approx(0.01, rel=0.03)
    assert readout.offset.std() == pytest.approx(2e-8, rel=0.03)
    none = readout.measure(np.zeros(20_000), slice(None), rng).current
    np.testing.assert_array_equal(none, readout.offset)
    currents = np.full(20_000, 1e-5)
    first = readout.measure(currents, slice(None), rng).current
    np.testing.assert_array_equal(readout.measure(currents, slice(None), rng).current, first)
    chosen = np.array([7, 3])
    picked = readout.measure(currents[:2], chosen, rng).current
    np.testing.assert_array_equal(picked, first[chosen])


def test_impossible_converters_are_refused() -> None:
    with pytest.raises(BenchError):
        Dac(bits=1)
    with pytest.raises(BenchError):
        Dac(range=0.0)
    with pytest.raises(BenchError):
        Adc(ranges=())
    with pytest.raises(BenchError):
        Adc(ranges=(1e-3, 1e-4))
    with pytest.raises(BenchError):
        Adc(noise=float("nan"))
    with pytest.raises(BenchError):
        Tia(gain_sigma=-0.1)
