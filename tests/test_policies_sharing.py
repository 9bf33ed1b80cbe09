from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import Array, BenchError, Cells
from crossbar.programming import CoarseFineSettings, ModelSettings, Pulses, Status, WriteVerify
from crossbar.programming.policy import Learning, PartOf
from crossbar.programming.write_verify import write_verify
from policy_runs import ObedientBench

COARSE = CoarseFineSettings(
    set_start=2.0,
    set_top=3.0,
    set_stop=4.0,
    reset_start=1.0,
    reset_top=2.0,
    reset_stop=3.0,
    conductance_max=100e-6,
    levels=11,
    bound=10e-6,
    gain=0.4,
    reach=0.5,
    step=0.1,
)


def micro(*values: float) -> Array:
    return np.array(values) * 1e-6


def test_a_coarse_jump_takes_the_amplitude_of_the_targets_level() -> None:
    volts, _ = COARSE.policy(4).next(np.arange(4), micro(0, 0, 100, 100), micro(100, 50, 0, 50))
    assert volts == pytest.approx([3.0, 2.5, -2.0, -1.5])


def test_a_jump_that_went_half_the_way_makes_the_next_of_its_level_stronger() -> None:
    policy = COARSE.policy(2)
    policy.next(np.array([0]), micro(0), micro(100))
    # Half missed: half of the gain, and half the way left: 0.5 V less per decade of it.
    again, _ = policy.next(np.array([0]), micro(50), micro(100))
    assert again == pytest.approx([3.0 + 0.4 * 0.5 + 0.5 * np.log10(0.5)])
    other, _ = policy.next(np.array([1]), micro(0), micro(100))
    assert other == pytest.approx([3.0 + 0.4 * 0.5])


def test_what_one_cell_of_a_level_missed_more_than_the_others_is_its_own() -> None:
    policy = COARSE.policy(3)
    policy.next(np.array([0, 1]), micro(0, 0), micro(100, 100))
    volts, _ = policy.next(np.array([0, 1, 2]), micro(0, 0, 0), micro(100, 100, 100))
    assert volts == pytest.approx([3.4, 3.4, 3.4])
    policy = COARSE.policy(3)
    policy.next(np.array([0, 1]), micro(0, 0), micro(100, 100))
    volts, _ = policy.next(np.array([0, 1, 2]), micro(0, 50, 0), micro(100, 100, 100))
    weaker = 0.5 * np.log10(0.5)
    assert volts == pytest.approx([3.0 + 0.4, 3.0 + 0.2 + weaker, 3.0 + 0.3])


def test_inside_the_bound_the_staircase_is_fine() -> None:
    policy = COARSE.policy(1)
    volts = [policy.next(np.array([0]), micro(now), micro(50))[0][0] for now in (45, 46, 47)]
    assert np.diff(volts) == pytest.approx([0.1, 0.1])
    turned = policy.next(np.array([0]), micro(53), micro(50))[0][0]
    assert turned < 0
    # Beyond the bound: a jump again, back from where the pulse threw the cell.
    assert abs(policy.next(np.array([0]), micro(80), micro(50))[0][0]) > abs(turned)


# A cell of the model's own law, exactly: dose at the reference and voltage scale.
EXACT = ModelSettings(
    scale_sigma=1e-3, cell_sigma=1e-3, cycle_sigma=1e-3, drift=1e-6, aim=1.0, keep=1.0
)


class Law:
    """The law of `ModelSettings`, with its own dose, scale, exponents and chance."""

    def __init__(self, dose: float, scale: float = 0.25, cycle: float = 0.0) -> None:
        self.dose, self.scale, self.cycle = dose, scale, cycle
        self._rng = np.random.default_rng(5)

    def __call__(self, conductance: Array, voltages: Array, widths: Array) -> Array:
        up = voltages > 0
        reference = np.where(up, 3.0, 2.2)
        dose = self.dose * np.exp((np.abs(voltages) - reference) / self.scale) * widths / 1e-4
        dose = dose * np.exp(self.cycle * self._rng.standard_normal(len(dose)))
        part = conductance / 1e-4
        raised = 1 - ((1 - part) ** -0.5 + dose / 2) ** -2
        lowered = 1 / (1 / part + dose)
        return np.asarray(np.where(up, raised, lowered) * 1e-4)


def write(law: Law, targets: Array, pulses: Pulses, tolerance: float = 1e-6) -> Array:
    """Return the pulses that each cell took; all of them have to end verified."""
    bench = ObedientBench(len(targets), law)
    cells = Cells.of((0, k) for k in range(len(targets)))
    settings = WriteVerify(tolerance=tolerance)
    report = write_verify(bench, cells, targets, settings, pulses, np.zeros(len(targets)))
    assert (report.status == Status.VERIFIED).all()
    return report.pulses.astype(np.float64)


def test_model_needs_one_pulse_where_it_knows_the_cell() -> None:
    assert write(Law(0.015), micro(5, 20, 60, 80), EXACT).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("dose", [0.003, 0.006, 0.01])
@pytest.mark.parametrize("target", [20, 40, 60])
def test_model_needs_two_pulses_where_one_tells_it_the_cell(dose: float, target: float) -> None:
    assert write(Law(dose), micro(target), EXACT).tolist() == [2]


@pytest.mark.parametrize("target", [20, 40, 60])
def test_model_needs_three_pulses_where_it_has_to_learn_both_directions(target: float) -> None:
    assert write(Law(0.05), micro(target), EXACT).tolist() == [3]


