"""Short runs of an Analog Discovery 2, and time that passes only by sleeping, for tests."""

from typing import Any

import numpy as np

from instruments.analog_discovery import (
    Acquisition,
    AnalogDiscovery,
    Idle,
    Pattern,
    SpiBus,
    Square,
    Trigger,
)


class Stopwatch:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, duration: float) -> None:
        self.slept.append(duration)
        self.now += max(duration, 0.0)


RNG = np.random.default_rng(1)
MOSI = [Pattern.of(bits, 8e-8) for bits in RNG.integers(0, 2, (2, 1000))]
SELECT = Pattern.of([1, *[0] * 24], 8e-8, idle=Idle.HIGH)
SCK = Square(4e-8, 4e-8)
FRAME = Acquisition(1e6, 100, trigger=Trigger.PATTERNS)
PULSE = Acquisition(1e6, 100, trigger=Trigger.W1)


def run_frame(ad2: AnalogDiscovery, mosi: Pattern) -> Any:
    ad2.patterns({8: SELECT, 9: SCK, 10: mosi})
    ad2.scope(FRAME)
    ad2.arm()
    ad2.run_patterns(1e-4)
    return ad2.record(1e-4)


def pulse(ad2: AnalogDiscovery, address: int, amplitude: float, bias: float) -> Any:
    ad2.pins(0x1FF, address)
    ad2.waveform(0, [0.0, amplitude, 0.0], 1e-5)
    ad2.waveform(1, [bias, bias], 1.5e-5)
    ad2.scope(PULSE)
    ad2.arm()
    ad2.start_waveforms()
    return ad2.record(1e-4)


def everything(ad2: AnalogDiscovery) -> None:
    ad2.supplies(5.0, -5.0)
    pulse(ad2, 3, 1.0, 0.5)
    run_frame(ad2, MOSI[0])
    ad2.level(0, 0.1)
    ad2.spi(SpiBus(9, 10, 8), [0xF00000])
    pulse(ad2, 4, -1.0, -0.5)
