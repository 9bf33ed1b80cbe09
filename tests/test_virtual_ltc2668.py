from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Array, BenchError
from sim_backend.virtual.ltc2668 import DacSpread, Ltc2668, Pins
from sim_backend.virtual.signals import Steps
from spi_frames import CS_BIT, CS_WORD, IDLE, LOAD, MOSI, SCK, code, sent, steps, word

HALF_BIT = 1e-7
LSB = 10 / 65536
CODES = st.integers(0, 0xFFFF)
CHANNELS = st.integers(0, 15)


def converter(spread: DacSpread | None = None, seed: int = 0) -> Ltc2668:
    exact = DacSpread(gain_sigma=0.0, offset_sigma=0.0)
    pins = Pins(select=CS_WORD, clock=SCK, data=MOSI, load=LOAD)
    return Ltc2668(pins, exact if spread is None else spread, np.random.default_rng(seed))


def played(dac: Ltc2668, *words: int, bits: int = 24) -> tuple[Array, Array]:
    levels = [IDLE]
    for number in words:
        levels += sent(number, bits=bits)
    times, outputs, _ = dac.play(steps(levels, 0.0, HALF_BIT))
    return times, outputs


def outputs(dac: Ltc2668, *words: int) -> Array:
    volts: Array = played(dac, *words)[1][-1]
    return volts


def one_channel(channel: int, voltage: float) -> Array:
    volts = np.zeros(16)
    volts[channel] = voltage
    return volts


def test_outputs_are_at_zero_after_power_up() -> None:
    np.testing.assert_array_equal(outputs(converter()), np.zeros(16))


def test_write_and_update_brings_the_code_to_its_output() -> None:
    dac = converter()
    np.testing.assert_array_equal(outputs(dac, 0x33C000), one_channel(3, 2.5))


def test_code_by_hand_bit_by_bit() -> None:
    # 0011 0101 1000000000000001: write and update channel 5 with one code above the middle.
    bits = "001101011000000000000001"
    low = IDLE & ~(1 << CS_WORD)
    levels = [IDLE, low]
    for bit in bits:
        data = low | (bit == "1") << MOSI
        levels += [data, data | 1 << SCK]
    _, volts, _ = converter().play(steps([*levels, low, IDLE], 0.0, HALF_BIT))
    np.testing.assert_allclose(volts[-1], one_channel(5, LSB), atol=1e-15)


def test_write_alone_waits_for_an_update() -> None:
    dac = converter()
    np.testing.assert_array_equal(outputs(dac, word(0, 2, 0xFFFF)), np.zeros(16))
    np.testing.assert_array_equal(outputs(dac, word(1, 3)), np.zeros(16))
    np.testing.assert_array_equal(outputs(dac, word(1, 2)), one_channel(2, 5 - LSB))


def test_write_to_all_and_update_all() -> None:
    dac = converter()
    np.testing.assert_array_equal(outputs(dac, word(8, 9, 0x4000)), np.zeros(16))
    np.testing.assert_array_equal(outputs(dac, word(9)), np.full(16, -2.5))
    np.testing.assert_array_equal(outputs(dac, word(10, 0, 0x8000)), np.zeros(16))


def test_write_to_one_and_update_all_brings_what_waits() -> None:
    dac = converter()
    volts = outputs(dac, word(0, 1, 0xC000), word(2, 4, 0x4000))
    np.testing.assert_array_equal(volts, one_channel(1, 2.5) + one_channel(4, -2.5))


@pytest.mark.parametrize(
    ("span", "low", "high"), [(0, 0, 5), (1, 0, 10), (2, -5, 5), (3, -10, 10), (4, -2.5, 2.5)]
)
def test_spans(span: int, low: float, high: float) -> None:
    dac = converter()
    assert outputs(dac, word(6, 7, span), word(3, 7, 0))[7] == low
    assert outputs(dac, word(14, 0, span), word(3, 7, 0x8000))[7] == (low + high) / 2
    assert outputs(dac, word(3, 7, 0xFFFF))[7] == high - (high - low) / 65536


