import gzip
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import DataError
from crossbar.curves import Curve, PulseTable
from crossbar.merit.device import Merit, MeritSettings, merit, merit_of_pulses
from crossbar.merit.lcis import MODES
from crossbar.merit.spread import SPREADS
from crossbar.merit.usability import FORMS, RHOS
from merit_curves import ORIGIN, curve, pulses, rising, swept, switched, triangle
from shared_data import shared


def worth(found: Merit) -> float:
    assert found.usability is not None
    return found.usability.value


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("rho", list(RHOS))
@pytest.mark.parametrize("spread", list(SPREADS))
def test_an_ideal_device_has_a_usability_of_one(form: str, rho: str, spread: str) -> None:
    settings = MeritSettings(form=form, rho=rho, spread=spread)
    for found in (
        merit(swept(rising(5, 40, 0.0)), settings),
        merit_of_pulses(pulses(rising(5, 40, 0.0)), settings),
    ):
        assert worth(found) == pytest.approx(1, abs=1e-6)
        assert found.usability is not None
        assert (found.usability.form, found.rho) == (form, 0)
        assert (found.cycles, found.points, found.lcis.length) == (5, 40, 40)


@given(
    sigma=st.floats(0, 1.5),
    power=st.integers(-30, 30),
    mode=st.sampled_from(list(MODES)),
    spread=st.sampled_from(list(SPREADS)),
    seed=st.integers(0, 30),
)
def test_nothing_depends_on_the_unit_of_conductance(
    sigma: float, power: int, mode: str, spread: str, seed: int
) -> None:
    settings = MeritSettings(mode=mode, spread=spread, l_min=16)
    G = rising(4, 24, sigma, seed)
    for own, scaled in (
        (merit(swept(G), settings), merit(swept(2.0**power * G), settings)),
        (
            merit_of_pulses(pulses(G), settings),
            merit_of_pulses(pulses(2.0**power * G, normalised=True), settings),
        ),
    ):
        assert own.lcis.length == scaled.lcis.length
        assert own.rho == scaled.rho
        assert scaled.sigma == pytest.approx(own.sigma, rel=1e-6, abs=1e-9)
        assert worth(scaled) == pytest.approx(worth(own), rel=1e-6)
        assert 0 <= worth(own) <= 1


@given(seed=st.integers(0, 50), spread=st.sampled_from(["corrected", "correlated"]))
def test_more_noise_of_the_same_shape_never_makes_a_device_more_usable(
    seed: int, spread: str
) -> None:
    # With the usability that the spread alone gives: noise can lengthen an LCIS by chance.
    settings = MeritSettings(spread=spread, l_min=1)
    values = [worth(merit(swept(rising(4, 24, sigma, seed)), settings)) for sigma in
              (0.0, 0.05, 0.2, 0.6)]  # fmt: skip
    assert values == sorted(values, reverse=True)


def test_noise_makes_devices_less_usable_on_average() -> None:
    mean = [
        np.mean([worth(merit(swept(rising(5, 40, sigma, seed)))) for seed in range(20)])
        for sigma in (0.0, 0.01, 0.05, 0.2)
    ]
    assert mean == sorted(mean, reverse=True)
    assert mean[-1] < 0.3 < 0.9 < mean[0]


def test_a_device_that_switches_has_all_its_figures() -> None:
    voltage = triangle(2, -2, 0.05, 4)
    found = merit(curve(voltage, switched(voltage, v_set=1.2, v_reset=-0.8)))
    assert found.kind.name == "memristive"
    assert (found.cycles, found.points, found.driven) == (4, 40, "voltage")
    np.testing.assert_allclose(found.switching.v_set, 1.2)
    np.testing.assert_allclose(found.switching.on_off, 100)
    assert found.notes == ("read at 0.2 V, a tenth of the sweep",)
    assert [each.length for each in found.cycle_lcis] == [2] * 4


def test_one_cycle_has_no_usability_and_the_rest_of_the_figures() -> None:
    found = merit(swept(rising(1, 40, 0.0)))
    assert found.usability is None
    assert found.spread is None
    assert np.isnan([found.sigma, found.bound]).all()
    assert found.lcis.length == 40
    assert "one cycle says nothing about the spread between cycles: no usability" in found.notes


def test_what_was_left_out_is_said() -> None:
    whole = swept(rising(3, 20, 0.0))
    found = merit(replace(whole, current=np.minimum(whole.current, 1e-5)))
    assert any(note.startswith("points of the branch left out: ") for note in found.notes)
    assert any("fewer than the 32 that rho asks for" in note for note in found.notes)


def test_cycles_that_deviate_as_a_whole_are_said_to() -> None:
    rng = np.random.default_rng(0)
    G = np.geomspace(1e-6, 1e-5, 40) * np.exp(0.3 * rng.normal(size=(5, 1)))
    found = merit(swept(G))
    assert any("deviate together (correlation 1.00)" in note for note in found.notes)
    safe = merit(swept(G), MeritSettings(spread="correlated"))
    assert safe.bound > 2 * found.bound
    assert not any("deviate together" in note for note in safe.notes)


