import numpy as np
import pytest

from crossbar.backend import Array, InstrumentError
from instruments.discovery_credible import TURNS, Credible, turns

CHANNELS, SPANS = (0, 1), (5.0, 5.0)
CODE = 5.0 / 2**14


def noisy(seed: int, samples: int = 400, level: float = 0.5) -> Array:
    """Return two inputs whose noise is less than a code of the scope."""
    noise = np.random.default_rng(seed).normal(level, 0.3 * CODE, (2, samples))
    return np.round(noise / CODE) * CODE


def test_records_of_a_noisy_input_are_believed_one_after_another() -> None:
    credible = Credible()
    for seed in range(50):
        credible.check(noisy(seed), CHANNELS, SPANS)


def test_a_record_that_is_handed_out_again_is_refused() -> None:
    credible = Credible()
    credible.check(noisy(0), CHANNELS, SPANS)
    with pytest.raises(InstrumentError, match="scope 1 and scope 2 handed out the record before"):
        credible.check(noisy(0), CHANNELS, SPANS)


def test_an_input_that_sticks_is_refused_where_it_has_been_seen_to_move() -> None:
    credible = Credible()
    credible.check(noisy(0), CHANNELS, SPANS)
    with pytest.raises(
        InstrumentError, match=r"all 400 samples of scope 1 and scope 2 are .* sticks"
    ):
        credible.check(np.full((2, 400), 0.5), CHANNELS, SPANS)


def test_an_input_without_noise_is_believed_however_often_it_repeats() -> None:
    credible = Credible()
    steps = np.repeat(np.linspace(-1, 1, 40), 25).reshape(1, -1).repeat(2, axis=0)
    for _ in range(5):
        credible.check(steps, CHANNELS, SPANS)


def test_a_clipped_input_is_still_and_believed() -> None:
    credible = Credible()
    credible.check(noisy(0), CHANNELS, SPANS)
    credible.check(np.full((2, 400), 2.5), CHANNELS, SPANS)


def test_a_record_too_short_to_tell_is_believed() -> None:
    credible = Credible()
    short = noisy(0, 12)
    assert turns(short[0]) + turns(short[1]) < TURNS
    for _ in range(3):
        credible.check(short, CHANNELS, SPANS)


@pytest.mark.parametrize("wrong", [np.nan, 4.0, -1e30])
def test_samples_beyond_any_range_are_refused(wrong: float) -> None:
    record = noisy(0)
    record[1, 7] = wrong
    with pytest.raises(InstrumentError, match=r"scope 2 handed out samples beyond .* ±2.5 V"):
        Credible().check(record, CHANNELS, SPANS)


def test_steps_do_not_turn_and_noise_does() -> None:
    assert turns(np.array([0.0, 0.0, 1.0, 1.0, 2.0, 1.0, 1.0])) == 1
    assert turns(np.random.default_rng(0).standard_normal(3000)) == pytest.approx(2000, rel=0.05)
