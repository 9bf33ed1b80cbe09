import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import LimitError
from instruments.analog_discovery import AnalogDiscovery, SpiBus
from instruments.ltc2668 import Command, Ltc2668, code, codes, voltages, word, words
from recording_libdwf import RecordingLibrary, load

BUS = SpiBus(clock=9, data=10, select=8)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> RecordingLibrary:
    return load(monkeypatch)


def test_a_word_is_command_then_channel_then_data() -> None:
    assert word(Command.WRITE_UPDATE, 5, 0x8001) == 0x358001
    assert word(Command.UPDATE_ALL) == 0x900000
    assert word(Command.NOTHING) == 0xF00000


def test_words_of_many_channels_are_those_of_each() -> None:
    expected = [word(Command.WRITE, channel, channel * 4000) for channel in range(16)]
    many = words(Command.WRITE, np.arange(16), np.arange(16) * 4000)
    assert many.tolist() == expected


@pytest.mark.parametrize(
    ("voltage", "span", "expected"),
    [
        (0.0, 5.0, 0x8000),
        (-5.0, 5.0, 0),
        (5.0, 5.0, 0xFFFF),
        (2.5, 5.0, 0xC000),
        (1.25, 2.5, 0xC000),
        (10 / 65536, 5.0, 0x8001),
    ],
)
def test_code_of_a_voltage(voltage: float, span: float, expected: int) -> None:
    assert code(voltage, span) == expected


@given(st.floats(-5.0, 5.0 - 10 / 65536))
def test_a_code_gives_its_voltage_within_half_a_step(voltage: float) -> None:
    given_back = voltages(np.array([code(voltage, 5.0)]), 5.0)[0]
    assert abs(given_back - voltage) <= 5 / 65536 * (1 + 1e-9)


@given(st.floats(-5.0, 5.0))
def test_one_code_is_the_same_as_one_of_many(voltage: float) -> None:
    assert code(voltage, 5.0) == codes(np.array([voltage]), 5.0)[0]


@pytest.mark.parametrize("voltage", [5.001, -5.001, float("nan"), float("inf")])
def test_a_voltage_outside_the_span_is_refused(voltage: float) -> None:
    with pytest.raises(LimitError, match="outside ±5"):
        code(voltage, 5.0)


def test_a_span_that_does_not_exist_is_refused() -> None:
    with pytest.raises(LimitError, match="spans"):
        code(0.0, 3.0)


def sent(library: RecordingLibrary) -> list[int]:
    writes = [args for name, args in library.calls if name == "FDwfDigitalSpiWriteOne"]
    return [word for _, _, count, word in writes if count]


def test_driver_begins_and_ends_with_every_output_at_0_V(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2, Ltc2668(ad2, BUS) as dac:
        assert sent(library) == [0xE00002, 0xA08000]
        dac.set(3, 2.5)
    assert sent(library) == [0xE00002, 0xA08000, 0x33C000, 0xA08000]


def test_driver_ends_with_every_output_at_0_V_after_an_interrupt(library: RecordingLibrary) -> None:
    def interrupted(ad2: AnalogDiscovery) -> None:
        with Ltc2668(ad2, BUS) as dac:
            library.interrupt_at = len(library.calls) + 2
            dac.set(3, 2.5)

    with AnalogDiscovery() as ad2:
        with pytest.raises(KeyboardInterrupt):
            interrupted(ad2)
        assert sent(library)[-1] == 0xA08000


def test_driver_refuses_an_output_that_does_not_exist(library: RecordingLibrary) -> None:
    with (
        AnalogDiscovery() as ad2,
        Ltc2668(ad2, BUS) as dac,
        pytest.raises(LimitError, match="0 to 15"),
    ):
        dac.set(16, 0.0)