def test_a_set_on_the_other_side_is_said() -> None:
    voltage = triangle(2, -2, 0.05, 3)
    found = merit(curve(voltage, switched(voltage, v_set=-1.2, v_reset=0.8)))
    assert "SET is on the other side than the positive up branch: try negative down" in found.notes
    other = merit(found_curve := curve(voltage, switched(voltage, v_set=-1.2, v_reset=0.8)),
                  MeritSettings(branch="negative down"))  # fmt: skip
    assert found_curve.name == other.device
    assert not any("other side" in note for note in other.notes)


def test_a_device_of_which_nothing_is_left_is_said_to_be_open() -> None:
    voltage = triangle(1, -1, 0.1, 3)
    current = -1e-12 * np.abs(np.random.default_rng(0).normal(size=len(voltage)))
    with pytest.raises(DataError, match=r"D1 is open: the current is .* times its noise"):
        merit(curve(voltage, current))


def test_the_papers_mean_is_arithmetic_and_ours_geometric() -> None:
    G = rising(4, 20, 0.5)
    np.testing.assert_allclose(merit(swept(G)).mean, np.exp(np.log(G).mean(axis=0)))
    found = merit(swept(G), MeritSettings(spread="paper"))
    np.testing.assert_allclose(found.mean, G.mean(axis=0))
    assert found.spread is not None
    assert found.spread.form == "paper"


def test_set_trains_are_the_curve_of_a_pulse_table() -> None:
    G = rising(3, 40, 0.1)
    found = merit_of_pulses(pulses(G))
    np.testing.assert_array_equal(found.conductance, G)
    assert (found.driven, found.kind.name) == ("pulses", "memristive")
    np.testing.assert_allclose(found.switching.on_off, G.max(axis=1) / G.min(axis=1))
    assert np.isnan(found.switching.v_set).all()


def test_trains_of_unequal_length_are_cut_and_short_ones_left_out() -> None:
    G = np.geomspace(1e-6, 1e-5, 40)
    conductance = np.concatenate([G, G[:38], G[:5]])
    number = np.repeat([0, 1, 2], [40, 38, 5])
    found = merit_of_pulses(PulseTable("P1", conductance, np.ones(83, dtype=int), number, ORIGIN))
    assert found.conductance.shape == (2, 38)
    assert "cycles with too short SET trains are left out: 1" in found.notes
    assert "SET trains are cut to the shortest, 38 pulses: 2 left out" in found.notes


def test_conductances_below_the_zero_of_their_unit_have_an_lcis_but_no_spread() -> None:
    trains = np.tile(np.linspace(-1, 1, 40), (3, 1))
    found = merit_of_pulses(pulses(trains, normalised=True))
    assert (found.lcis.length, found.rho) == (40, 0)
    assert found.usability is None
    assert "conductances down to -1 have no logarithm: no spread and no usability" in found.notes


def test_pulses_that_change_nothing_are_of_a_resistor() -> None:
    found = merit_of_pulses(pulses(np.exp(np.random.default_rng(0).normal(0, 0.01, (3, 40)))))
    assert found.kind.name == "ohmic"


def test_a_table_without_set_pulses_is_refused() -> None:
    table = PulseTable("P1", np.ones(4), np.full(4, -1), np.zeros(4, dtype=int), ORIGIN)
    with pytest.raises(DataError, match="P1: no cycle has a SET train of two pulses"):
        merit_of_pulses(table)


def test_pulses_of_unknown_polarity_are_taken_for_set_pulses_and_it_is_said() -> None:
    table = PulseTable("P1", np.arange(1.0, 41), np.zeros(40, int), np.zeros(40, int), ORIGIN)
    found = merit_of_pulses(table)
    assert found.lcis.length == 40
    assert "nobody says which pulses are SET pulses: all are taken for such" in found.notes


def test_figures_of_merit_do_not_need_torch() -> None:
    code = "import sys, crossbar.merit.device; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_151_cycles_of_25_measured_devices_take_under_two_seconds() -> None:
    path = shared("joksas-mnn-cam/uniformity_iv.csv.gz")
    with gzip.open(path, "rt") as lines:
        table = np.genfromtxt(lines, delimiter=",", names=True, dtype=None, encoding=None)
    curves = []
    for device in dict.fromkeys(table["device"].tolist()):
        rows = table[table["device"] == device]
        zeros = np.zeros(len(rows), dtype=np.intp)
        curves.append(Curve(device, rows["voltage_V"], rows["current_A"], zeros, ORIGIN))
    begin = time.perf_counter()
    found = [merit(each) for each in curves]
    assert time.perf_counter() - begin < 2
    assert (len(found), sum(each.cycles for each in found)) == (25, 151)
    assert all(each.kind.name == "memristive" and 0 < worth(each) < 1 for each in found)
    assert all((each.switching.v_set > 0).all() for each in found)
    assert all((each.switching.v_reset < 0).all() for each in found)