def test_model_learns_the_voltage_scale_from_cells_that_took_different_amplitudes() -> None:
    targets = np.linspace(15e-6, 75e-6, 20)
    assert np.mean(write(Law(0.015, scale=0.4), targets, ModelSettings())) <= 4


def test_model_is_not_far_off_on_cells_that_vary_from_cycle_to_cycle() -> None:
    targets = np.linspace(15e-6, 75e-6, 40)
    assert np.mean(write(Law(0.015, cycle=0.25), targets, ModelSettings())) <= 6


def test_cells_teach_each_other_what_to_expect() -> None:
    policy = ModelSettings().policy(21)
    most, last = np.arange(20), np.array([20])
    start, target = np.full(20, 10e-6), np.full(20, 50e-6)
    before = ModelSettings().policy(1).next(np.array([0]), start[:1], target[:1])[0]
    policy.next(most, start, target)
    policy.next(most, np.full(20, 12e-6), target)
    after, _ = policy.next(last, start[:1], target[:1])
    assert after[0] > before[0] + 0.2


@pytest.mark.parametrize(("moved", "stronger"), [(5, True), (60, False)])
def test_a_cell_that_is_easily_set_is_expected_to_be_easily_reset(
    moved: float, stronger: bool
) -> None:
    taught, fresh = ModelSettings().policy(1), ModelSettings().policy(1)
    taught.next(np.array([0]), micro(10), micro(50))
    after, _ = taught.next(np.array([0]), micro(10 + moved), micro(8))
    untaught, _ = fresh.next(np.array([0]), micro(10 + moved), micro(8))
    assert (abs(after[0]) > abs(untaught[0])) == stronger


def test_a_move_that_noise_explains_changes_little() -> None:
    def reply(moved: float, error: float) -> float:
        policy = ModelSettings().policy(1)
        first = policy.next(np.array([0]), micro(50), micro(50 + error))[0][0]
        again = policy.next(np.array([0]), micro(50 + moved), micro(50 + moved + error))[0][0]
        return float(again - first)

    # 5 uS of drift at 50 uS hide what a pulse meant for 1.5 uS did; not one meant for 40 uS.
    assert abs(reply(-4.0, 1.5)) < 0.1
    assert abs(reply(6.0, 1.5)) < 0.2
    assert reply(4.0, 40.0) > 0.2


def test_a_cell_that_does_not_move_soon_gets_the_strongest_pulse() -> None:
    policy = ModelSettings().policy(1)
    volts = [float(policy.next(np.array([0]), micro(10), micro(15))[0][0]) for _ in range(12)]
    assert volts == sorted(volts)
    assert volts[-1] == ModelSettings().set_max
    assert policy.exhausted(np.array([0])).all()


def test_stuck_cells_do_not_teach_the_others_that_nothing_moves() -> None:
    def next_cell(stuck: int) -> float:
        policy, law = ModelSettings().policy(21), Law(0.015)
        now, target = np.full(20, 10e-6), np.full(20, 50e-6)
        for _ in range(10):
            volts, widths = policy.next(np.arange(20), now, target)
            now[stuck:] = law(now, volts, widths)[stuck:]
        return float(policy.next(np.array([20]), micro(10), micro(50))[0][0])

    assert next_cell(2) == pytest.approx(next_cell(0), abs=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"aim": 1.5}, "aim = 1.5 is above 1"),
        ({"keep": 2.0}, "keep = 2.0 is above 1"),
        ({"set_min": 5.0}, "set_min.*above set_max"),
        ({"drift": 0.0}, "drift"),
        ({"alike": 1.0}, "alike = 1.0 is not below 1"),
    ],
)
def test_impossible_expectations_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        ModelSettings(**change)


def test_impossible_tables_are_refused() -> None:
    with pytest.raises(BenchError, match="2 or more"):
        replace(COARSE, levels=1)
    with pytest.raises(BenchError, match=r"set_top.*above set_stop"):
        replace(COARSE, set_stop=2.5)


def test_a_cell_that_was_written_before_is_known_when_it_is_written_again() -> None:
    whole = ModelSettings().policy(10)
    assert isinstance(whole, Learning)
    some, target = np.arange(3), np.full(3, 4e-5)
    now = np.full(3, 1e-5)
    first = PartOf(whole, np.array([2, 5, 7]))
    volts, _ = first.next(some, now, target)
    # Each pulse did three times what it was to do: the next ones have to be gentler.
    first.next(some, np.full(3, 9e-5), target)
    again = PartOf(whole, np.array([5]))
    later, _ = again.next(np.array([0]), now[:1], target[:1])
    fresh, _ = ModelSettings().policy(1).next(np.array([0]), now[:1], target[:1])
    assert fresh[0] == pytest.approx(volts[1])
    assert later[0] < fresh[0] - 0.02


def test_what_happened_between_two_programmings_teaches_nothing() -> None:
    target = np.full(1, 4e-5)

    def second_pulse(drifted: float) -> float:
        whole = ModelSettings().policy(1)
        PartOf(whole, np.array([0])).next(np.array([0]), np.full(1, 1e-5), target)
        PartOf(whole, np.array([0]))  # taken up again, from wherever the cell has gone
        volts, _ = PartOf(whole, np.array([0])).next(np.array([0]), np.full(1, drifted), target)
        return float(volts[0])

    assert second_pulse(1e-5) == second_pulse(1e-5)
    plain, _ = ModelSettings().policy(1).next(np.array([0]), np.full(1, 2e-5), target)
    assert second_pulse(2e-5) == pytest.approx(float(plain[0]))