def test_unknown_span_changes_nothing() -> None:
    np.testing.assert_array_equal(outputs(converter(), word(14, 0, 7)), np.zeros(16))


def test_output_that_is_powered_down_comes_back_with_an_update() -> None:
    dac = converter()
    outputs(dac, word(10, 0, 0xC000))
    assert outputs(dac, word(4, 6))[6] == 0.0
    assert outputs(dac, word(1, 6))[6] == 2.5
    np.testing.assert_array_equal(outputs(dac, word(5)), np.zeros(16))
    np.testing.assert_array_equal(outputs(dac, word(9)), np.full(16, 2.5))


def test_toggle_goes_between_registers_a_and_b() -> None:
    dac = converter()
    outputs(dac, word(3, 2, 0xC000), word(12, 0, 1 << 2), word(0, 2, 0x4000))
    assert outputs(dac)[2] == 2.5
    assert outputs(dac, word(13, 0, 1))[2] == -2.5
    assert outputs(dac, word(13, 0, 0))[2] == 2.5


def test_monitor_pin_shows_the_channel_asked_for_or_nothing() -> None:
    dac = converter()
    for data, expected in ((0x1A, 10), (0x10, 0), (0x0A, None)):
        _, _, shown = dac.play(steps([IDLE, *sent(word(11, 0, data))], 0.0, HALF_BIT))
        assert shown[-1] == expected


@pytest.mark.parametrize("number", [word(15), word(7, 0, 0xFFFF)])
def test_no_operation_and_configuration_leave_the_outputs(number: int) -> None:
    dac = converter()
    outputs(dac, word(0, 1, 0xFFFF))
    np.testing.assert_array_equal(outputs(dac, number), np.zeros(16))


def test_word_of_32_bits_ignores_the_first_eight() -> None:
    dac = converter()
    number = 0xA5 << 24 | word(3, 3, 0xC000)
    np.testing.assert_array_equal(played(dac, number, bits=32)[1][-1], one_channel(3, 2.5))


@pytest.mark.parametrize("bits", [1, 8, 16, 23, 25, 31, 33, 48])
def test_word_of_any_other_length_is_ignored(bits: int) -> None:
    dac = converter()
    np.testing.assert_array_equal(played(dac, word(10, 0, 0xC000), bits=bits)[1][-1], np.zeros(16))
    assert outputs(dac, word(3, 0, 0xC000))[0] == 2.5


def test_clock_without_select_is_ignored() -> None:
    levels = [level | 1 << CS_WORD for level in sent(word(10, 0, 0xC000))]
    _, volts, _ = converter().play(steps([IDLE, *levels], 0.0, HALF_BIT))
    np.testing.assert_array_equal(volts[-1], np.zeros(16))


def test_clock_that_rises_with_select_is_no_bit() -> None:
    # Select falls and the clock rises at once: without time to set up the word has 23 bits.
    levels = sent(word(10, 0, 0xC000))[1:]
    _, volts, _ = converter().play(steps([IDLE, *levels], 0.0, HALF_BIT))
    np.testing.assert_array_equal(volts[-1], np.zeros(16))


def test_other_converters_words_are_ignored() -> None:
    _, volts, _ = converter().play(
        steps([IDLE, *sent(word(10, 0, 0xC000), (CS_BIT,))], 0.0, HALF_BIT)
    )
    np.testing.assert_array_equal(volts[-1], np.zeros(16))


def test_word_may_be_spread_over_intervals() -> None:
    dac = converter()
    levels = [IDLE, *sent(word(3, 3, 0xC000))]
    for k, level in enumerate(levels):
        _, volts, _ = dac.play(Steps.constant(k * 1e-3, level))
    np.testing.assert_array_equal(volts[-1], one_channel(3, 2.5))


