"""Frames as the DACs and the multiplexers see them, decoded without the encoder."""

import numpy as np
import pytest

from frame_decoder import ZERO_CODE, decode
from instruments import frame_plans, ltc2668
from instruments.frame_plans import Pace
from instruments.frame_words import Pulses, multiply_words, pulse_words, read_words
from instruments.frames import BITS, CELLS, WORDS, Layout, encode
from instruments.ltc2668 import ZERO

PACE = Pace(period=10, lead=2e-5, step=2e-5, dead=2e-5, inputs=5)
CHANNELS = np.array([3, 1, 4, 15, 9, 2, 6, 5, 0, 8])


def codes(count: int, lines: int = 10, seed: int = 0) -> ltc2668.Codes:
    return np.random.default_rng(seed).integers(0, 0x10000, (count, lines))


def windows(layout: Layout) -> list[slice]:
    """The cells of the steps of each slot."""
    begins = [slot * layout.slot + layout.window for slot in range(layout.slots)]
    return [slice(begin, begin + layout.steps * layout.step) for begin in begins]


def test_bits_come_highest_first_and_the_first_cell_is_in_the_lowest_place() -> None:
    packed = encode(np.array([[0x800002], [0x000101]]), np.arange(23, -1, -1))
    assert packed.tolist() == [[0x01, 0, 0x40], [0, 0x80, 0x80]]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_word_line_has_its_level_while_it_is_read(count: int) -> None:
    layout = frame_plans.multiply(10, count, PACE)
    assert layout.slots == count
    wanted = codes(count)
    (pattern,) = layout.encode(multiply_words(layout, wanted[None], CHANNELS))
    outputs, _ = decode(layout, pattern)
    for vector, window in zip(wanted, windows(layout), strict=True):
        assert (outputs[0, window][:, CHANNELS] == vector).all()


def test_words_are_spared_for_lines_that_keep_their_level() -> None:
    rows = np.full((10, 10), ZERO_CODE)
    rows[np.arange(10), np.arange(10)] = 40000
    layout = frame_plans.multiply(2, 10, PACE)
    assert layout.slots == 10
    (pattern,) = layout.encode(multiply_words(layout, rows[None], CHANNELS))
    outputs, words = decode(layout, pattern)
    for row, window in zip(rows, windows(layout), strict=True):
        assert (outputs[0, window][:, CHANNELS] == row).all()
    assert words.tolist() == [21, 1]


@pytest.mark.parametrize("words", [2, 5])
def test_word_lines_are_read_one_after_the_other(words: int) -> None:
    order = [3, 3, 0, 7, 3]
    layout = frame_plans.multiply(words, 5, PACE)
    assert layout.slots == 5
    sent = read_words(layout, CHANNELS[order][None], np.array([[41000] * 4 + [ZERO_CODE]]))
    outputs, _ = decode(layout, layout.encode(sent)[0])
    for slot, window in enumerate(windows(layout)):
        wanted = np.full(10, ZERO_CODE)
        if slot < 4:
            wanted[order[slot]] = 41000
        assert (outputs[0, window][:, CHANNELS] == wanted).all()
    assert (outputs[:, -1] == ZERO_CODE).all()


def test_equal_vectors_take_no_words_that_act() -> None:
    rows = np.repeat(codes(1), 2, axis=0)
    rows[:, 4:] = ZERO_CODE
    layout = frame_plans.multiply(4, 2, PACE)
    sent = multiply_words(layout, rows[None], CHANNELS)
    assert (sent[0, 4:8] >> 20 == 0b1111).all()


def test_all_lines_change_at_once_and_frames_end_at_zero_volts() -> None:
    layout = frame_plans.multiply(10, 2, PACE)
    (pattern,) = layout.encode(multiply_words(layout, codes(2)[None], CHANNELS))
    outputs, _ = decode(layout, pattern)
    changes = np.flatnonzero((np.diff(outputs[0], axis=0) != 0).any(axis=1)) + 1
    assert len(changes) == 3
    assert (outputs[:, -1] == ZERO_CODE).all()
    assert (outputs[1] == ZERO_CODE).all()


def test_what_is_not_there_to_multiply_is_zero_volts() -> None:
    layout = frame_plans.multiply(10, 3, PACE)
    rows = np.full((3, 10), ZERO_CODE)
    rows[0] = codes(1)
    outputs, _ = decode(layout, layout.encode(multiply_words(layout, rows[None], CHANNELS))[0])
    after = windows(layout)[1].start - frame_plans._cells(PACE.lead, layout.period)
    assert (outputs[0, after:] == ZERO_CODE).all()


def pulses(count: int, third: bool = False) -> Pulses:
    level = codes(count, 1, seed=3)[:, 0]
    rest = (level - ZERO_CODE) // (3 if third else 2) + ZERO_CODE
    return Pulses(
        word_channel=CHANNELS[:count],
        bit_channel=CHANNELS[-count:],
        level=level,
        word_rest=rest,
        bit_rest=2 * rest - ZERO_CODE if third else rest,
    )


