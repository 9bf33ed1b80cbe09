"""The hardware backend: what it refuses, and how it ends, on an ideal array."""

import json

import numpy as np
import pytest

import instruments.backend
from crossbar.backend import Cells, ClosedError, InstrumentError, LimitError
from crossbar.crossbar import Crossbar
from crossbar.guard import Guarded
from crossbar.programming import IsppSettings, WriteVerify
from fake_parallel import FakeParallel
from instruments.backend import HardwareBackend
from test_wiring_parallel import conductances, settings


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeParallel:
    fake = FakeParallel(conductances())
    monkeypatch.setattr(instruments.backend, "AnalogDiscovery", lambda *_, **__: fake)
    return fake


@pytest.fixture
def backend(fake: FakeParallel) -> HardwareBackend:
    backend = HardwareBackend(settings(), timer=fake.timer)
    backend.open()
    fake.calls.clear()
    return backend


def test_the_constructor_talks_to_nothing(fake: FakeParallel) -> None:
    HardwareBackend(settings(), timer=fake.timer)
    assert fake.calls == []


def test_a_bench_that_was_never_opened_answers_nothing(fake: FakeParallel) -> None:
    with pytest.raises(ClosedError, match="never opened"):
        HardwareBackend(settings(), timer=fake.timer).read(Cells.of([(0, 0)]), 0.1)
    assert fake.calls == []


def test_leaving_the_block_brings_lines_to_rest_and_then_closes(fake: FakeParallel) -> None:
    with HardwareBackend(settings(), timer=fake.timer) as backend:
        fake.dacs[0].output[2] = 0x9000
        fake.calls.clear()
    assert fake.calls == ["run", "close"]
    assert fake.at_rest
    with pytest.raises(ClosedError, match="is closed"):
        backend.drive(np.zeros((1, 10)))
    backend.close()
    assert fake.calls == ["run", "close"]


@pytest.mark.parametrize("failure", [InstrumentError("gone"), KeyboardInterrupt(), ValueError("x")])
def test_an_error_closes_the_bench_and_stays_the_error(
    fake: FakeParallel, backend: HardwareBackend, failure: BaseException
) -> None:
    fake.dacs[0].output[2] = 0x9000
    fake.failing = failure
    with pytest.raises(type(failure)):
        backend.read(Cells.of([(0, 0)]), 0.1)
    assert fake.calls[-1] == "close"
    assert fake.at_rest
    with pytest.raises(ClosedError, match=r"was closed by an error: |was interrupted"):
        backend.read(Cells.of([(0, 0)]), 0.1)


def test_a_failed_opening_leaves_everything_off(fake: FakeParallel) -> None:
    fake.failing = InstrumentError("no answer")
    with pytest.raises(InstrumentError, match="no answer"):
        HardwareBackend(settings(), timer=fake.timer).open()
    assert fake.calls[-1] == "close"
    assert not fake.powered


def test_the_device_is_closed_even_if_the_lines_cannot_be_told(
    fake: FakeParallel, backend: HardwareBackend
) -> None:
    fake.failing = InstrumentError("unplugged")
    with pytest.raises(InstrumentError, match="unplugged"):
        backend.close()
    assert fake.calls[-1] == "close"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.51, -7.0])
def test_a_voltage_outside_the_limits_is_refused_without_a_call(
    fake: FakeParallel, backend: HardwareBackend, bad: float
) -> None:
    one = Cells.of([(1, 1)])
    inputs = np.zeros((2, 10))
    inputs[1, 3] = bad
    with pytest.raises(LimitError):
        backend.read(one, bad)
    with pytest.raises(LimitError):
        backend.drive(inputs)
    with pytest.raises(LimitError):
        backend.pulse(one, np.array([1.0]), np.array([1e-4]), bad)
    with pytest.raises(LimitError):
        backend.pulse(one, np.array([10 * bad]), np.array([1e-4]), 0.1)
    with pytest.raises(LimitError):
        backend.sweep((1, 1), np.array([0.0, 10 * bad]), 1e-4, 1e-3)
    assert fake.calls == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0, 2.0])
def test_a_time_outside_the_limits_is_refused_without_a_call(
    fake: FakeParallel, backend: HardwareBackend, bad: float
) -> None:
    with pytest.raises(LimitError):
        backend.pulse(Cells.of([(1, 1)]), np.array([1.0]), np.array([bad]), 0.1)
    with pytest.raises(LimitError):
        backend.sweep((1, 1), np.array([0.1]), 1e-4, bad)
    assert fake.calls == []


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1e-4, 4.91e-4])
def test_a_compliance_that_cannot_be_seen_is_refused(
    fake: FakeParallel, backend: HardwareBackend, bad: float
) -> None:
    with pytest.raises(LimitError, match="compliance"):
        backend.sweep((1, 1), np.array([0.1]), bad, 1e-3)
    assert fake.calls == []


def test_a_refusal_leaves_the_bench_open(backend: HardwareBackend) -> None:
    with pytest.raises(LimitError):
        backend.pulse(Cells.of([(1, 1)]), np.array([1.0]), np.array([5e-6]), 0.1)
    assert backend.read(Cells.of([(1, 1)]), 0.1).current.shape == (1,)


@pytest.mark.parametrize("duration", [0.0, 1e-12, 0.01, 1e4])
def test_waiting_never_returns_early(backend: HardwareBackend, duration: float) -> None:
    backend.wait(1 / 3)
    start = backend.now
    backend.wait(duration)
    assert backend.now - start >= duration


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_a_wait_that_is_no_time_is_refused(backend: HardwareBackend, bad: float) -> None:
    with pytest.raises(LimitError):
        backend.wait(bad)


def test_a_sweeps_times_are_the_benchs(backend: HardwareBackend) -> None:
    backend.wait(5.0)
    start = backend.now
    swept = backend.sweep((0, 0), np.linspace(0, 0.3, 4), 1e-4, 1e-3)
    assert start < swept.time[0] < swept.time[-1] <= backend.now


def test_it_says_what_it_is_in_plain_values_when_closed_too(backend: HardwareBackend) -> None:
    described = json.loads(json.dumps(backend.describe()))
    assert described["kind"] == "hardware"
    assert described["wiring"] == "parallel"
    assert described["instruments"]["analog_discovery"]["serial"] == "210321ABCDEF"
    assert "sense.settle" in described["assumed"]
    backend.close()
    assert json.loads(json.dumps(backend.describe())) == described


def test_a_crossbar_multiplies_on_it(fake: FakeParallel, backend: HardwareBackend) -> None:
    guarded = Guarded(backend, backend.limits)
    crossbar = Crossbar(guarded, WriteVerify(read_voltage=0.3), IsppSettings(set_stop=4.5))
    read = crossbar.read()
    assert np.allclose(read.value, fake.conductances, rtol=2e-3)
    assert not read.flags.any()
