import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import DataError
from crossbar.merit.usability import DEFAULT_FORM, FORMS, RHOS, non_monotonic, usability

forms = st.sampled_from(list(FORMS))
rhos = st.floats(0, 1)
sigmas = st.floats(0, 5)

# Sigma that each form implies at rho = 0, calculated by hand, two or three digits.
IMPLIED = {
    "exponential": (0.073, 0.223, 0.357, 0.693, 1.02, 2.12),
    "exponential-sum": (0.073, 0.223, 0.357, 0.693, 1.02, 2.12),
    "linear": (0.07, 0.20, 0.30, 0.50, 0.64, 0.88),
    "reciprocal": (0.075, 0.25, 0.43, 1.0, 1.78, 7.33),
    "linear-1.5": (0.105, 0.30, 0.45, 0.75, 0.96, 1.32),
}


@pytest.mark.parametrize("form", list(FORMS))
def test_an_ideal_device_has_a_usability_of_one(form: str) -> None:
    found = usability(0, 0, 0, form)
    assert found.value == 1
    assert str(found) == f"1.000 ({form})"


@given(forms, rhos, sigmas)
def test_a_usability_is_between_nothing_and_one(form: str, rho: float, sigma: float) -> None:
    assert 0 <= usability(rho, sigma, sigma, form).value <= 1


@given(forms, rhos, sigmas, st.floats(0, 1), st.floats(0, 1))
def test_a_usability_falls_in_both(
    form: str, rho: float, sigma: float, more: float, bent: float
) -> None:
    own = usability(rho, sigma, sigma, form).value
    assert usability(rho, sigma, sigma + more, form).value <= own
    assert usability(min(1, rho + bent), sigma, sigma, form).value <= own


@pytest.mark.parametrize("form", list(FORMS))
def test_the_sigma_of_a_usability_is_what_the_form_implies(form: str) -> None:
    usabilities = (0.93, 0.8, 0.7, 0.5, 0.36, 0.12)
    found = [FORMS[form].sigma(each) for each in usabilities]
    np.testing.assert_allclose(found, IMPLIED[form], rtol=0.01)


@given(forms, st.floats(0, 0.9), st.floats(0, 0.9))
def test_the_sigma_of_a_usability_gives_it_back(form: str, rho: float, sigma: float) -> None:
    value = FORMS[form].usability(rho, sigma)
    assert FORMS[form].sigma(value, rho) == pytest.approx(sigma, abs=1e-9)


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_no_sigma_gives_a_usability_outside_nothing_to_one(form: str, value: float) -> None:
    with pytest.raises(DataError, match="no sigma gives a usability"):
        FORMS[form].sigma(value)


@pytest.mark.parametrize("form", ["exponential", "exponential-sum", "reciprocal"])
def test_no_finite_sigma_makes_a_device_useless(form: str) -> None:
    with pytest.raises(DataError, match="no sigma gives a usability of 0"):
        FORMS[form].sigma(0.0)


@pytest.mark.parametrize("form", ["exponential", "linear", "linear-1.5"])
def test_no_sigma_makes_a_device_usable_that_never_rises(form: str) -> None:
    with pytest.raises(DataError, match="where rho = 1"):
        FORMS[form].sigma(0.5, 1.0)


@given(st.sampled_from(list(RHOS)), st.integers(1, 100), st.integers(1, 100))
def test_a_long_enough_segment_is_monotonic_and_a_longer_one_no_less(
    name: str, length: int, l_min: int
) -> None:
    rho = non_monotonic(length, l_min, name)
    assert (rho == 0) == (length >= l_min)
    assert non_monotonic(length + 1, l_min, name) <= rho


def test_the_factor_is_the_part_of_the_segment_that_is_missing() -> None:
    assert non_monotonic(24, 32) == 0.25
    assert non_monotonic(24, 32, "shortfall") == pytest.approx(1 / 3)
    assert non_monotonic(24, 32, "step") == 1


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(DataError, match="no form of usability 'ours'; there are: exponential"):
        usability(0, 0, 0, "ours")
    with pytest.raises(DataError, match="no form of rho 'ours'"):
        non_monotonic(3, 4, "ours")
    with pytest.raises(DataError, match="at least 1"):
        non_monotonic(3, 0)
    with pytest.raises(DataError, match="gives no usability"):
        usability(0, 0, float("nan"), DEFAULT_FORM)
