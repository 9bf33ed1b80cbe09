from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.backend import Array, DataError
from crossbar.network import Layer, Network
from crossbar.programming.predictor import (
    DenseMap,
    MonotoneMap,
    Predictor,
    Shots,
    TrainingRecord,
    Way,
    load_predictor,
    save_predictor,
    together,
)
from crossbar.programming.predictor.fitting import Origin, fit_predictor
from crossbar.programming.predictor.monotone_fit import fit_monotone

LOW, HIGH = 10e-6, 90e-6
ORIGIN = Origin("test", "a closed form", 0)


def axis(conductance: Array) -> Array:
    """Return the time that a made-up SET needs to come from LOW: S-shaped, 1 ms in all, s."""
    part = (conductance - LOW) / (HIGH - LOW)
    return np.asarray(1e-3 * (part + 0.9 * np.sin(2 * np.pi * part) / (2 * np.pi)))


def reached(times: Array) -> Array:
    fine = np.linspace(LOW, HIGH, 4001)
    return np.asarray(np.interp(times, axis(fine), fine))


def pulses(
    count: int, seed: int, noise: float = 0.0, per_volt: float = 0.0, longer: float = 1.0
) -> Shots:
    """Return SETs and RESETs (at half the speed) of widths about the right ones."""
    rng = np.random.default_rng(seed)
    before, aim = rng.uniform(LOW, HIGH, (2, count))
    sign = np.where(aim > before, 1.0, -1.0)
    nominal = np.abs(axis(aim) - axis(before)) * np.where(sign > 0, 1.0, 2.0)
    width = longer * nominal * 10 ** (0.15 * rng.standard_normal(count))
    more = rng.uniform(-0.2, 0.2, count) if per_volt else np.zeros(count)
    dose = width * np.exp(noise * rng.standard_normal(count) + per_volt * more)
    after = reached(axis(before) + sign * dose / np.where(sign > 0, 1.0, 2.0))
    return Shots(before, after, sign * (3.0 + more), width)


def wrong_by(predictor: Predictor, seed: int) -> Array:
    """Return the ratio of predicted to right widths of random pairs."""
    before, target = np.random.default_rng(seed).uniform(LOW, HIGH, (2, 500))
    right = np.abs(axis(target) - axis(before)) * np.where(target > before, 1.0, 2.0)
    found = predictor.pulses(before, target, 1e-12, 1.0)[1]
    clear = np.abs(target - before) > 5e-6
    return np.asarray(found[clear] / right[clear])


def test_hindsight_labels_recover_a_known_inverse() -> None:
    ratio = wrong_by(fit_predictor(pulses(4000, 0), ORIGIN, (LOW, HIGH)), 1)
    assert np.median(np.abs(ratio - 1)) < 0.01
    assert np.percentile(np.abs(ratio - 1), 95) < 0.05


def test_noise_of_the_pulses_does_not_pull_the_map_to_the_widths_that_were_tried() -> None:
    # Least squares in hindsight would ask for twice as long where twice as long was tried.
    for longer in (1.0, 2.0):
        fitted = fit_predictor(pulses(6000, 0, noise=0.6, longer=longer), ORIGIN, (LOW, HIGH))
        assert np.median(wrong_by(fitted, 1)) == pytest.approx(1.0, abs=0.1)
        # Of Student's law, that fits normal noise with a scale a little below its own.
        assert fitted.record.set_loss == pytest.approx(0.54, abs=0.04)


def test_pulses_of_several_amplitudes_say_what_a_volt_is_worth() -> None:
    fitted = fit_predictor(pulses(6000, 0, noise=0.2, per_volt=4.0), ORIGIN, (LOW, HIGH))
    assert fitted.set.per_volt == pytest.approx(4.0, rel=0.1)
    assert fitted.reset.per_volt == pytest.approx(4.0, rel=0.1)
    assert fitted.strongest == pytest.approx((3.2, -3.2), abs=1e-3)
    assert fit_predictor(pulses(500, 0), ORIGIN).set.per_volt == 0.0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(8, 60), st.floats(0, 3))
