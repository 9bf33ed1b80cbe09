import ctypes
import logging
from collections.abc import Callable

import numpy as np
import pytest

from crossbar.backend import BenchError, ClosedError, DeadlineError, InstrumentError, LimitError
from discovery_runs import MOSI, SCK, SELECT, Stopwatch, everything, pulse, run_frame
from instruments.analog_discovery import (
    Acquisition,
    AnalogDiscovery,
    Pattern,
    SpiBus,
    Square,
    Trigger,
)
from recording_libdwf import ARMED, CONFIG, DONE, RUNNING, RecordingLibrary, load


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> RecordingLibrary:
    return load(monkeypatch)


def test_three_lines_measure_a_voltage(library: RecordingLibrary) -> None:
    library.volts = [0.1, 0.0]
    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        ad2.level(0, 0.1)
        assert ad2.measure(0) == pytest.approx(0.1)


def test_constructor_never_talks(library: RecordingLibrary) -> None:
    AnalogDiscovery("210321ABCDEF", config=1)
    assert not library.calls


def test_nothing_is_done_before_open_and_after_close(library: RecordingLibrary) -> None:
    ad2 = AnalogDiscovery()
    with pytest.raises(ClosedError, match="not open"):
        ad2.level(0, 0.1)
    with ad2:
        pass
    sent = len(library.calls)
    with pytest.raises(ClosedError, match="not open"):
        ad2.safe()
    ad2.close()
    assert len(library.calls) == sent


