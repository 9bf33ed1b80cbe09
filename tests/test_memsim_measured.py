from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import Array, DataError
from crossbar.curves.measured import Curve, Origin, PulseTable
from crossbar.memsim import DeviceProfile
from crossbar.memsim.out_of_range import out_of_range
from crossbar.merit.device import MeritSettings, merit
from crossbar.merit.usability import FORMS, RHOS

ORIGIN = Origin("made.csv", "made here", notes=("by hand",))


def iv(cycles: int, sigma: float = 0.1, steps: int = 40) -> Curve:
    """Cycles up to 1 V and back, conductance rising on the way up, and higher on the way back."""
    up = np.arange(1, steps + 1) / steps
    voltage = np.concatenate([[0.0], up, up[-2::-1], [0.0]])
    G = 1e-5 * np.concatenate([[1.0], 1 + up, np.full(steps, 2.5)])
    factors = np.exp(sigma * np.random.default_rng(1).standard_normal((cycles, 1)))
    current = (factors * G * voltage).ravel()
    number = np.repeat(np.arange(cycles), len(voltage))
    return Curve("device", np.tile(voltage, cycles), current, number, ORIGIN)


def pulses(trains: Array, *, normalised: bool = False) -> PulseTable:
    """Trains of SET pulses, one cycle each."""
    cycles, length = trains.shape
    number = np.repeat(np.arange(cycles), length)
    return PulseTable(
        "device", trains.ravel(), np.ones(trains.size, dtype=np.intp), number, ORIGIN, normalised
    )


def rising_and_falling() -> Array:
    """Two trains about 1, 2, 3, 4, 5, 3.5, 2 uS, half as much and twice as much."""
    return 1e-6 * np.outer([0.5, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0, 3.5, 2.0])


def test_a_profile_of_cycles_has_the_numbers_of_their_figures_of_merit() -> None:
    settings = MeritSettings(l_min=12, form="reciprocal")
    found, profile = merit(iv(5), settings), DeviceProfile.from_iv(iv(5), settings)
    assert profile == DeviceProfile.from_merit(found)
    np.testing.assert_array_equal(profile.curve, found.mean)
    assert (profile.k0, profile.k1) == (found.lcis.start, found.lcis.end)
    assert (profile.sigma, profile.sigma_ub) == (found.sigma, found.bound)
    assert profile.rho == found.rho
    assert found.usability is not None
    assert profile.usability() == pytest.approx(found.usability.value)
    assert profile.form == "reciprocal"


def test_a_profile_says_where_it_is_from_and_how_it_was_found() -> None:
    profile = DeviceProfile.from_iv(iv(5), MeritSettings(eps=0.001))
    assert (profile.name, profile.source) == ("device", "made.csv")
    assert "5 cycles" in profile.convention
    assert "eps = 0.001" in profile.choices
    assert "spread = corrected" in profile.choices
    assert "by hand" in profile.notes


def test_pulses_that_rise_too_short_are_out_of_range_as_worked_out_by_hand() -> None:
    # Spread without correction: the geometric mean of 0.5 and 2 is 1, of the paper's it is 1.25.
    profile = DeviceProfile.from_pulses(pulses(rising_and_falling()), MeritSettings(l_min=8))
    np.testing.assert_allclose(profile.curve, 1e-6 * np.array([1, 2, 3, 4, 5, 3.5, 2]))
    assert (profile.k0, profile.k1, profile.length) == (0, 4, 5)
    assert profile.rho == pytest.approx(1 - 5 / 8)
    np.testing.assert_allclose(out_of_range(profile).beyond, [0.625, 0.25, 0.25])


@pytest.mark.parametrize("rho", sorted(RHOS))
@pytest.mark.parametrize("mode", ["contiguous", "subsequence"])
@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_setting_gives_a_profile_that_can_be_saved(
    tmp_path: Path, form: str, mode: str, rho: str
) -> None:
    for l_min in (3, 32):
        settings = MeritSettings(l_min=l_min, form=form, rho=rho, mode=mode)
        profile = DeviceProfile.from_pulses(pulses(rising_and_falling()), settings)
        assert out_of_range(profile).identity == (l_min == 3)
        profile.save(tmp_path / "device.toml")
        assert DeviceProfile.load(tmp_path / "device.toml") == profile


def test_the_unit_of_conductance_changes_nothing_but_the_curve() -> None:
    settings = MeritSettings(l_min=8)
    first = DeviceProfile.from_pulses(pulses(rising_and_falling()), settings)
    other = DeviceProfile.from_pulses(
        pulses(2.0**20 * rising_and_falling(), normalised=True), settings
    )
    assert other.normalised
    assert (other.rho, other.k0, other.k1) == (first.rho, first.k0, first.k1)
    assert other.sigma_ub == pytest.approx(first.sigma_ub)
    np.testing.assert_allclose(out_of_range(other).beyond, out_of_range(first).beyond, rtol=1e-12)


def test_one_cycle_makes_no_profile() -> None:
    with pytest.raises(DataError, match="device has no spread, and so no profile: one cycle says"):
        DeviceProfile.from_iv(iv(1))
    with pytest.raises(DataError, match="no spread"):
        DeviceProfile.from_pulses(pulses(rising_and_falling()[:1]))


def test_a_curve_that_is_no_memristors_is_said_to_be_so() -> None:
    curve = iv(3)
    ohmic = Curve("resistor", curve.voltage, 1e-5 * curve.voltage, curve.cycle, ORIGIN)
    assert DeviceProfile.from_iv(ohmic).notes[0].startswith("ohmic: ")
