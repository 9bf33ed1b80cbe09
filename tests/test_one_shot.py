from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.backend import Array, BenchError, Cells, Indices, LimitError, Mask
from crossbar.bench import load
from crossbar.programming import (
    POLICIES,
    IsppSettings,
    OneShot,
    OneShotSettings,
    Status,
    WriteVerify,
    check_pulses,
    write_verify,
)
from crossbar.programming.one_shot import BUILT_IN
from crossbar.programming.predictor import MonotoneMap, Predictor, TrainingRecord, Way
from crossbar.programming.predictor.file import save_predictor
from fake_bench import LIMITS, FakeBench

RECORD = TrainingRecord("test", "by hand", -1, 8, 8, 0.0, 0.0)
LINE = MonotoneMap((0.0, 100e-6), (0.0, 100e-6))
"""One second a siemens."""

LINEAR = Predictor(Way(3.0, 3.0, 3.0, 0.0, LINE), Way(2.0, 2.0, 2.0, 0.0, LINE), RECORD)


class Spy:
    """A fallback that says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        self.asked.append(index.tolist())
        return np.where(target > conductance, 1.0, -1.0), np.full(len(index), 1e-3)

    def exhausted(self, index: Indices) -> Mask:
        return np.ones(len(index), dtype=np.bool_)


def test_the_first_pulse_is_the_predictors_and_the_others_are_the_fallbacks() -> None:
    spy = Spy()
    policy = OneShot(2, LINEAR, spy, (1e-6, 1e-3))
    index, before, target = np.arange(2), np.array([10e-6, 50e-6]), np.array([40e-6, 20e-6])
    volts, widths = policy.next(index, before, target)
    assert volts.tolist() == [3.0, -2.0]
    assert widths == pytest.approx([30e-6, 30e-6])
    assert spy.asked == []
    assert not policy.exhausted(index).any()
    volts, widths = policy.next(index[1:], np.array([25e-6]), target[1:])
    assert (volts.tolist(), widths.tolist()) == ([-1.0], [1e-3])
    assert spy.asked == [[1]]
    assert policy.exhausted(index).tolist() == [False, True]


def test_cells_that_come_late_get_their_own_first_pulse() -> None:
    spy = Spy()
    policy = OneShot(3, LINEAR, spy, (1e-6, 1e-3), attempts=2)
    for index in ([0], [0, 1], [2, 0, 1]):
        volts, _ = policy.next(np.array(index), np.zeros(len(index)), np.full(len(index), 1e-5))
    assert spy.asked == [[0]]
    assert volts.tolist() == [3.0, 1.0, 3.0]


def test_widths_beyond_the_range_are_clipped_where_no_volt_is_known_to_help() -> None:
    policy = OneShot(2, LINEAR, Spy(), (10e-6, 20e-6))
    volts, widths = policy.next(np.arange(2), np.zeros(2), np.array([1e-6, 90e-6]))
    assert volts.tolist() == [3.0, 3.0]
    assert widths.tolist() == [10e-6, 20e-6]


def test_a_pulse_that_would_be_too_long_is_made_stronger_as_far_as_was_seen() -> None:
    way = Way(3.0, 2.5, 3.2, 4.0, LINE)
    volts, widths = way.pulses(np.zeros(3), np.array([1e-9, 24e-6, 90e-6]), 10e-6, 20e-6)
    assert widths.tolist() == [10e-6, 20e-6, 20e-6]
    assert volts == pytest.approx([2.5, 3.0 + np.log(24 / 20) / 4, 3.2])


@settings(max_examples=50, deadline=None)
@given(
    before=st.lists(st.floats(0, 1e-3), min_size=1, max_size=5),
    seed=st.integers(0, 2**31),
    name=st.sampled_from(BUILT_IN),
    rounds=st.integers(1, 4),
    attempts=st.integers(1, 3),
)
def test_no_pulse_exceeds_what_the_settings_say(
    before: list[float], seed: int, name: str, rounds: int, attempts: int
) -> None:
    chosen = OneShotSettings(name, attempts=attempts, width_min=2e-6, width_max=1e-3)
    policy, index = chosen.policy(len(before)), np.arange(len(before))
    targets = np.random.default_rng(seed).uniform(0, 1e-3, len(before))
    (up, down), (shortest, longest) = chosen.strongest, chosen.widths
    for _ in range(rounds):
        volts, widths = policy.next(index, np.array(before), targets)
        assert np.all((down <= volts) & (volts <= up))
        assert np.all((shortest <= widths) & (widths <= longest))
        assert np.array_equal(volts > 0, targets > before)
    check_pulses(chosen, LIMITS)


def test_what_a_bench_does_not_allow_is_refused_before_the_first_pulse() -> None:
    with pytest.raises(LimitError, match="width"):
        check_pulses(OneShotSettings(width_max=2.0), LIMITS)
    weak = replace(LIMITS, voltage=4.0)
    with pytest.raises(LimitError, match=r"4\.\d+ V"):
        check_pulses(OneShotSettings(), weak)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attempts": 0}, "attempts"),
        ({"width_min": 0.0}, "widths"),
        ({"width_min": 1e-2, "width_max": 1e-3}, "widths"),
        ({"width_max": float("nan")}, "widths"),
        ({"predictor": "nowhere.toml"}, "neither a file"),
        ({"fallback": "one-shot"}, "fallback"),
        ({"fallback": "hope"}, "fallback"),
        ({"loop": {"set_stopp": 3.0}}, "set_stopp"),
        ({"loop": {"width": -1.0}}, "width"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        POLICIES["one-shot"](**change)


def test_a_predictor_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.toml"
    path.write_text("format = 1")
    with pytest.raises(BenchError, match=r"damaged\.toml"):
        OneShotSettings(str(path))


def test_a_file_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    save_predictor(LINEAR, path)
    assert OneShotSettings(str(path), loop={"set_stop": 2.5}).strongest[0] == 3.0
    stronger = replace(LINEAR, set=Way(4.0, 4.0, 4.0, 0.0, LINE))
    save_predictor(stronger, path)
    import os

    os.utime(path, ns=(1, 1))
    assert OneShotSettings(str(path), loop={"set_stop": 2.5}).strongest[0] == 4.0


class TimedBench(FakeBench):
    """Cells that a pulse moves by `speed` siemens per second."""

    speed = 1.0

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: float):  # type: ignore[no-untyped-def]
        moved = self.speed * np.sign(voltages) * widths
        self.conductance[cells.word, cells.bit] += moved
        self.pulsed += [(0, 0, float(v)) for v in voltages]
        return self.read(cells, read_voltage)


def one_shot_file(folder: Path) -> str:
    path = folder / "linear.toml"
    save_predictor(LINEAR, path)
    return str(path)


@pytest.mark.parametrize(("speed", "pulses"), [(1.0, 1), (0.9, 4)])
def test_what_the_predictor_misses_the_loop_finishes(
    tmp_path: Path, speed: float, pulses: int
) -> None:
    bench = TimedBench((1, 1))
    bench.speed = speed
    # The loop's pulse moves 1 uS: 3 uS are left of 30 at nine tenths of the speed.
    loop = asdict(IsppSettings(width=1e-6 / speed))
    chosen = OneShotSettings(one_shot_file(tmp_path), loop=loop)
    report = write_verify(
        bench,
        Cells.of([(0, 0)]),
        np.array([40e-6]),
        WriteVerify(tolerance=0.4e-6),
        chosen,
        np.zeros(1),
    )
    assert report.status.tolist() == [Status.VERIFIED]
    assert report.pulses.tolist() == [pulses]


def test_a_stuck_cell_is_found_by_the_fallback(tmp_path: Path) -> None:
    bench = FakeBench((1, 1))
    bench.stuck[0, 0] = True
    report = write_verify(
        bench,
        Cells.of([(0, 0)]),
        np.array([40e-6]),
        WriteVerify(tolerance=0.4e-6, stuck_pulses=3),
        OneShotSettings(one_shot_file(tmp_path), loop={"set_start": 3.0, "set_stop": 3.2}),
        np.zeros(1),
    )
    assert report.status.tolist() == [Status.STUCK]


def test_a_bench_file_names_a_predictor_beside_itself_or_one_that_comes_along(
    tmp_path: Path,
) -> None:
    own = load("sim").text.replace('policy = "ispp"', 'policy = "one-shot"')
    own = own[: own.index("[programming.ispp]")]
    save_predictor(LINEAR, tmp_path / "linear.toml")
    for name, strongest in (("linear.toml", 4.5), ("jart-v1b", 4.5), ("perovskite", 4.5)):
        path = tmp_path / "bench.toml"
        path.write_text(f'{own}\n[programming.one-shot]\npredictor = "{name}"\nattempts = 3\n')
        pulses = load(str(path)).programming.pulses
        assert isinstance(pulses, OneShotSettings)
        assert pulses.attempts == 3
        assert pulses.strongest[0] == pytest.approx(strongest)
    path.write_text(f'{own}\n[programming.one-shot]\npredictor = "lost.toml"\n')
    with pytest.raises(BenchError, match=r"lost\.toml"):
        load(str(path))