def test_identity_names_device_and_library(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        identity = ad2.identity
    assert identity.serial == "210321ABCDEF"
    assert identity.version == "3.20.1"
    assert identity.config == 0
    assert "libdwf" in identity.library


def test_nothing_starts_by_itself_and_closing_shuts_the_device_down(
    library: RecordingLibrary,
) -> None:
    with AnalogDiscovery():
        names = library.names()
        opened = names.index("FDwfDeviceConfigOpen")
        assert names[opened + 1 : opened + 3] == [
            "FDwfDeviceAutoConfigureSet",
            "FDwfDeviceParamSet",
        ]
        assert library.calls[opened + 2][1][1:] == (4, 2)
    assert library.names()[-1] == "FDwfDeviceClose"


def test_opening_switches_everything_off_before_it_asks_for_sizes(
    library: RecordingLibrary,
) -> None:
    with AnalogDiscovery():
        names = library.names()
        assert names.index("FDwfAnalogIOConfigure") < names.index("FDwfAnalogInBufferSizeInfo")
        assert not any("AnalogOutConfigure" in n and a[2] for n, a in library.calls)
        assert not library.on


def test_what_is_found_on_is_reported(
    library: RecordingLibrary, caplog: pytest.LogCaptureFixture
) -> None:
    library.answers["FDwfAnalogIOEnableGet"] = (1,)
    library.answers["FDwfDigitalIOOutputEnableGet"] = (0x30,)
    library.answers["FDwfAnalogOutStatus"] = (RUNNING,)
    with caplog.at_level(logging.WARNING), AnalogDiscovery():
        assert not library.on
    assert "found on, and turned off: W1, W2, static pins 0x0030, supplies" in caplog.text


def test_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(ctypes.cdll, "LoadLibrary", missing)
    with pytest.raises(InstrumentError, match="install Digilent's WaveForms"):
        AnalogDiscovery().open()


def test_no_device_says_what_to_check(library: RecordingLibrary) -> None:
    library.answers["FDwfEnum"] = (0,)
    with pytest.raises(InstrumentError, match="no Analog Discovery 2 is connected"):
        AnalogDiscovery().open()


def test_another_kind_of_device_is_none(library: RecordingLibrary) -> None:
    library.answers["FDwfEnumDeviceType"] = (4, 1)
    with pytest.raises(InstrumentError, match="no Analog Discovery 2 is connected"):
        AnalogDiscovery().open()


def test_wrong_serial_number_says_which_there_is(library: RecordingLibrary) -> None:
    with pytest.raises(InstrumentError, match="210321FFFFFF is connected; there is 210321ABCDEF"):
        AnalogDiscovery("210321FFFFFF").open()


def test_device_in_use_says_what_to_close(library: RecordingLibrary) -> None:
    library.answers["FDwfEnumDeviceIsOpened"] = (1,)
    with pytest.raises(InstrumentError, match="close WaveForms"):
        AnalogDiscovery().open()


def test_configuration_that_does_not_exist_is_refused(library: RecordingLibrary) -> None:
    with pytest.raises(BenchError, match="no device configuration 8"):
        AnalogDiscovery(config=8).open()


def test_second_frame_with_other_data_takes_seven_calls(library: RecordingLibrary) -> None:
    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        run_frame(ad2, MOSI[0])
        before = len(library.calls)
        run_frame(ad2, MOSI[1])
        assert library.names(before) == [
            "FDwfDigitalOutDataSet",
            "FDwfAnalogInConfigure",
            "FDwfAnalogInStatus",
            "FDwfDigitalOutConfigure",
            "FDwfAnalogInStatus",
            "FDwfAnalogInStatusData",
            "FDwfAnalogInStatusData",
        ]


def test_second_pulse_at_another_cell_takes_ten_calls(library: RecordingLibrary) -> None:
    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        pulse(ad2, 3, 1.0, 0.5)
        before = len(library.calls)
        pulse(ad2, 4, -1.2, -0.6)
        assert library.names(before) == [
            "FDwfDigitalIOOutputSet",
            "FDwfDigitalIOConfigure",
            "FDwfAnalogOutNodeDataSet",
            "FDwfAnalogOutNodeDataSet",
            "FDwfAnalogInConfigure",
            "FDwfAnalogInStatus",
            "FDwfAnalogOutConfigure",
            "FDwfAnalogInStatus",
            "FDwfAnalogInStatusData",
            "FDwfAnalogInStatusData",
        ]


def test_what_is_stated_again_is_not_sent_again(library: RecordingLibrary) -> None:
    def state(ad2: AnalogDiscovery) -> None:
        ad2.supplies(5.0, -5.0)
        ad2.pins(0xF, 0x5)
        ad2.waveform(0, np.array([0.1, 0.2]), 1e-6)
        ad2.level(1, 0.3)
        ad2.scope(Acquisition(1e6, 100))
        ad2.patterns({8: Pattern.of([0, 1], 1e-6), 9: Square(1e-6, 2e-6)})
        ad2.patterns_after(Trigger.W1, 0.0, 1e-4)

    with AnalogDiscovery() as ad2:
        state(ad2)
        before = len(library.calls)
        state(ad2)
        assert library.names(before) == []


def test_everything_is_sent_again_after_safe(library: RecordingLibrary) -> None:
    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        before = len(library.calls)
        pulse(ad2, 3, 1.0, 0.5)
        first = library.names(before)
        ad2.safe()
        before = len(library.calls)
        pulse(ad2, 3, 1.0, 0.5)
        assert library.names(before) == first


def test_a_reused_array_with_new_values_is_sent(library: RecordingLibrary) -> None:
    samples = np.array([0.1, 0.2])
    with AnalogDiscovery() as ad2:
        ad2.waveform(0, samples, 1e-6)
        samples[0] = 0.3
        before = len(library.calls)
        ad2.waveform(0, samples, 1e-6)
        assert library.names(before) == ["FDwfAnalogOutNodeDataSet"]


def test_waveform_offset_is_never_anything_but_zero(library: RecordingLibrary) -> None:
    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        everything(ad2)
    offsets = [args[3] for name, args in library.calls if name == "FDwfAnalogOutNodeOffsetSet"]
    assert offsets
    assert not any(offsets)


def test_pattern_bits_go_out_first_bit_lowest(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        ad2.patterns({0: Pattern.of([1, 0, 0, 0, 0, 0, 0, 0, 1, 1], 1e-6)})
    (arguments,) = [args for name, args in library.calls if name == "FDwfDigitalOutDataSet"]
    assert arguments[1:] == (0, b"\x01\x03", 10)


def test_first_bit_may_last_longer(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        ad2.patterns({0: Pattern.of([0, 1], 1e-6, first=2.5e-6)})
    sent = dict(library.calls)
    assert sent["FDwfDigitalOutDividerSet"][1:] == (0, 100)
    assert sent["FDwfDigitalOutDividerInitSet"][1:] == (0, 250)


def test_square_counts_in_its_largest_common_step(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        ad2.patterns({0: Square(2e-3, 4e-3, high_first=True)})
    sent = dict(library.calls)
    assert sent["FDwfDigitalOutDividerSet"][1:] == (0, 200_000)
    assert sent["FDwfDigitalOutCounterSet"][1:] == (0, 1, 2)
    assert sent["FDwfDigitalOutCounterInitSet"][1:] == (0, True, 2)


def test_static_level_is_withdrawn_where_a_pattern_runs(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        ad2.pins(0x3, 0x3)
        ad2.patterns({0: Pattern.of([0, 1], 1e-6)})
        ad2.run_patterns(1e-4)
        masks = [args[1] for name, args in library.calls if name == "FDwfDigitalIOOutputEnableSet"]
        assert masks[-1] == 0x2
        before = len(library.calls)
        ad2.run_patterns(1e-4)
        assert library.names(before) == ["FDwfDigitalOutConfigure"]


def test_static_levels_win_over_patterns_when_stated_again(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        ad2.patterns({0: Pattern.of([0, 1], 1e-6)})
        ad2.run_patterns(1e-4)
        ad2.pins(0x3, 0x1)
        assert library.calls[-2][1][1] == 0x3
        assert library.names()[-1] == "FDwfDigitalIOConfigure"


def test_pattern_that_is_not_named_any_more_ends(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        ad2.patterns({0: SELECT, 1: SCK})
        before = len(library.calls)
        ad2.patterns({1: SCK})
        assert library.calls[before:] == [("FDwfDigitalOutEnableSet", (1, 0, False))]


def test_pattern_under_a_static_level_is_kept_until_it_is_named_again(
    library: RecordingLibrary,
) -> None:
    with AnalogDiscovery() as ad2:
        ad2.patterns({0: SELECT, 1: SCK})
        ad2.run_patterns(1e-4)
        ad2.pins(0x1, 0x0)
        before = len(library.calls)
        ad2.patterns({1: SCK})
        ad2.patterns({0: SELECT, 1: SCK})
        assert library.names(before) == []


def test_pattern_that_comes_out_from_under_a_static_level_ends(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        ad2.patterns({0: SELECT, 1: SCK})
        ad2.pins(0x1, 0x0)
        ad2.patterns({1: SCK})
        before = len(library.calls)
        ad2.pins(0x0, 0x0)
        assert library.calls[before] == ("FDwfDigitalOutEnableSet", (1, 0, False))
        assert library.names(before)[1] == "FDwfDigitalOutConfigure"
        assert "pattern 0" not in library.on


def test_serial_words_take_the_patterns_pins_over_and_give_them_back(
    library: RecordingLibrary,
) -> None:
    with AnalogDiscovery() as ad2:
        ad2.pins(0x700, 0)
        ad2.spi(SpiBus(9, 10, 8), [0xF00000, 0x900000])
        assert [a[3] for n, a in library.calls if n.endswith("WriteOne")] == [0, 0xF00000, 0x900000]
        masks = [a[1] for n, a in library.calls if n == "FDwfDigitalIOOutputEnableSet"]
        assert masks[-1] == 0
        before = len(library.calls)
        ad2.patterns({9: SCK})
        assert library.names(before)[:2] == ["FDwfDigitalSpiReset", "FDwfDigitalOutReset"]


def test_record_starts_when_it_should(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        ad2.scope(Acquisition(1e6, 1000, start=-1e-4))
    # The SDK counts to the middle of the record.
    assert dict(library.calls)["FDwfAnalogInTriggerPositionSet"][1] == pytest.approx(4e-4)


def test_record_is_new_each_time(library: RecordingLibrary) -> None:
    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        library.volts = [0.1, 0.2]
        first = run_frame(ad2, MOSI[0])
        library.volts = [0.3, 0.4]
        run_frame(ad2, MOSI[0])
    assert first.shape == (2, 100)
    assert first[0] == pytest.approx(0.1)
    assert first[1] == pytest.approx(0.2)


def test_expected_time_is_slept_before_the_device_is_asked(library: RecordingLibrary) -> None:
    timer = Stopwatch()
    with AnalogDiscovery(timer=timer) as ad2:
        run_frame(ad2, MOSI[0])
    assert timer.slept == [1e-4]


def test_inputs_settle_after_opening_and_after_a_change_of_span(library: RecordingLibrary) -> None:
    timer = Stopwatch()
    with AnalogDiscovery(timer=timer, settle=2.0) as ad2:
        for span, waited in ((5.0, 2.0), (5.0, 0.0), (50.0, 2.0)):
            before = timer.now
            ad2.scope(Acquisition(1e6, 100, span=span))
            ad2.arm()
            assert timer.now - before == waited


def test_trigger_that_never_comes_ends_at_the_deadline_with_everything_off(
    library: RecordingLibrary,
) -> None:
    library.scope_states = [ARMED]
    timer = Stopwatch()
    with AnalogDiscovery(timer=timer, deadline=0.5) as ad2:
        ad2.supplies(5.0, -5.0)
        with pytest.raises(DeadlineError, match=r"trigger PATTERNS\) within 0.5 s.*Armed"):
            run_frame(ad2, MOSI[0])
        assert not library.on
    assert 0.5 < timer.now < 0.51


def test_scope_that_does_not_get_ready_ends_at_the_deadline(library: RecordingLibrary) -> None:
    library.scope_states = [CONFIG]
    with (
        AnalogDiscovery(timer=Stopwatch(), deadline=0.5) as ad2,
        pytest.raises(DeadlineError, match="did not get ready"),
    ):
        run_frame(ad2, MOSI[0])


def test_scope_that_was_triggered_too_early_is_an_error(library: RecordingLibrary) -> None:
    library.scope_states = [RUNNING, DONE]
    with (
        AnalogDiscovery(timer=Stopwatch()) as ad2,
        pytest.raises(InstrumentError, match="triggered by PATTERNS before"),
    ):
        run_frame(ad2, MOSI[0])


def test_slow_device_is_asked_again(library: RecordingLibrary) -> None:
    library.scope_states = [CONFIG, ARMED, ARMED, RUNNING, DONE]
    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        assert run_frame(ad2, MOSI[0]).shape == (2, 100)


def test_scope_that_takes_another_span_is_an_error(
    library: RecordingLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RecordingLibrary, "_AnalogInChannelRangeSet", lambda *_: None)
    with AnalogDiscovery() as ad2, pytest.raises(InstrumentError, match="50 V was asked for, 5 V"):
        ad2.scope(Acquisition(1e6, 100, span=50.0))


Refused = Callable[[AnalogDiscovery], object]


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda ad2: ad2.waveform(0, np.zeros(4097), 1e-6), "holds 2 to 4096"),
        (lambda ad2: ad2.waveform(0, np.zeros(1), 1e-6), "holds 2 to 4096"),
        (lambda ad2: ad2.waveform(0, np.zeros((2, 2)), 1e-6), "shape"),
        (lambda ad2: ad2.waveform(0, [0.0, 5.1], 1e-6), "5.1 V is outside ±5 V of W1"),
        (lambda ad2: ad2.waveform(1, [0.0, -0.6], 1e-6, full_scale=0.5), "-0.6 V is outside ±0.5"),
        (lambda ad2: ad2.waveform(0, [0.0, np.nan], 1e-6), "outside"),
        (lambda ad2: ad2.waveform(0, [0.0, 0.0], 1e-9), "shorter"),
        (lambda ad2: ad2.waveform(2, [0.0, 0.0], 1e-6), "W2"),
        (lambda ad2: ad2.level(0, float("nan")), "outside"),
        (lambda ad2: ad2.level(0, -5.01), "outside"),
        (lambda ad2: ad2.scope(Acquisition(1e6, 8193)), "8192"),
        (lambda ad2: ad2.scope(Acquisition(3e7, 100)), "divided by a whole number"),
        (lambda ad2: ad2.scope(Acquisition(2e8, 100)), "samples per second"),
        (lambda ad2: ad2.scope(Acquisition(1e6, 100, channels=(2,))), "inputs"),
        (lambda ad2: ad2.scope(Acquisition(1e6, 100, span=float("nan"))), "span"),
        (lambda ad2: ad2.arm(), "what to record"),
        (lambda ad2: ad2.record(0.0), "no record was begun"),
        (lambda ad2: ad2.patterns({0: Pattern.of(np.zeros(1025, int), 1e-6)}), "holds 1024"),
        (lambda ad2: ad2.patterns({0: Pattern.of([0, 1], 1.5e-8)}), "whole number of 1e-08 s"),
        (lambda ad2: ad2.patterns({0: Pattern.of([0.5], 1e-6)}), "0 and 1"),
        (lambda ad2: ad2.patterns({0: Pattern.of([], 1e-6)}), "one or more bits"),
        (lambda ad2: ad2.patterns({16: SCK}), "DIO 0 to 15"),
        (lambda ad2: ad2.patterns({0: Square(1e-8, 1.0)}), "common measure"),
        (lambda ad2: ad2.run_patterns(1e-3), "patterns"),
        (lambda ad2: ad2.pins(0x1, 0x2), "pins"),
        (lambda ad2: ad2.pins(0x10000, 0), "DIO 0 to 15"),
        (lambda ad2: ad2.supplies(5.1, -5.0), "0 to 5"),
        (lambda ad2: ad2.supplies(5.0, 5.0), "V-"),
        (lambda ad2: ad2.spi(SpiBus(9, 9, 8), [0]), "three different"),
        (lambda ad2: ad2.spi(SpiBus(9, 10, 8), [1 << 24]), "24 bits"),
    ],
)
def test_what_the_device_cannot_do_is_refused_before_anything_is_sent(
    library: RecordingLibrary, refused: Refused, message: str
) -> None:
    with AnalogDiscovery() as ad2:
        before = len(library.calls)
        with pytest.raises(LimitError, match=message):
            refused(ad2)
        assert library.names(before) == []


def test_a_refusal_leaves_running_outputs_alone(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2:
        ad2.level(0, 0.1)
        with pytest.raises(LimitError):
            ad2.level(1, 9.0)
        assert library.on == {"W1"}


def test_smaller_buffers_of_another_configuration_are_respected(library: RecordingLibrary) -> None:
    library.answers["FDwfAnalogOutNodeDataInfo"] = (2, 1024)
    with AnalogDiscovery(config=1) as ad2, pytest.raises(LimitError, match="2 to 1024"):
        ad2.waveform(0, np.zeros(1025), 1e-6)


def test_settling_time_below_zero_is_refused() -> None:
    with pytest.raises(BenchError, match="settling"):
        AnalogDiscovery(settle=-1.0)


@pytest.mark.parametrize("deadline", [0.0, -1.0, float("nan"), float("inf")])
def test_deadline_that_is_none_is_refused(deadline: float) -> None:
    with pytest.raises(BenchError, match="deadline"):
        AnalogDiscovery(deadline=deadline)
