"""Digilent Analog Discovery 2, through pydwf: say what is wanted, only what changed is sent.

Three lines measure the voltage that W1 drives, if W1 is wired to scope input 1::

    with AnalogDiscovery() as ad2:
        ad2.level(0, 0.1)
        print(ad2.measure(0))

Channels count from 0: waveform generator 0 is W1, scope input 0 is scope 1.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from types import MappingProxyType, TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import (
    Array,
    BenchError,
    ClosedError,
    InstrumentError,
    LimitError,
    Second,
    Volt,
)
from instruments.discovery_devices import (
    Capacity,
    Identity,
    begin,
    is_marked,
    open_device,
    turn_off,
)
from instruments.discovery_errors import translated
from instruments.discovery_patterns import Idle, Pattern, Square
from instruments.discovery_pins import Pins
from instruments.discovery_playback import check_against, commanded
from instruments.discovery_scope import Acquisition, Scope, Trigger
from instruments.discovery_spi import SpiBus
from instruments.discovery_supplies import Supplies
from instruments.discovery_waveforms import Waveforms
from instruments.timing import Monotonic, Timer

__all__ = [
    "Acquisition",
    "AnalogDiscovery",
    "Capacity",
    "Identity",
    "Idle",
    "Pattern",
    "SpiBus",
    "Square",
    "Trigger",
    "check_against",
    "commanded",
]

EVIDENT: Volt = 0.05
"""Output of an amplifier that no offset makes.  # assumed"""

_log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_R = TypeVar("_R")

_NONE: Mapping[int, Pattern | Square] = MappingProxyType({})


class _Session:
    """An open device: its parts, each of which knows what the device holds of it."""

    def __init__(
        self, device: Any, identity: Identity, timer: Timer, deadline: Second, settle: Second
    ) -> None:
        self.device = device
        self.identity = identity
        self.capacity = Capacity.of(device)
        self.waveforms = Waveforms(device, self.capacity)
        self.scope = Scope(device, self.capacity, timer, deadline, settle)
        self.pins = Pins(device, self.capacity)
        self.supplies = Supplies(device)

    def off(self) -> list[str]:
        """Turn everything off, assume nothing any more, and return what failed."""
        self.waveforms.forget()
        self.scope.forget()
        self.pins.forget()
        self.supplies.forget()
        return turn_off(self.device)


