import numpy as np
import pytest

from crossbar.backend import BenchError
from crossbar.programming import (
    FixedSettings,
    LogStepSettings,
    PiSettings,
    Policy,
    Pulses,
    WidthSettings,
)

CELL = np.array([0])


def ask(policy: Policy, now: float, target: float) -> tuple[float, float]:
    """Return amplitude and width for one cell at `now`, microsiemens like the target."""
    volts, widths = policy.next(CELL, np.array([now * 1e-6]), np.array([target * 1e-6]))
    return float(volts[0]), float(widths[0])


def test_fixed_repeats_one_pulse_per_direction_and_has_no_stronger_one() -> None:
    policy = FixedSettings(set_voltage=3.0, reset_voltage=2.0, width=1e-4).policy(1)
    assert ask(policy, 10, 20) == (3.0, 1e-4)
    assert ask(policy, 10, 20) == (3.0, 1e-4)
    assert ask(policy, 30, 20) == (-2.0, 1e-4)
    assert policy.exhausted(CELL).all()


def test_width_grows_by_its_ratio_and_starts_again_when_the_direction_turns() -> None:
    settings = WidthSettings(set_start=1e-5, reset_start=2e-5, ratio=3.0, stop=5e-5)
    policy = settings.policy(1)
    widths = [ask(policy, now, 20)[1] for now in (10, 12, 14, 16, 30, 29, 19)]
    assert widths == pytest.approx([1e-5, 3e-5, 5e-5, 5e-5, 2e-5, 5e-5, 1e-5])
    assert settings.widths == (1e-5, 5e-5)


def test_width_is_exhausted_at_its_longest_pulse_only() -> None:
    policy = WidthSettings(set_start=1e-5, reset_start=1e-5, ratio=3.0, stop=5e-5).policy(1)
    seen = []
    for _ in range(3):
        ask(policy, 10, 20)
        seen.append(bool(policy.exhausted(CELL)[0]))
    assert seen == [False, False, True]


LOG = LogStepSettings(
    set_start=2.0, set_stop=3.0, reset_start=1.5, reset_stop=2.5, gain=0.1, restart=16e-6
)


def test_log_step_steps_by_the_decades_of_error_over_shift() -> None:
    policy = LOG.policy(1)
    assert ask(policy, 10, 30)[0] == pytest.approx(2.0)
    # Moved 0.18 of the 18 uS that are left: two decades.
    assert ask(policy, 12, 30)[0] == pytest.approx(2.0 + 0.1 * np.log10(18 / 2))
    before = 2.0 + 0.1 * np.log10(9)
    # The last shift was ten times what is left: one decade down.
    assert ask(policy, 22, 22.99)[0] == pytest.approx(max(2.0, before + 0.1 * np.log10(0.99 / 10)))


def test_log_step_answers_a_cell_that_did_not_move_with_its_largest_step() -> None:
    policy = LOG.policy(1)
    volts = [ask(policy, 10, 30)[0] for _ in range(7)]
    assert volts == pytest.approx([2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.0])
    assert policy.exhausted(CELL).all()


@pytest.mark.parametrize("now", [35, 28])
def test_log_step_starts_again_after_a_turn_and_after_a_shift_above_its_bound(now: float) -> None:
    policy = LOG.policy(1)
    for _ in range(4):
        ask(policy, 10, 30)
    assert ask(policy, now, 30)[0] == pytest.approx(-1.5 if now > 30 else 2.0)


PI = PiSettings(
    set_start=2.0,
    set_stop=4.0,
    reset_start=1.0,
    reset_stop=2.0,
    span=100e-6,
    proportional=0.5,
    integral=0.25,
    windup=0.5,
)


def test_pi_adds_the_error_and_the_sum_of_errors() -> None:
    policy = PI.policy(1)
    # Errors of 0.4 and 0.2: Kp e + Ki sum(e) = 0.3 and 0.25.
    assert ask(policy, 10, 50)[0] == pytest.approx(2.0 + 2.0 * 0.3)
    assert ask(policy, 30, 50)[0] == pytest.approx(2.0 + 2.0 * 0.25)


def test_pi_forgets_the_sum_when_the_error_turns() -> None:
    policy = PI.policy(1)
    for _ in range(3):
        ask(policy, 10, 50)
    assert ask(policy, 60, 50)[0] == pytest.approx(-(1.0 + 0.1 * 0.75))


def test_pi_does_not_wind_up_beyond_its_bound() -> None:
    policy = PI.policy(1)
    volts = [ask(policy, 10, 30)[0] for _ in range(40)]
    assert volts[-1] == pytest.approx(2.0 + 2.0 * (0.5 * 0.2 + 0.5))
    assert volts == sorted(volts)
    assert not policy.exhausted(CELL).any()


def test_pi_is_exhausted_at_full_control() -> None:
    policy = PI.policy(1)
    volts = [ask(policy, 0, 100)[0] for _ in range(3)]
    assert volts == pytest.approx([3.5, 4.0, 4.0])
    assert policy.exhausted(CELL).all()


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        (FixedSettings, {"width": 0.0}, "fixed width = 0.0"),
        (FixedSettings, {"set_voltage": np.nan}, "fixed set_voltage"),
        (WidthSettings, {"ratio": 1.0}, "not above 1"),
        (WidthSettings, {"set_start": 1.0}, "width set_start = 1.0 is above stop"),
        (LogStepSettings, {"set_stop": 1.0}, "log-step set_start.*above set_stop"),
        (LogStepSettings, {"restart": -1.0}, "log-step restart"),
        (PiSettings, {"reset_stop": 1.0}, "pi reset_start.*above reset_stop"),
        (PiSettings, {"integral": 0.0}, "pi integral"),
    ],
)
def test_impossible_settings_are_refused(
    settings: type[Pulses], change: dict[str, float], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        settings(**change)
