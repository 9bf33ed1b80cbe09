"""The scope of the Analog Discovery 2."""

import ctypes
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from pydwf import DwfAcquisitionMode, DwfAnalogInFilter, DwfState

from crossbar.backend import Array, DeadlineError, InstrumentError, LimitError, Second, Volt
from instruments.discovery_credible import Credible
from instruments.discovery_devices import Capacity
from instruments.discovery_direct import Direct
from instruments.timing import Timer

_N_CHANNELS = 2
_POLL: Second = 1e-4  # assumed: well below what a call over USB takes
_ARMED, _DONE = DwfState.Armed.value, DwfState.Done.value
_STARTED = (_ARMED, DwfState.Running.value, _DONE)


class Trigger(IntEnum):
    """What starts a record, a waveform or a pattern; numbers as in dwf.h 3.20.1."""

    NONE = 0
    """At once."""
    PC = 1
    """A call of the computer's."""
    SCOPE = 4
    """The start of a record."""
    PATTERNS = 6
    """The start of the digital patterns."""
    W1 = 7
    """The start of waveform generator 1."""
    W2 = 8
    """The start of waveform generator 2."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One kind of record; stating the one that the scope already holds costs no call.

    Parameters
    ----------
    rate
        Samples per second; 100 MS/s divided by a whole number.
    samples
        Per channel, at most the scope's buffer (8192 in configuration 0).
    span
        Full scale peak to peak, V: 5 or 50 on an AD2, about the middle of zero; of both inputs,
        or of each where they differ.
    trigger
        What starts it.
    start
        Time of the first sample after the trigger, s; negative records what came before.
    channels
        Scope inputs that are wanted, 0 is scope 1; each costs one call per record.
    """

    rate: float
    samples: int
    span: Volt | tuple[Volt, Volt] = 5.0
    trigger: Trigger = Trigger.NONE
    start: Second = 0.0
    channels: tuple[int, ...] = (0, 1)

    def span_of(self, channel: int) -> Volt:
        """Return the full scale of a scope input, peak to peak, V."""
        return self.span[channel] if isinstance(self.span, tuple) else self.span

    @property
    def duration(self) -> Second:
        """From the first sample to one interval after the last, s."""
        return self.samples / self.rate

    @property
    def times(self) -> Array:
        """When each sample is taken, s after the trigger, shape ``(samples,)``."""
        times: Array = self.start + np.arange(self.samples) / self.rate
        return times