def _exchange(
    method: Callable[Concatenate["AnalogDiscovery", _P], _R],
) -> Callable[Concatenate["AnalogDiscovery", _P], _R]:
    """Let a method fail with everything off and an error of ours; a refusal changes nothing."""

    @wraps(method)
    def exchange(self: "AnalogDiscovery", /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return method(self, *args, **kwargs)
        except (LimitError, ClosedError):
            raise
        except BaseException as error:
            self._abandon(error)
            raise

    return exchange


class AnalogDiscovery:
    """One Analog Discovery 2.

    Nothing is sent before `open`. From then on the driver knows what the device holds, and uploads
    only what differs from it; it forgets that after any failure. A failure of any exchange, an
    interrupt included, turns all outputs off before it reaches the caller. What is refused
    (`LimitError`) is refused before anything is sent and changes nothing.

    Parameters
    ----------
    serial
        Of the device to be opened; `None` takes the only one there is.
    config
        Device configuration by number; it decides over the sizes of the buffers. In 0 an AD2 holds
        8192 samples per record, 4096 per waveform and 1024 bits per pattern.
    timer
        What waiting is done by.
    deadline
        The device is given this long beyond the expected time of each step, s.
    settle
        The first record after opening, and after a change of span, waits until this long has
        passed, s. Digilent's examples wait 2 s, for the offsets of the inputs to settle.

    Raises
    ------
    BenchError
        If the deadline is not positive, or the settling time negative.

    References
    ----------
    Digilent, WaveForms SDK reference manual; dwf.h 3.20.1; pydwf 1.1.19.
    """

    def __init__(
        self,
        serial: str | None = None,
        *,
        config: int = 0,
        timer: Timer | None = None,
        deadline: Second = 2.0,
        settle: Second = 0.0,
    ) -> None:
        self._serial = serial
        self._config = config
        self._timer = Monotonic() if timer is None else timer
        self._deadline = deadline
        self._settle = settle
        self._opened: _Session | None = None
        if not 0 < deadline < float("inf"):
            raise BenchError(f"deadline {deadline} s is not positive and finite")
        if not 0 <= settle < float("inf"):
            raise BenchError(f"settling time {settle} s is not finite and zero or more")

    def __enter__(self) -> "AnalogDiscovery":
        """Open."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Turn every output off, and close; what led here goes on."""
        try:
            self.close()
        except InstrumentError as failure:
            if error is None:
                raise
            _log.error("%s", failure)
            error.add_note(str(failure))

    def open(self) -> None:
        """Open the device with every output off; one that was found on is reported (`logging`).

        Raises
        ------
        InstrumentError
            If libdwf or the device is missing, in use, or fails.
        """
        if self._opened is not None:
            return
        try:
            device, identity = open_device(self._serial, self._config)
        except Exception as error:
            ours = translated(error)
            if ours is error:
                raise
            raise ours from error
        try:
            found = _begin(device)
            self._opened = _Session(device, identity, self._timer, self._deadline, self._settle)
        except BaseException as error:
            _shut(device)
            ours = translated(error)
            if ours is error:
                raise
            raise ours from error
        if found:
            _log.warning("%s found on, and turned off: %s", identity.serial, ", ".join(found))

    def close(self) -> None:
        """Turn every output off, and close; a second call does nothing.

        Raises
        ------
        InstrumentError
            If an output could not be turned off; the device is closed all the same.
        """
        session, self._opened = self._opened, None
        if session is None:
            return
        failures = _shut(session.device)
        if failures:
            raise _not_off(failures)

    @property
    def identity(self) -> Identity:
        """Which device this is, and through which library."""
        return self._session.identity

    @property
    def capacity(self) -> Capacity:
        """Sizes of the device's buffers in its configuration."""
        return self._session.capacity

    @property
    def _session(self) -> _Session:
        if self._opened is None:
            raise ClosedError("the Analog Discovery 2 is not open: use it in a `with` block")
        return self._opened

    def _abandon(self, error: BaseException) -> None:
        """Turn everything off after a failure, and raise it as an error of ours if it is not."""
        failures = [] if self._opened is None else self._opened.off()
        ours = translated(error)
        if failures and isinstance(ours, InstrumentError):
            ours = type(ours)(f"{ours}; {_not_off(failures)}")
        if ours is not error:
            raise ours from error

    def safe(self) -> None:
        """Turn everything off: waveforms 0 V, pins released, supplies off.

        Writes only, asks nothing, and goes on after a failure. Afterwards the driver assumes
        nothing of what the device holds.

        Raises
        ------
        InstrumentError
            With everything that failed.
        """
        failures = self._session.off()
        if failures:
            raise _not_off(failures)

    @_exchange
    def supplies(self, positive: Volt, negative: Volt) -> None:
        """Switch V+ (0 to 5 V) and V- (-5 to 0 V) on at these voltages."""
        self._session.supplies.on(positive, negative)

    @_exchange
    def confirm(self, output: ArrayLike = ()) -> None:
        """See whether the device still is as it was left, so that what was measured counts.

        Parameters
        ----------
        output
            Of an amplifier at the end of a run, V. Without supplies or settings nothing reaches the
            scope: if something has, they were there, and nobody need be asked.

        Raises
        ------
        InstrumentError
            If it was reset, or its supplies went off by themselves, as after an overcurrent.
        """
        if np.max(np.abs(output), initial=0.0) >= EVIDENT:
            return
        session = self._session
        session.supplies.confirm()
        if not is_marked(session.device):
            raise InstrumentError(
                "the Analog Discovery 2 has been reset, and holds nothing of what it was told"
            )

    @_exchange
    def supplies_off(self) -> None:
        """Switch V+ and V- off."""
        self._session.supplies.off()

    @_exchange
    def level(self, channel: int, voltage: Volt) -> None:
        """Drive a constant voltage from now on, V; `quiet` ends it."""
        self._session.waveforms.level(channel, voltage)

    @_exchange
    def waveform(
        self,
        channel: int,
        samples: ArrayLike,
        interval: Second,
        *,
        trigger: Trigger = Trigger.NONE,
        full_scale: Volt = 5.0,
    ) -> None:
        """Prepare a waveform that plays once when started and leaves the output at 0 V.

        Changing nothing costs no call, changing only voltages costs one.

        Parameters
        ----------
        channel
            0 for W1, 1 for W2.
        samples
            V, shape ``(n,)``, two or more; a constant voltage is two equal samples.
        interval
            Time of each sample, s; 10 ns or more.
        trigger
            What it waits for once started.
        full_scale
            Voltage of the converter's largest code, V: no sample may exceed it. A smaller one
            resolves finer; changing it costs a call.
        """
        self._session.waveforms.prepare(channel, samples, interval, trigger, full_scale)

    @_exchange
    def start_waveforms(self) -> None:
        """Start both generators together, or arm those that wait for a trigger (one call).

        A generator that holds nothing stays at 0 V.
        """
        self._session.waveforms.start()

    @_exchange
    def quiet(self, channel: int) -> None:
        """Stop a generator and let it hold nothing: 0 V, not started by `start_waveforms`."""
        self._session.waveforms.quiet(channel)

    @_exchange
    def scope(self, acquisition: Acquisition) -> None:
        """Prepare records of this kind."""
        self._session.scope.prepare(acquisition)

    @_exchange
    def arm(self) -> None:
        """Start a record and return when it waits for its trigger (two calls if all is well).

        Raises
        ------
        DeadlineError
            If it does not get there in time.
        """
        self._session.scope.arm()

    @_exchange
    def record(self, expected: Second) -> Array:
        """Return the record that `arm` began, V, shape ``(n_channels, samples)``.

        One call and one per channel, if the record is complete after `expected`.

        Parameters
        ----------
        expected
            From now to the end of the record, s; slept before the device is asked.

        Raises
        ------
        DeadlineError
            If the record is not complete in time: the trigger never came.
        """
        return self._session.scope.record(expected)

    @_exchange
    def measure(self, channel: int, *, rate: float = 1e6, samples: int = 1000) -> Volt:
        """Return the mean voltage at a scope input over a record taken now, V."""
        scope = self._session.scope
        acquisition = Acquisition(rate, samples, channels=(channel,))
        scope.prepare(acquisition)
        scope.arm()
        return float(scope.record(acquisition.duration).mean())

    @_exchange
    def pins(self, mask: int, levels: int) -> None:
        """Drive exactly these pins with static levels; patterns keep the other pins.

        Two calls, and one more when `mask` changes.

        Parameters
        ----------
        mask
            Pins to drive, bit k is DIO k. All others are left to the patterns, or released.
        levels
            Their levels, same bits.
        """
        self._session.pins.static(mask, levels)

    @_exchange
    def patterns(
        self,
        wanted: Mapping[int, Pattern | Square],
        changing: Mapping[int, Pattern | Square] = _NONE,
    ) -> None:
        """Prepare the digital patterns; pins that are not named have none.

        Static levels on the named pins are withdrawn with the start of the run.

        Parameters
        ----------
        wanted
            What each pin does, by DIO number. A ``MappingProxyType`` that is stated again, the
            same object, is not looked through again.
        changing
            What further pins do, where that differs from run to run.
        """
        self._session.pins.prepare(wanted, changing)

    @_exchange
    def run_patterns(self, duration: Second) -> None:
        """Start all patterns together, once, for a time in s (one call in the steady state).

        It returns at once; the pins idle when the time is over.
        """
        self._session.pins.run(duration)

    @_exchange
    def recorded_run(
        self,
        wanted: Mapping[int, Pattern | Square],
        changing: Mapping[int, Pattern | Square],
        acquisition: Acquisition,
        duration: Second,
    ) -> Array:
        """Run patterns once, and return the record that they trigger, as `record` does.

        The same as `patterns`, `scope`, `arm`, `run_patterns` and `record`, in one exchange: six
        calls in the steady state, seven if a pattern's bits change.
        """
        session = self._session
        session.pins.prepare(wanted, changing)
        session.scope.prepare(acquisition)
        session.scope.arm()
        session.pins.run(duration)
        return session.scope.record(duration)

    @_exchange
    def patterns_after(self, trigger: Trigger, delay: Second, duration: Second) -> None:
        """Let all patterns run once each time a trigger comes, until `run_patterns` or `safe`.

        Stating the same again costs nothing (libdwf: wait, run, repeat 0, repeat trigger on): what
        the patterns do in every pulse is then no cost of the pulse.

        Parameters
        ----------
        trigger
            What starts each run; such as `Trigger.W1`.
        delay
            From the trigger until the run, s; the pins idle meanwhile.
        duration
            Of each run, s.
        """
        self._session.pins.follow(trigger, delay, duration)

    @_exchange
    def spi(self, bus: SpiBus, words: Iterable[int], bits: int = 24) -> None:
        """Send words over SPI, each with its own chip select; four calls or so per word.

        Simple, for single settings; `patterns` is what is fast. It ends all patterns.
        """
        self._session.pins.send(bus, tuple(words), bits)


def _begin(device: Any) -> list[str]:
    """Turn off what is on and return what that was."""
    try:
        return begin(device)
    finally:
        failures = turn_off(device)
        if failures:
            raise _not_off(failures)


def _shut(device: Any) -> list[str]:
    """Turn everything off and close, whatever fails on the way; return what failed."""
    try:
        failures = turn_off(device)
    finally:
        try:
            device.close()
        except Exception as error:
            # Closing failed, too: the handle is lost either way, and off comes first.
            _log.warning("closing the Analog Discovery 2: %s", translated(error))
    return failures


def _not_off(failures: list[str]) -> InstrumentError:
    """Return the error that says what could not be turned off; what failed alike is said once."""
    parts: dict[str, dict[str, None]] = {}
    for failure in failures:
        name, _, cause = failure.partition(": ")
        parts.setdefault(cause, {})[name] = None
    told = [
        f"{', '.join(names)}: {why}" if why else ", ".join(names) for why, names in parts.items()
    ]
    return InstrumentError("outputs may still be on, disconnect the array: " + "; ".join(told))
