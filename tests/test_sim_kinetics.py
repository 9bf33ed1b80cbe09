import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from sim_backend.devices import kinetics


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.01, 0.99),
    st.floats(0.0, 20.0),
    st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0]),
)
def test_decay_solves_its_differential_equation(start: float, dose: float, order: float) -> None:
    exact = kinetics.decay(np.array([start]), np.array([dose]), order)[0]
    numeric = solve_ivp(
        lambda _, y: -(np.maximum(y, 0.0) ** order), (0, dose), [start], rtol=1e-9, atol=1e-12
    )
    assert exact == pytest.approx(numeric.y[0, -1], abs=1e-6)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 50), st.floats(0, 50))
def test_two_doses_equal_their_sum(start: float, first: float, second: float) -> None:
    x = np.array([start])
    for sign in (1.0, -1.0):
        once = kinetics.moved(x, sign * np.array([first + second]), 1.5, 2.0)
        partly = kinetics.moved(x, sign * np.array([first]), 1.5, 2.0)
        twice = kinetics.moved(partly, sign * np.array([second]), 1.5, 2.0)
        np.testing.assert_allclose(twice, once, atol=1e-9)


def test_rate_is_zero_at_zero_one_at_threshold_and_never_overflows() -> None:
    V = np.array([0.0, 3.0, -3.0, 1.0, 1e6])
    ratio = kinetics.sinh_ratio(V, 3.0, 0.25)
    assert ratio[0] == 0.0
    np.testing.assert_allclose(ratio[1:3], 1.0)
    assert ratio[3] == pytest.approx(np.sinh(4.0) / np.sinh(12.0), rel=1e-12)
    assert np.isfinite(ratio[4])
