"""The scope."""

import math
from typing import Any

import numpy as np
from scipy.signal import lfilter

from crossbar.backend import Array, Second, Volt
from sim_backend.virtual.libdwf.acquisition import AVERAGE, Acquisition, Channel, Inputs
from sim_backend.virtual.libdwf.chassis import BASE_CLOCK, DETECTOR, SCOPE, SCOPE_BUFFER, Chassis
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.imperfections import Imperfections
from sim_backend.virtual.libdwf.memory import write, write_array
from sim_backend.virtual.libdwf.parameters import Functions
from sim_backend.virtual.libdwf.samples import Samples
from sim_backend.virtual.libdwf.scope_settings import CHANNELS, RANGES, ScopeSettings
from sim_backend.virtual.libdwf.sequencer import ARMED, DONE, NONE, PREFILL, READY, RUNNING

BITS = 14  # reference manual
_PLENTY = 20.0  # time constants between two samples after which a bandwidth cannot be seen
_SCAN_PART = 64  # polling a scan lets this part of its buffer pass where time is virtual
_RAW_BITS = 16  # of FDwfAnalogInStatusData16


class AnalogIn:
    """The scope: two channels of 14 bits.

    Parameters
    ----------
    chassis
        Of the device.
    imperfections
        Of its analog parts.
    """

    def __init__(self, chassis: Chassis, imperfections: Imperfections) -> None:
        self._chassis = chassis
        self._imperfections = imperfections
        self._rng = np.random.default_rng(imperfections.seed)
        self._settings = ScopeSettings(chassis, self._changed)
        self._applied = self._settings.copied()
        self._acquisition: Acquisition | None = None
        self._samples: Samples | None = None
        self._smooth: list[Volt | None] = [None] * CHANNELS
        self._inputs: Inputs | None = None
        self._latest = np.zeros(CHANNELS)
        chassis.triggered.append(self)
        chassis.edges[SCOPE] = self._edge

    def functions(self) -> Functions:
        """Return its functions by name."""
        made = self._settings.functions()
        for name in dir(self):
            if name.startswith("FDwf"):
                made[name] = getattr(self, name)
        return made

    def reset(self) -> None:
        """Stop, and forget all settings."""
        self.stop()
        self._settings.reset()
        self._applied = self._settings.copied()

    def stop(self) -> None:
        """Stop, and keep the settings."""
        self._chassis.advance()
        self._acquisition = None

    def waiting(self) -> tuple[int, int, Second] | None:
        """Return source, slope, and from when on a trigger counts; None if none is waited for."""
        running = self._acquisition
        if running is None or running.triggered_at is not None:
            return None
        if running.settings.source in (NONE, DETECTOR):
            return None
        return running.settings.source, running.settings.condition, running.armed_at

    def trigger(self, moment: Second) -> None:
        """Take a trigger."""
        if self._acquisition is not None:
            self._acquisition.trigger(moment)

    def observe(self, start: Second, end: Second, inputs: Inputs) -> None:
        """Take an interval of both inputs."""
        self._inputs = inputs
        running = self._acquisition
        if running is None or self._samples is None:
            return
        for pair in running.observe(start, end, inputs):
            volts = [self._converted(number, values, running) for number, values in enumerate(pair)]
            self._samples.add(np.stack(volts))

    def _changed(self) -> None:
        if self._chassis.auto_configure:
            self._applied = self._settings.copied()

    def _edge(self, _slope: int, after: Second) -> Second | None:
        running = self._acquisition
        if running is None or running.triggered_at is None or running.triggered_at < after:
            return None
        return running.triggered_at

    def _converted(self, number: int, values: Array, running: Acquisition) -> Array:
        channel = running.settings.channels[number]
        errors = self._imperfections
        ratio = 2.0 * math.pi * errors.scope_bandwidth * running.interval
        if ratio < _PLENTY:
            values = self._smoothed(number, values, math.exp(-ratio))
        noise = errors.noise * channel.range / RANGES[0]
        if channel.filter == AVERAGE:
            noise /= math.sqrt(BASE_CLOCK * running.interval)
        return self._digitised(number, values, channel, noise)

    def _smoothed(self, number: int, values: Array, kept: float) -> Array:
        before = self._smooth[number]
        before = float(values[0]) if before is None else before
        smooth, _ = lfilter([1.0 - kept], [1.0, -kept], values, zi=[kept * before])
        self._smooth[number] = float(smooth[-1])
        return np.asarray(smooth)

    def _digitised(self, number: int, values: Array, channel: Channel, noise: Volt) -> Array:
        errors = self._imperfections
        step = channel.range / 2**BITS
        seen = values * errors.scope_gain[number]
        if noise:
            seen += noise * self._rng.standard_normal(len(values))
        seen += errors.scope_offset[number] - channel.offset
        codes = np.clip(np.rint(seen / step), -(2 ** (BITS - 1)), 2 ** (BITS - 1) - 1)
        volts: Array = (codes * step + channel.offset) * channel.attenuation
        return volts

    def FDwfAnalogInReset(self) -> None:
        """Stop, and forget all settings."""
        self.reset()

    def FDwfAnalogInConfigure(self, _reconfigure: int, start: int) -> None:
        """Take the settings, and start or stop."""
        self._chassis.advance()
        self._applied = self._settings.copied()
        if not start:
            self._acquisition = None
            return
        self._acquisition = Acquisition(self._applied, self._chassis.now)
        self._samples = Samples(self._acquisition, SCOPE_BUFFER[self._chassis.configuration])
        self._smooth = [None] * CHANNELS

    def FDwfAnalogInTriggerForce(self) -> None:
        """Trigger now."""
        running = self._acquisition
        self._chassis.advance()
        if running is not None and running.triggered_at is None:
            running.trigger(max(self._chassis.now, running.armed_at))

    def FDwfAnalogInStatus(self, read: int, state: Any) -> None:
        """Tell the state; an acquisition that is running is waited for."""
        running = self._acquisition
        if running is None:
            self._chassis.advance()
        else:
            self._wait(running)
        if read and self._samples is not None:
            self._samples.fetch()
        self._sample_inputs()
        write(state, self._state())

    def _wait(self, running: Acquisition) -> None:
        """Let time pass up to what a poll of a running acquisition waits for."""
        chassis = self._chassis
        chassis.resolve(chassis.now)
        if running.triggered_at is None:
            chassis.skip_to(self._awaited_trigger(running))
        else:
            chassis.skip_to(self._awaited_samples(running))
        chassis.advance()
        running.polls += 1

    def _awaited_trigger(self, running: Acquisition) -> Second:
        now = self._chassis.now
        if now < running.armed_at or not running.polls:
            # The first poll finds an armed scope, as it does on an instrument that is quick enough.
            return running.armed_at
        if running.settings.source == DETECTOR:
            return now + running.settings.size * running.interval
        wanted = self.waiting()
        edge = self._chassis.edge(*wanted) if wanted is not None else None
        timeout = running.settings.timeout
        known = [edge] if edge is not None else []
        known += [running.armed_at + timeout] if timeout > 0 else []
        return min(known, default=now)

    def _awaited_samples(self, running: Acquisition) -> Second:
        fetched = self._samples.fetched if self._samples is not None else 0
        if running.scans:
            return self._chassis.now + running.settings.size / _SCAN_PART * running.interval
        if not running.records:
            return running.finish
        # A record is fetched in pieces that the memory of the device holds.
        piece = SCOPE_BUFFER[self._chassis.configuration] // 2
        return min(running.finish, running.begin + (fetched + piece) * running.interval)

    def _state(self) -> int:
        running, now = self._acquisition, self._chassis.now
        if running is None:
            return READY
        if running.triggered_at is None:
            return PREFILL if now < running.armed_at else ARMED
        taken = self._samples.taken if self._samples is not None else 0
        return DONE if taken >= running.total else RUNNING

    def _sample_inputs(self) -> None:
        if self._inputs is None:
            return
        now = np.array([self._chassis.now])
        for number, signal in enumerate(self._inputs):
            channel = self._applied.channels[number]
            noise = self._imperfections.noise * channel.range / RANGES[0]
            self._latest[number] = self._digitised(number, signal.at(now), channel, noise)[0]

    def FDwfAnalogInStatusSample(self, number: int, volts: Any) -> None:
        """Tell the voltage at an input at the last status."""
        write(volts, self._latest[_existing(number)])

    def FDwfAnalogInStatusSamplesLeft(self, count: Any) -> None:
        """Tell how many samples are missing."""
        running, samples = self._acquisition, self._samples
        missing = 0.0
        if running is not None and samples is not None and running.total < math.inf:
            missing = running.total - samples.taken
        write(count, int(missing))

    def FDwfAnalogInStatusSamplesValid(self, count: Any) -> None:
        """Tell how many samples have been fetched."""
        write(count, self._samples.valid if self._samples is not None else 0)

    def FDwfAnalogInStatusIndexWrite(self, index: Any) -> None:
        """Tell where in the buffer a scan writes next."""
        write(index, self._samples.write_index if self._samples is not None else 0)

    def FDwfAnalogInStatusAutoTriggered(self, automatic: Any) -> None:
        """Tell whether the time for the trigger was over."""
        running = self._acquisition
        write(automatic, int(running is not None and running.auto_triggered))

    def FDwfAnalogInStatusRecord(self, available: Any, lost: Any, corrupt: Any) -> None:
        """Tell how many samples of a record the last status fetched, and how many were lost."""
        samples = self._samples
        write(available, samples.valid if samples is not None else 0)
        write(lost, samples.lost if samples is not None else 0)
        write(corrupt, 0)

    def FDwfAnalogInStatusTime(self, second: Any, tick: Any, frequency: Any) -> None:
        """Tell the bench time of the first sample."""
        running = self._acquisition
        begin = running.begin if running is not None and running.begin < math.inf else 0.0
        write(second, int(begin))
        write(tick, int(begin % 1.0 * BASE_CLOCK))
        write(frequency, int(BASE_CLOCK))

    def FDwfAnalogInTriggerPositionStatus(self, position: Any) -> None:
        """Tell when the first sample was taken, seconds after the trigger."""
        write(position, self._acquisition.first_sample if self._acquisition is not None else 0.0)

    def FDwfAnalogInStatusData(self, number: int, volts: Any, count: int) -> None:
        """Hand out fetched samples, V."""
        self.FDwfAnalogInStatusData2(number, volts, 0, count)

    def FDwfAnalogInStatusData2(self, number: int, volts: Any, first: int, count: int) -> None:
        """Hand out fetched samples from number `first` on, V."""
        write_array(volts, self._fetched(number, first, count), np.float64)

    def FDwfAnalogInStatusData16(self, number: int, codes: Any, first: int, count: int) -> None:
        """Hand out fetched samples as parts of the range, 16 bits."""
        channel = self._applied.channels[_existing(number)]
        volts = self._fetched(number, first, count) / channel.attenuation - channel.offset
        write_array(codes, np.rint(volts * (2**_RAW_BITS / channel.range)), np.int16)

    def FDwfAnalogInStatusNoise(self, number: int, low: Any, high: Any, count: int) -> None:
        """Hand out the extremes between samples; this scope takes one conversion a sample."""
        self.FDwfAnalogInStatusNoise2(number, low, high, 0, count)

    def FDwfAnalogInStatusNoise2(
        self, number: int, low: Any, high: Any, first: int, count: int
    ) -> None:
        """Hand out the extremes between samples from number `first` on."""
        fetched = self._fetched(number, first, count)
        write_array(low, fetched, np.float64)
        write_array(high, fetched, np.float64)

    def _fetched(self, number: int, first: int, count: int) -> Array:
        view = self._samples.view if self._samples is not None else np.zeros((CHANNELS, 0))
        samples: Array = view[_existing(number), first : first + count]
        if first < 0 or count < 0 or len(samples) < count:
            raise invalid(3, f"samples {first} to {first + count} asked for of {view.shape[1]}")
        return samples


def _existing(number: int) -> int:
    if not 0 <= number < CHANNELS:
        raise invalid(1, f"there is no analog input channel {number}")
    return number
