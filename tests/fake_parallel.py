"""An Analog Discovery 2 at its driver's methods, in the wiring `parallel` with an ideal array.

It knows the wiring by its own tables, and only what the driver's methods promise; the real driver
is tested on the virtual bench.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array
from frame_decoder import Dac
from instruments.analog_discovery import Acquisition, Pattern, Square, Trigger
from instruments.discovery_devices import Identity

ADDRESS, GAIN = (0, 1, 2), 3
WORD_SELECT, CLOCK, DATA, BIT_SELECT, LOAD = 8, 9, 10, 11, 12
FEEDBACK = (1e5, 5e3)
LSB = 10.0 / 65536


class Still:
    """A timer that nobody waits for."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, duration: float) -> None:
        self.now += max(duration, 0.0)


class FakeParallel:
    """What a `ParallelWiring` asks for, answered by ohmic cells without settling or noise."""

    def __init__(self, conductances: Array, offset: tuple[float, float] = (0.0, 0.0)) -> None:
        self.conductances = conductances
        self.offset = offset
        self.identity = Identity("Analog Discovery 2", "210321ABCDEF", 0, "3.20.1", "fake")
        self.timer = Still()
        self.calls: list[str] = []
        self.dacs = (Dac(), Dac())
        self.powered = False
        self.held: list[tuple[float, Array, Array]] = []
        self.failing: BaseException | None = None
        self._wanted: Mapping[int, Pattern | Square] = {}
        self._acquisition: Acquisition | None = None
        self._record: Array | None = None
        self._armed = False

    def open(self) -> None:
        self.calls.append("open")

    def close(self) -> None:
        self.calls.append("close")
        self.powered = False

    def confirm(self, _: Array) -> None:
        assert self.powered

    def supplies(self, positive: float, negative: float) -> None:
        assert self.at_rest
        assert all(dac.span == 2 for dac in self.dacs)
        assert (positive, negative) == (5.0, -5.0)
        self.calls.append("supplies")
        self.powered = True

    def patterns(
        self,
        wanted: Mapping[int, Pattern | Square],
        changing: Mapping[int, Pattern | Square],
    ) -> None:
        self._wanted = {**wanted, **changing}

    def scope(self, acquisition: Acquisition) -> None:
        assert acquisition.samples <= 8192
        assert acquisition.trigger is Trigger.PATTERNS
        self._acquisition = acquisition

    def arm(self) -> None:
        self.calls.append("arm")
        self._record, self._armed = None, True

    def run_patterns(self, duration: float) -> None:
        self.calls.append("run")
        if self.failing is not None:
            failing, self.failing, self._armed = self.failing, None, False
            raise failing
        self._play(duration)

    def record(self, expected: float) -> Array:
        assert self._record is not None, "not armed, or never triggered"
        self.timer.sleep(expected)
        return self._record

    def recorded_run(
        self,
        wanted: Mapping[int, Pattern | Square],
        changing: Mapping[int, Pattern | Square],
        acquisition: Acquisition,
        duration: float,
    ) -> Array:
        self.patterns(wanted, changing)
        self.scope(acquisition)
        self.arm()
        self.run_patterns(duration)
        return self.record(duration)

    @property
    def at_rest(self) -> bool:
        """True if every line is at 0 V."""
        return all(dac.output == [0x8000] * 16 for dac in self.dacs)

    def _levels(self, pin: int) -> NDArray[np.uint8]:
        pattern = self._wanted[pin]
        assert isinstance(pattern, Pattern)
        octets = np.frombuffer(pattern.octets, dtype=np.uint8)
        return np.unpackbits(octets, bitorder="little")[: pattern.length]

    def _play(self, duration: float) -> None:
        data = self._wanted[DATA]
        clock = self._wanted[CLOCK]
        assert isinstance(data, Pattern)
        assert isinstance(clock, Square)
        assert clock.low == clock.high == data.interval / 2
        assert duration == data.length * data.interval
        assert self._levels(LOAD).all()
        bits, selects = self._levels(DATA), (self._levels(WORD_SELECT), self._levels(BIT_SELECT))
        word, bit = np.empty((2, data.length, 16))
        for cell in range(data.length):
            for dac, select, into in zip(self.dacs, selects, (word, bit), strict=True):
                if select[cell]:
                    dac.execute()
                else:
                    dac.shifted.append(int(bits[cell]))
                into[cell] = dac.output
        words, lines = self.conductances.shape
        driven, biased = (word[:, :words] - 0x8000) * LSB, (bit[:, :lines] - 0x8000) * LSB
        self._live(driven, biased, data.interval)
        if self._armed:
            self._armed = False
            self._record = self._observe(driven, biased, data.interval)

    def _live(self, word: Array, bit: Array, interval: float) -> None:
        both = np.concatenate([word, bit], axis=1)
        edges = np.flatnonzero(np.any(np.diff(both, axis=0) != 0, axis=1)) + 1
        for begin, end in zip([0, *edges], [*edges, len(both)], strict=True):
            self.held.append(((end - begin) * interval, word[begin], bit[begin]))

    def _observe(self, word: Array, bit: Array, interval: float) -> Array:
        assert self._acquisition is not None
        cells = np.floor(self._acquisition.times / interval + 1e-6).astype(int)
        gain = self._levels(GAIN)[cells]
        address = np.array([self._levels(pin)[cells] for pin in ADDRESS], dtype=int)
        chosen = address[0] + 2 * address[1] + 4 * address[2]
        current = word[cells] @ self.conductances - bit[cells] * self.conductances.sum(axis=0)
        resistance = np.where(gain, FEEDBACK[1], FEEDBACK[0])
        record = np.zeros((2, len(cells)))
        for scope in range(2):
            for number in range(5):
                line = 5 * scope + number
                if line < self.conductances.shape[1] and self.powered:
                    seen = bit[cells, line] - current[:, line] * resistance
                    seen = seen + np.where(gain, self.offset[1], self.offset[0])
                    here = chosen == number
                    record[scope, here] = seen[here]
        return np.clip(record, -2.5, 2.5)
