"""An Analog Discovery 2 at its driver's methods, wired to an array of resistors: ideal and exact.

It knows the wiring `switched` by its own tables, and what the driver's methods promise; the real
driver is tested on the virtual bench.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array
from instruments.analog_discovery import Acquisition, Idle, Pattern, Trigger
from instruments.discovery_devices import Identity

WORD, BIT = (0, 1, 2, 3), (4, 5, 6, 7)
ENABLE, GAIN, RELAY = 8, 9, 10
FEEDBACK = (1e5, 5e3)


class FakeDiscovery:
    """What a `SwitchedWiring` asks for."""

    def __init__(self, conductances: Array, offset: tuple[float, float] = (0.0, 0.0)) -> None:
        self.conductances = conductances
        self.offset = offset
        self.ratio = 1.0
        self.gain_of_w1 = 1.0
        self.identity = Identity("Analog Discovery 2", "210321ABCDEF", 0, "3.20.1", "fake")
        self.calls: list[str] = []
        self.stress = np.zeros_like(conductances)
        self.static = (0, 0)
        self.wanted: Mapping[int, Pattern] = {}
        self.played: dict[int, tuple[Array, float]] = {}
        self.acquisition: Acquisition | None = None
        self.run: float | None = None
        self.off = False

    def quiet(self, channel: int) -> None:
        self.played.pop(channel, None)

    def confirm(self, _: Array) -> None:
        assert not self.off

    def supplies(self, positive: float, negative: float) -> None:
        assert not self.static[1]
        self.calls.append("supplies")

    def safe(self) -> None:
        self.off = True
        self.calls.append("safe")

    def pins(self, mask: int, levels: int) -> None:
        assert not levels & ~mask
        self.static = mask, levels
        self.calls.append("pins")

    def patterns(self, wanted: Mapping[int, Pattern]) -> None:
        for pattern in wanted.values():
            assert pattern.length <= 1024
        self.wanted = dict(wanted)

    def waveform(
        self,
        channel: int,
        samples: Array,
        interval: float,
        *,
        trigger: Trigger = Trigger.NONE,
        full_scale: float = 5.0,
    ) -> None:
        assert 2 <= len(samples) <= 4096
        assert np.abs(samples).max() <= full_scale <= 5.0
        assert interval >= 1e-8 - 1e-15
        self.played[channel] = samples, interval

    def scope(self, acquisition: Acquisition) -> None:
        assert acquisition.samples <= 8192
        self.acquisition = acquisition

    def arm(self) -> None:
        self.calls.append("arm")

    def start_waveforms(self) -> None:
        self.calls.append("start")

    def run_patterns(self, duration: float) -> None:
        self.run = duration

    def patterns_after(self, trigger: Trigger, delay: float, duration: float) -> None:
        assert trigger is Trigger.W1
        assert delay == 0.0
        self.run = duration

    def record(self, expected: float) -> Array:
        """Return both scope inputs, with the array answering at each sample's time."""
        assert self.acquisition is not None
        times = self.acquisition.times
        w1, seen = self._lines(times)
        # What the cells live through, sampled finely.
        spans = [interval * len(samples) for samples, interval in self.played.values()]
        self._live(np.linspace(0.0, max(spans), 20001))
        half = np.array([self.acquisition.span_of(0), self.acquisition.span_of(1)]) / 2
        return np.clip(np.stack([w1, seen]), -half[:, None], half[:, None])

    def _level(self, pin: int, times: Array) -> NDArray[np.intp]:
        if self.static[0] >> pin & 1 and pin not in self.wanted:
            return np.full(len(times), self.static[1] >> pin & 1)
        pattern = self.wanted.get(pin)
        if pattern is None:
            return np.zeros(len(times), dtype=np.intp)
        first = pattern.interval if pattern.first is None else pattern.first
        step = 1 + np.floor((times - first) / pattern.interval + 1e-6).astype(int)
        step = np.where(times < first - 1e-12, 0, step)
        octets = np.frombuffer(pattern.octets, dtype=np.uint8)
        bits = np.unpackbits(octets, bitorder="little")[: pattern.length]
        assert self.run is not None
        level = np.where(
            times < self.run - 1e-12, bits[step % len(bits)], pattern.idle is Idle.HIGH
        )
        return level.astype(np.intp)

    def _generator(self, channel: int, times: Array) -> Array:
        if channel not in self.played:
            return np.zeros(len(times))
        samples, interval = self.played[channel]
        place = np.floor(times / interval + 1e-6).astype(int)
        padded = np.append(samples, 0.0)
        level: Array = padded[np.clip(place, 0, len(samples))]
        return level * (self.gain_of_w1 if channel == 0 else 1.0)

    def _voltages(self, times: Array) -> tuple[Array, Array, NDArray[np.intp]]:
        """Return word-line voltages, bit-line voltages, and which bit line is selected, or -1."""
        n_word, n_bit = self.conductances.shape
        enabled = self._level(ENABLE, times)
        word, bit = (
            np.stack([self._level(pin, times) << k for k, pin in enumerate(pins)]).sum(axis=0)
            for pins in (WORD, BIT)
        )
        w1, w2 = self._generator(0, times), self._generator(1, times)
        words = np.repeat(w2[:, None], n_word, axis=1)
        bits = np.repeat(self.ratio * w2[:, None], n_bit, axis=1)
        at = np.flatnonzero((enabled == 1) & (word < n_word) & (bit < n_bit))
        words[at, word[at]] = w1[at]
        bits[at, bit[at]] = 0.0
        chosen = np.full(len(times), -1)
        chosen[at] = bit[at]
        return words, bits, chosen

    def _lines(self, times: Array) -> tuple[Array, Array]:
        words, bits, chosen = self._voltages(times)
        across = words[:, :, None] - bits[:, None, :]
        into = (across * self.conductances).sum(axis=1)
        at = np.arange(len(times))
        current = np.where(chosen >= 0, into[at, chosen], 0.0)
        gain = self._level(GAIN, times)
        seen = np.array(self.offset)[gain] - current * np.array(FEEDBACK)[gain]
        return self._generator(0, times), seen

    def _live(self, times: Array) -> None:
        words, bits, _ = self._voltages(times)
        across = words[:, :, None] - bits[:, None, :]
        self.stress += (across**2).mean(axis=0) * times[-1]