def test_a_fitted_map_is_monotone_whatever_the_pulses(seed: int, count: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    before = rng.uniform(LOW, HIGH, count)
    after = rng.uniform(before, HIGH * (1 + 1e-9))
    width = 1e-4 * np.exp(noise * rng.standard_normal(count))
    shots = Shots(before, after, np.full(count, 3.0), width)
    fitted = fit_monotone(shots.of(1), LOW, HIGH, 3.0).map
    assert np.all(np.diff(fitted.times) > 0)
    start = np.full(50, LOW)
    assert np.all(np.diff(fitted.widths(start, np.linspace(LOW, HIGH, 50))) > 0)


@given(
    st.lists(st.floats(1e-9, 1e-3), min_size=2, max_size=20),
    st.lists(st.floats(0, 1e-3), min_size=3, max_size=3),
)
def test_widths_along_the_way_add_up(steps: list[float], places: list[float]) -> None:
    knots = np.linspace(0, 1e-3, len(steps) + 1)
    chosen = MonotoneMap(tuple(knots.tolist()), (0.0, *np.cumsum(steps).tolist()))
    a, b, c = np.sort(places)[:, None]
    both = chosen.widths(a, b) + chosen.widths(b, c)
    assert both == pytest.approx(chosen.widths(a, c), rel=1e-9, abs=1e-15)
    assert chosen.widths(c, a) == pytest.approx(chosen.widths(a, c))


@pytest.mark.parametrize(
    ("knots", "times", "message"),
    [
        ((0.0, 1.0), (0.0, 0.0), "times do not ascend"),
        ((1.0, 0.0), (0.0, 1.0), "knots do not ascend"),
        ((0.0,), (0.0,), "2 or more"),
        ((0.0, 1.0), (0.0, float("nan")), "NaN"),
    ],
)
def test_a_map_that_is_not_monotone_is_refused(
    knots: tuple[float, ...], times: tuple[float, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        MonotoneMap(knots, times)


def test_pulses_that_moved_nothing_teach_nothing() -> None:
    still = Shots(np.full(20, 2e-5), np.full(20, 2e-5), np.full(20, 3.0), np.full(20, 1e-4))
    with pytest.raises(DataError, match="0 of 20 SET"):
        fit_predictor(still, ORIGIN)
    assert len(together(still, still)) == 40


def test_impossible_pulses_are_refused() -> None:
    one = np.ones(1)
    with pytest.raises(DataError, match="width above 0"):
        Shots(one, one, one, 0 * one)
    with pytest.raises(DataError, match="NaN"):
        Shots(np.nan * one, one, one, one)
    with pytest.raises(DataError, match="shape"):
        Shots(one, np.ones(2), one, one)


def dense() -> DenseMap:
    rng = np.random.default_rng(0)
    layers = [(2, 16, "tanh"), (16, 16, "tanh"), (16, 1, "linear")]
    made = (
        Layer(rng.standard_normal((n, m)), rng.standard_normal(m), name) for n, m, name in layers
    )
    return DenseMap(Network(tuple(made)), LOW, HIGH)


def both_kinds() -> Predictor:
    fitted = fit_predictor(pulses(200, 0), ORIGIN)
    return replace(fitted, reset=Way(2.0, 1.9, 2.1, 3.0, dense()))


def test_a_saved_predictor_comes_back_the_same(tmp_path: Path) -> None:
    path, predictor = tmp_path / "p.toml", both_kinds()
    save_predictor(predictor, path)
    again = load_predictor(path)
    assert again.record == predictor.record
    before, target = np.random.default_rng(1).uniform(LOW, HIGH, (2, 100))
    for found, known in zip(
        again.pulses(before, target, 1e-9, 1.0),
        predictor.pulses(before, target, 1e-9, 1.0),
        strict=True,
    ):
        assert np.array_equal(found, known)
    save_predictor(again, tmp_path / "again.toml")
    assert path.read_bytes() == (tmp_path / "again.toml").read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format = ", "fromat = ", "fromat"),
        ("predictor 1", "predictor 2", "format is"),
        ("set_shots = ", "set_shots = 1.5 # ", "set_shots"),
        ("[reset.dense]", "[reset.dance]", "dance"),
        ("inputs = 16", "inputs = 15", "weights are not 15"),
        ("inputs = 2", "inputs = 1", "weights are not 1"),
        ('"tanh"', '"tan"', "activation"),
        ("amplitude_max = ", "amplitude_max = 1e-3 # ", "amplitude"),
        ("times = [\n  0.0", "times = [\n  9.0", "times do not ascend"),
        ("times = [\n  0.0", "times = [\n  nan", "NaN"),
        ("[set.monotone]", "[set.dense]\nlow = 0\nhigh = 1\nlayers = []\n[set.monotone]", "2 maps"),
        ("[record]", "[record", "not TOML"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_what_is_wrong(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "p.toml"
    save_predictor(both_kinds(), path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        load_predictor(path)


def test_a_file_that_ends_early_or_is_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    save_predictor(both_kinds(), path)
    whole = path.read_bytes()
    for part in (len(whole) // 3, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:part])
        with pytest.raises(DataError):
            load_predictor(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not text"):
        load_predictor(path)
    with pytest.raises(DataError, match="cannot be read"):
        load_predictor(tmp_path / "none.toml")
    with pytest.raises(DataError, match="cannot be written"):
        save_predictor(both_kinds(), tmp_path / "no" / "p.toml")


def test_a_map_that_runs_on_a_crossbar_is_not_saved(tmp_path: Path) -> None:
    elsewhere = DenseMap(lambda x: x[:, :1], LOW, HIGH)
    predictor = replace(both_kinds(), set=Way(2.0, 2.0, 2.0, 0.0, elsewhere))
    with pytest.raises(DataError, match="DenseMap cannot be saved"):
        save_predictor(predictor, tmp_path / "p.toml")


def test_impossible_ways_are_refused() -> None:
    chosen = MonotoneMap((0.0, 1.0), (0.0, 1.0))
    with pytest.raises(DataError, match="not between"):
        Way(3.0, 3.1, 3.2, 0.0, chosen)
    with pytest.raises(DataError, match="per_volt"):
        Way(3.0, 3.0, 3.0, float("nan"), chosen)
    with pytest.raises(DataError, match="no"):
        DenseMap(lambda x: x, 1.0, 1.0)
    assert TrainingRecord("a", "b", 1, 2, 3, 0.0, 0.0).noise == ""
