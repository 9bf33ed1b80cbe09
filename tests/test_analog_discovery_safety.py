import io
import pickle
from typing import Any

import pytest

from crossbar.backend import InstrumentError
from discovery_runs import Stopwatch, everything
from instruments.analog_discovery import (
    AnalogDiscovery,
)
from recording_libdwf import RecordingLibrary, load


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> RecordingLibrary:
    return load(monkeypatch)


def count_calls(library: RecordingLibrary) -> tuple[int, int]:
    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        opened = len(library.calls)
        everything(ad2)
    return opened, len(library.calls)


def test_whichever_call_fails_all_outputs_end_off(monkeypatch: pytest.MonkeyPatch) -> None:
    _, total = count_calls(load(monkeypatch))
    for failing in range(total - 1):  # the last one closes the device
        library = load(monkeypatch)
        library.fail_at = failing
        with pytest.raises(InstrumentError, match="planted"):
            count_calls(library)
        assert not library.on, failing
        assert "FDwfDeviceClose" in library.names() or failing < 9


def test_wherever_an_interrupt_comes_all_outputs_end_off(monkeypatch: pytest.MonkeyPatch) -> None:
    _, total = count_calls(load(monkeypatch))
    for interrupted in range(total):
        library = load(monkeypatch)
        library.interrupt_at = interrupted
        with pytest.raises(KeyboardInterrupt):
            count_calls(library)
        assert not library.on, interrupted


def test_outputs_are_off_as_soon_as_a_call_fails(library: RecordingLibrary) -> None:
    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        everything(ad2)
        assert library.on >= {"W1", "W2", "supplies"}
        library.fail_at = len(library.calls)
        with pytest.raises(InstrumentError):
            ad2.level(0, 0.2)
        assert not library.on


def test_safe_goes_on_after_failures_and_tells_them(
    library: RecordingLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = RecordingLibrary.called

    def refusing(self: RecordingLibrary, name: str, arguments: tuple[Any, ...]) -> int:
        done = called(self, name, arguments)
        return 0 if name == "FDwfAnalogOutConfigure" else done

    with AnalogDiscovery(timer=Stopwatch()) as ad2:
        everything(ad2)
        with monkeypatch.context() as patch:
            patch.setattr(RecordingLibrary, "called", refusing)
            with pytest.raises(InstrumentError, match=r"disconnect the array: waveforms"):
                ad2.safe()
        assert not library.on


def test_failure_while_closing_does_not_hide_what_led_there(library: RecordingLibrary) -> None:
    def failing() -> None:
        with AnalogDiscovery():
            library.fail_at = len(library.calls)
            raise KeyError("first")

    with pytest.raises(KeyError, match="first") as caught:
        failing()
    assert "disconnect the array" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (3, "AlreadyOpened.*close WaveForms"),
        (4, "NotSupported.*this device configuration"),
        (0x12, "InvalidParameter2.*planted"),
        (77, "something unknown: 77"),
    ],
)
def test_every_error_code_becomes_an_instrument_error(
    library: RecordingLibrary, code: int, message: str
) -> None:
    library.error_code = code
    with AnalogDiscovery() as ad2:
        library.fail_at = len(library.calls)
        with pytest.raises(InstrumentError, match=message) as caught:
            ad2.supplies(5.0, -5.0)
    # By its own means: tblib, once any package has installed it, pickles every exception its way.
    written = io.BytesIO()
    pickler = pickle.Pickler(written)
    pickler.dispatch_table = {}
    pickler.dump(caught.value)
    assert "planted" in repr(pickle.loads(written.getvalue())) or code == 77  # noqa: S301


def test_missing_function_is_an_instrument_error(
    library: RecordingLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise AttributeError("/usr/lib/libdwf.so: undefined symbol: FDwfAnalogIOEnableSet")

    with AnalogDiscovery() as ad2, monkeypatch.context() as patch:
        patch.setattr(library, "FDwfAnalogIOEnableSet", missing, raising=False)
        with pytest.raises(InstrumentError, match="too old and lacks a function"):
            ad2.supplies(5.0, -5.0)


def test_a_mistake_in_the_callers_code_stays_what_it_is(library: RecordingLibrary) -> None:
    with AnalogDiscovery() as ad2, pytest.raises(ValueError, match="could not convert"):
        ad2.waveform(0, "not numbers", 1e-6)