def test_half_a_word_before_and_half_a_word_after_is_one() -> None:
    dac = converter()
    levels = np.array([IDLE, *sent(word(3, 3, 0xC000))])
    for part in np.array_split(levels, 2):
        _, volts, _ = dac.play(steps(part, 0.0, HALF_BIT))
    np.testing.assert_array_equal(volts[-1], one_channel(3, 2.5))


def test_outputs_change_where_select_rises() -> None:
    times, volts = played(converter(), word(3, 1, 0xC000), word(15), word(3, 1, 0x8000))
    np.testing.assert_allclose(times, np.array([0, 50, 150]) * HALF_BIT)
    np.testing.assert_array_equal(volts[:, 1], [0.0, 2.5, 0.0])


def test_falling_load_updates_all() -> None:
    dac = converter()
    outputs(dac, word(0, 1, 0xC000))
    levels = [IDLE, IDLE & ~(1 << LOAD), IDLE]
    _, volts, _ = dac.play(steps(levels, 0.0, HALF_BIT))
    np.testing.assert_array_equal(volts[-1], one_channel(1, 2.5))


def test_load_held_low_updates_with_every_word() -> None:
    dac = converter()
    levels = [level & ~(1 << LOAD) for level in [IDLE, *sent(word(0, 1, 0xC000))]]
    _, volts, _ = dac.play(steps(levels, 0.0, HALF_BIT))
    np.testing.assert_array_equal(volts[-1], one_channel(1, 2.5))


def test_errors_are_drawn_small_and_by_seed() -> None:
    spread = DacSpread(gain_sigma=1e-3, offset_sigma=1e-3)
    first, second, third = (converter(spread, seed) for seed in (1, 1, 2))
    volts = outputs(first, word(10, 0, 0xC000))
    np.testing.assert_array_equal(volts, outputs(second, word(10, 0, 0xC000)))
    assert np.all(volts != outputs(third, word(10, 0, 0xC000)))
    np.testing.assert_allclose(volts, 2.5 * first.gain + first.offset)
    assert 0 < np.abs(volts - 2.5).max() < 0.02


@given(st.lists(st.tuples(CHANNELS, CODES), min_size=1, max_size=12))
def test_any_written_codes_come_out(written: Sequence[tuple[int, int]]) -> None:
    expected = np.full(16, 0x8000)
    for channel, value in written:
        expected[channel] = value
    volts = outputs(converter(), *(word(3, channel, value) for channel, value in written))
    np.testing.assert_allclose(volts, (expected / 65536 - 0.5) * 10, atol=1e-14)


@given(st.floats(-5, 5 - LSB))
def test_any_voltage_comes_out_to_half_a_code(voltage: float) -> None:
    volts = outputs(converter(), word(3, 0, code(voltage)))
    assert abs(volts[0] - voltage) <= LSB / 2 + 1e-12


@given(st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=200))
def test_no_noise_on_the_pins_upsets_it(levels: list[int]) -> None:
    dac = converter()
    times, volts, shown = dac.play(steps(levels, 0.0, HALF_BIT))
    assert len(times) == len(volts) == len(shown)
    assert all(a <= b for a, b in pairwise(times.tolist()))


@given(st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=120), st.data())
def test_where_an_interval_is_cut_makes_no_difference(
    levels: list[int], data: st.DataObject
) -> None:
    frame = [*levels, IDLE, *sent(word(3, 1, 0xC000))]
    cut = data.draw(st.integers(1, len(frame) - 1))
    whole, parts = converter(), converter()
    _, expected, _ = whole.play(steps(frame, 0.0, HALF_BIT))
    for part in (frame[:cut], frame[cut:]):
        _, volts, _ = parts.play(steps(part, 0.0, HALF_BIT))
    np.testing.assert_array_equal(volts[-1], expected[-1])
    assert parts.registers == whole.registers


@pytest.mark.parametrize(
    "wrong", [{"gain_sigma": -1.0}, {"slew": 0.0}, {"time_constant": 0.0}, {"offset_sigma": -1.0}]
)
def test_impossible_spreads_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BenchError):
        DacSpread(**wrong)
