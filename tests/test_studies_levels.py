from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.memsim.out_of_range import out_of_range
from crossbar.studies.levels import at_sigma, at_usability, base
from memsim_devices import short


def test_without_anything_measured_the_device_is_ideal() -> None:
    device = base(None, 0.0)
    assert (device.rho, device.sigma_ub, device.usability()) == (0, 0, 1)
    assert out_of_range(device).identity


def test_a_sigma_is_taken_as_it_is() -> None:
    level = at_sigma(base(None, 0.0), 0.3)
    assert (level.sigma, level.sigma_ub, level.rho) == (0.3, 0.3, 0)
    assert level.convention == "not measured: an ideal ramp, rho = 0; sigma as given"


def test_a_usability_is_turned_into_the_sigma_of_its_form() -> None:
    level = at_usability(base(None, 0.0), 0.5, "exponential")
    assert level.sigma_ub == pytest.approx(np.log(2))


def test_rho_is_that_of_the_levels_that_are_left() -> None:
    device = base(None, 0.25)
    assert (device.length, device.l_min, device.rho) == (24, 32, 0.25)
    assert base(None, 0.3).rho == pytest.approx(1 - 22 / 32)


def test_weights_beyond_the_levels_in_order_fall_as_the_levels_rose() -> None:
    mapping = out_of_range(base(None, 0.25))
    # The last level in order is 23 of 23 steps up; the next eight go down again, step by step.
    np.testing.assert_allclose(mapping.beyond, np.arange(22, 14, -1) / 23)


def test_a_usability_of_a_device_with_rho_leaves_less_to_sigma() -> None:
    level = at_usability(base(None, 0.25), 0.5, "exponential")
    assert level.sigma_ub == pytest.approx(np.log(0.75 / 0.5))
    assert level.rho == 0.25


@pytest.mark.parametrize("rho", [-0.1, 0.97, 1.0, float("nan"), float("inf")])
def test_rho_that_leaves_no_two_levels_is_refused(rho: float) -> None:
    with pytest.raises(DataError, match="2 levels are needed"):
        base(None, rho)


def test_a_saved_profile_keeps_its_curve_and_its_rho(tmp_path: Path) -> None:
    short(sigma=0.2).save(tmp_path / "p.toml")
    level = at_sigma(base(tmp_path / "p.toml", 0.0), 0.5)
    assert (level.curve, level.rho) == (short().curve, short().rho)
    assert level.sigma_ub == 0.5


def test_rho_beside_a_profile_is_refused(tmp_path: Path) -> None:
    short().save(tmp_path / "p.toml")
    with pytest.raises(DataError, match="the profile has a rho of its own"):
        base(tmp_path / "p.toml", 0.2)


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
def test_a_sigma_that_is_none_is_refused(sigma: float) -> None:
    with pytest.raises(DataError, match="is not 0 or more"):
        at_sigma(base(None, 0.0), sigma)


def test_a_usability_that_no_sigma_gives_is_refused() -> None:
    with pytest.raises(DataError, match="no sigma gives a usability of"):
        at_usability(base(None, 0.25), 0.9, "exponential")