class Scope:
    """The scope of an open device, and what it is known to hold."""

    def __init__(
        self, device: Any, capacity: Capacity, timer: Timer, deadline: Second, settle: Second
    ) -> None:
        self._in = device.analogIn
        self._direct = Direct(device)
        self._capacity = capacity
        self._timer = timer
        self._deadline = deadline
        self._settle = settle
        self._settled = timer.now + settle
        self._held: Acquisition | None = None
        self._applied = False
        self._into = np.empty((0, 0))
        self._rows: list[tuple[int, Any]] = []
        self._credible = Credible()

    def forget(self) -> None:
        """Assume nothing of what the scope holds."""
        self._held = None
        self._applied = False

    def prepare(self, wanted: Acquisition) -> None:
        """Upload what differs from the acquisition that the scope holds."""
        held = self._held
        if wanted is held:
            return
        if wanted == held:
            self._held = wanted
            return
        self._check(wanted)
        self._held = None
        self._applied = False
        if held is None:
            self._in.acquisitionModeSet(DwfAcquisitionMode.Single)
            self._in.triggerAutoTimeoutSet(0.0)
            for channel in range(_N_CHANNELS):
                self._in.channelFilterSet(channel, DwfAnalogInFilter.Average)
                self._in.channelOffsetSet(channel, 0.0)
        self._upload(held, wanted)
        self._into = np.empty((len(wanted.channels), wanted.samples))
        to_double = ctypes.POINTER(ctypes.c_double)
        self._rows = [
            (channel, row.ctypes.data_as(to_double))
            for channel, row in zip(wanted.channels, self._into, strict=True)
        ]
        self._held = wanted

    def _check(self, wanted: Acquisition) -> None:
        """Raise `LimitError` for a record that the scope cannot make as asked."""
        if not 1 <= wanted.samples <= self._capacity.scope_samples:
            raise LimitError(
                f"a record of {wanted.samples} samples: the scope holds 1 to "
                f"{self._capacity.scope_samples} in this device configuration"
            )
        if not 0 < wanted.rate <= self._capacity.scope_rate:
            raise LimitError(
                f"{wanted.rate} samples per second is outside 0 to {self._capacity.scope_rate:g}"
            )
        divisor = self._capacity.scope_rate / wanted.rate
        if abs(divisor - round(divisor)) > 1e-6 * divisor:
            raise LimitError(
                f"{wanted.rate:g} samples per second is not {self._capacity.scope_rate:g} "
                "divided by a whole number"
            )
        if not wanted.channels or any(not 0 <= c < _N_CHANNELS for c in wanted.channels):
            raise LimitError(f"scope inputs are 0 and 1, not {wanted.channels}")
        spans = [wanted.span_of(channel) for channel in wanted.channels]
        if not all(0 < span < float("inf") for span in spans):
            raise LimitError(f"a span of {wanted.span} V is not positive and finite")
        if not abs(wanted.start) < float("inf"):
            raise LimitError(f"a record cannot start {wanted.start} s after its trigger")

    def _upload(self, held: Acquisition | None, wanted: Acquisition) -> None:
        """Send the settings that differ."""
        if held is None or held.channels != wanted.channels:
            for channel in range(_N_CHANNELS):
                self._in.channelEnableSet(channel, channel in wanted.channels)
        if held is None or held.span != wanted.span:
            for channel in range(_N_CHANNELS):
                span = wanted.span_of(channel)
                self._in.channelRangeSet(channel, span)
                self._settled = self._timer.now + self._settle
                self._confirm("span", span, self._in.channelRangeGet(channel), "V")
        if held is None or held.samples != wanted.samples:
            self._in.bufferSizeSet(wanted.samples)
        if held is None or held.rate != wanted.rate:
            self._in.frequencySet(wanted.rate)
            self._confirm("rate", wanted.rate, self._in.frequencyGet(), "samples per second")
        if held is None or held.trigger is not wanted.trigger:
            self._in.triggerSourceSet(wanted.trigger)
        # The SDK counts from the trigger to the middle of the record (pydwf 1.1.19,
        # AnalogIn.triggerPositionSet; Digilent's examples put half a record for "T0 on left").
        position = wanted.start + wanted.duration / 2
        if held is None or held.start + held.duration / 2 != position:
            self._in.triggerPositionSet(position)

    @staticmethod
    def _confirm(what: str, wanted: float, taken: float, unit: str) -> None:
        """Raise unless the device took a setting; real spans are a few percent wider."""
        if not 0.95 * wanted <= taken <= 1.25 * wanted:  # assumed: how far a real span may be off
            raise InstrumentError(
                f"Analog Discovery 2: scope {what} {wanted:g} {unit} was asked for, "
                f"{taken:g} {unit} was set"
            )

    def arm(self) -> None:
        """Start a record and return when it waits for its trigger."""
        held = self._held
        if held is None:
            raise LimitError("nothing is said of what to record: call scope() first")
        direct = self._direct
        if not self._applied:
            if self._settle:
                direct.scope_configure(True, False)
                self._timer.sleep(self._settled - self._timer.now)
            direct.scope_configure(True, True)
            self._applied = True
        else:
            direct.scope_configure(False, True)
        state = direct.scope_status(False)
        if state != _ARMED:
            state = self._await(_STARTED, state, read=False, what="did not get ready to record")
            if held.trigger is not Trigger.NONE and state != _ARMED:
                raise InstrumentError(
                    f"Analog Discovery 2: the scope was triggered by {held.trigger.name} "
                    "before that was started"
                )

    def record(self, expected: Second) -> Array:
        """Return the record that `arm` began, V, shape ``(n_channels, samples)``."""
        held = self._held
        if held is None:
            raise LimitError("no record was begun: call arm() first")
        self._timer.sleep(expected)
        direct = self._direct
        state = direct.scope_status(True)
        if state != _DONE:
            what = f"record was not complete (trigger {held.trigger.name})"
            self._await((_DONE,), state, read=True, what=what)
        for channel, row in self._rows:
            direct.scope_data(channel, row, held.samples)
        record = self._into.copy()
        self._credible.check(record, held.channels, [held.span_of(c) for c in held.channels])
        return record

    def _await(self, accepted: tuple[int, ...], state: int, *, read: bool, what: str) -> int:
        """Ask until one of the accepted states is reached, and return it."""
        end = self._timer.now + self._deadline
        while state not in accepted:
            if self._timer.now > end:
                raise DeadlineError(
                    f"Analog Discovery 2: the scope's {what} within {self._deadline} s; "
                    f"it is in state {DwfState(state).name}"
                )
            self._timer.sleep(_POLL)
            state = self._direct.scope_status(read)
        return state