@pytest.mark.parametrize("third", [False, True])
@pytest.mark.parametrize("width", [1e-5, 1.33e-5, 1e-4, 1e-3, 0.25])
def test_a_pulse_has_its_width_on_its_cell_and_the_scheme_on_the_others(
    width: float, third: bool
) -> None:
    given = pulses(3, third)
    layout = frame_plans.pulse(width, 3, PACE)
    words = pulse_words(given, 41000)
    for begin in range(0, 3, layout.slots):
        here = words[begin : begin + layout.slots].reshape(1, -1)
        if here.shape[1] != 8 * layout.slots:
            continue
        outputs, _ = decode(layout, layout.encode(here)[0])
        for slot in range(layout.slots):
            k = begin + slot
            part = outputs[:, slot * layout.slot : (slot + 1) * layout.slot]
            word, bit = int(given.word_channel[k]), int(given.bit_channel[k])
            driven = part[0, :, word] - part[1, :, bit]
            on = np.flatnonzero(driven == given.level[k] - ZERO_CODE)
            assert len(on) == on[-1] - on[0] + 1
            assert len(on) * layout.cell == pytest.approx(width, rel=1e-3)
            others = np.delete(np.arange(16), word), np.delete(np.arange(16), bit)
            assert (part[0, on][:, others[0]] == given.word_rest[k]).all()
            assert (part[1, on][:, others[1]] == given.bit_rest[k]).all()
            assert (part[1, on, bit] == ZERO_CODE).all()
            rest = np.delete(part, on, axis=1)
            read = rest[0, :, word] == 41000
            assert (rest[0, ~read] == ZERO_CODE).all()
            assert (rest[1] == ZERO_CODE).all()


def test_the_verify_read_is_on_its_line_alone_while_it_is_read() -> None:
    given = pulses(1)
    layout = frame_plans.pulse(1e-4, 1, PACE)
    outputs, _ = decode(layout, layout.encode(pulse_words(given, 41000))[0])
    (window,) = windows(layout)
    lead = frame_plans._cells(PACE.lead, layout.period)
    before = slice(window.start - lead, window.stop)
    word = int(given.word_channel[0])
    assert (outputs[0, before, word] == 41000).all()
    assert (np.delete(outputs[0, before], word, axis=1) == ZERO_CODE).all()
    assert (outputs[:, -1] == ZERO_CODE).all()


@pytest.mark.parametrize("dwell", [2.5e-4, 1e-3, 0.1])
def test_a_held_voltage_is_read_at_the_end_of_its_dwell(dwell: float) -> None:
    given = pulses(1)
    layout = frame_plans.hold(dwell, PACE)
    outputs, _ = decode(layout, layout.encode(pulse_words(given, None))[0])
    driven = outputs[0, :, given.word_channel[0]]
    on = np.flatnonzero(driven == given.level[0])
    assert len(on) * layout.cell == pytest.approx(dwell, rel=1e-3)
    (window,) = windows(layout)
    assert set(range(window.start, window.stop)) <= set(on.tolist())
    assert on[-1] - window.stop < 25
    assert (outputs[:, -1] == ZERO_CODE).all()


def test_every_input_is_read_at_low_then_at_high_gain() -> None:
    layout = frame_plans.multiply(10, 2, PACE)
    lines = np.array([layout.address(bit) for bit in range(3)], dtype=int)
    address = lines[0] + 2 * lines[1] + 4 * lines[2]
    gain = layout.gain()
    ends = np.rint(layout.step_ends() / layout.cell).astype(int)
    for slot in range(2):
        last = ends[slot] - 1
        assert address[last].tolist() == [0, 1, 2, 3, 4] * 2
        assert gain[last].tolist() == [1] * 5 + [0] * 5
        for end in ends[slot]:
            assert len(set(address[end - layout.step : end])) == 1
    assert layout.step * layout.cell >= PACE.step - 1e-12


def test_outside_its_own_readings_no_amplifier_is_at_the_high_gain() -> None:
    layout = frame_plans.pulse(1e-4, 1, PACE)
    high = np.flatnonzero(layout.gain() == 0)
    (window,) = windows(layout)
    assert high[0] == window.start + 5 * layout.step
    assert high[-1] == window.stop - 1


def test_a_bare_frame_goes_to_both_dacs() -> None:
    layout = frame_plans.bare(3, PACE)
    outputs, words = decode(layout, layout.encode(np.array([[ZERO] * 3]))[0])
    assert words.tolist() == [3, 3]
    assert (outputs == ZERO_CODE).all()


def test_no_pattern_exceeds_the_device() -> None:
    for words in (1, 2, 5, 10, 16):
        for vectors in (1, 2, 7, 1000):
            assert frame_plans.multiply(words, vectors, PACE).cells <= CELLS


def test_chip_selects_are_high_between_words() -> None:
    layout = frame_plans.multiply(2, 4, PACE)
    for target, count in ((WORDS, 9), (BITS, 1)):
        select = layout.select(target)
        falls = np.flatnonzero(np.diff(np.concatenate([[1], select.astype(int)])) == -1)
        assert len(falls) == count
        assert all((select[f : f + 24] == 0).all() and select[f + 24] == 1 for f in falls)
