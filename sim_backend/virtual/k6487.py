"""A Keithley 6487 picoammeter and voltage source, as its manual describes it.

Manual: 6487-901-01. What it leaves open, or what was only remembered of it, is marked ``assumed``.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from crossbar.backend import Ampere, Second, Volt
from sim_backend.virtual.clock import Clock
from sim_backend.virtual.scpi import (
    Command,
    Interpreter,
    Parameters,
    ScpiError,
    Status,
    Tree,
    boolean,
    number,
    word,
)
from sim_backend.virtual.world import Terminals

OVERFLOW = 9.9e37
VOLTAGE_RANGES = (10.0, 50.0, 500.0)
LIMITS = (25e-6, 250e-6, 2.5e-3, 25e-3)
CURRENT_RANGES = tuple(2 * 10.0**-decade for decade in range(9, 1, -1))
MAINS = 50.0  # assumed

READING, CURRENT_OVERFLOW, BUFFER_FULL = 1 << 6, 1 << 7, 1 << 9
INTERLOCK_OPEN, COMPLIANCE = 1 << 11, 1 << 14
FILTER_LENGTH = 10
"""Readings in the moving filter (assumed)."""
ELEMENTS = ("READing", "UNITs", "TIME", "STATus", "VSOurce")


@dataclass(slots=True)
class _Settings:
    """What *RST sets; values of table 14-5, where it was read."""

    voltage: Volt = 0.0
    range: Volt = 10.0
    on: bool = False
    limits: dict[Volt, Ampere] = field(
        default_factory=lambda: {10.0: 25e-3, 50.0: 2.5e-3, 500.0: 2.5e-3}
    )
    interlock: bool = False
    start: Volt = 0.0
    stop: Volt = 10.0
    step: Volt = 1.0
    delay: Second = 1.0
    levels: list[Volt] = field(default_factory=list)
    zero_check: bool = True
    zero_correct: bool = False
    autozero: bool = True
    nplc: float = 5.0
    autorange: bool = True
    current_range: Ampere = 2e-9
    average: bool = False
    median: bool = False
    elements: tuple[str, ...] = ("READ", "UNIT", "TIME", "STAT")
    arm_count: float = 1
    trigger_count: float = 1
    points: float = 100
    control: str = "NEV"


class Virtual6487:
    """A Keithley 6487 that does not exist.

    Parameters
    ----------
    terminals
        What hangs between its voltage source and its input.
    clock
        Bench time.
    serial
        Its serial number.
    one_question
        True if its front panel says 488.1, and not SCPI.
    """

    def __init__(
        self,
        terminals: Terminals,
        clock: Clock,
        serial: str = "1362487",
        *,
        one_question: bool = False,
    ) -> None:
        self.interlock_closed = True
        self.zero_check_stuck = False
        self.spoilt: str | None = None
        """Text in place of the next reading of the current, such as 9.9E37."""
        self._terminals = terminals
        self._clock = clock
        self._identity = f"KEITHLEY INSTRUMENTS INC.,MODEL 6487,{serial},B05"
        self._status = Status()
        self._settings = _Settings()
        self._began = clock.now
        self._reading: tuple[Ampere, Volt, Second, int] | None = None
        self._buffer: list[str] = []
        headers = {**self._status.commands(), **self._source(), **self._meter(), **self._system()}
        self._interpreter = Interpreter(Tree(headers), self._status)
        self._interpreter.one_question = one_question
        self._filtered: deque[Ampere] = deque(maxlen=FILTER_LENGTH)

    @property
    def on(self) -> bool:
        """True while the voltage source is on."""
        self._watch_interlock()
        return self._settings.on

    @property
    def voltage(self) -> Volt:
        """Voltage that it drives now, V; off is 0 V, not an open circuit."""
        return self._settings.voltage if self.on else 0.0

    @property
    def limit(self) -> Ampere:
        """Current limit in force, A."""
        return self._settings.limits[self._settings.range]

    def handle(self, line: str) -> str | None:
        """Do what a line says; return the reply to its questions."""
        self._clock.call()
        self._watch_interlock()
        return self._interpreter.handle(line)

    def panel(self, command: str) -> None:
        """Do what somebody does at the front panel, given as the command for it."""
        self._interpreter.handle(command)

    def status_byte(self) -> int:
        """Return what a serial poll gets."""
        return self._status.byte()

    def clear(self) -> None:
        """Take a device clear: stop measuring. An armed sweep stays armed (assumed)."""

    def interrupt(self) -> None:
        """Take notice that a reply was never fetched."""
        self._status.fail(ScpiError(-410))

    # What its commands are made of.

    def _number(self, name: str, low: float, high: float) -> Command:
        return Command(
            lambda given: setattr(self._settings, name, number(given, low, high)),
            lambda _: _text(getattr(self._settings, name)),
        )

    def _switch(self, name: str) -> Command:
        return Command(
            lambda given: setattr(self._settings, name, boolean(given)),
            lambda _: str(int(getattr(self._settings, name))),
        )

    def _source(self) -> dict[str, Command]:
        head = "SOURce:VOLTage"
        level = self._locked(lambda given: self._set_level(number(given, -500, 500)))
        return {
            f"{head}[:LEVel][:IMMediate][:AMPLitude]": Command(
                level, lambda _: _text(self._settings.voltage)
            ),
            f"{head}:RANGe": Command(
                self._locked(lambda given: self._set_range(number(given, -500, 500))),
                lambda _: _text(self._settings.range),
            ),
            f"{head}:ILIMit": Command(
                self._locked(lambda given: self._set_limit(number(given, 0, 25e-3))),
                lambda _: _text(self.limit),
            ),
            f"{head}:STATe": Command(
                self._locked(lambda given: self._switch_source(on=boolean(given))),
                lambda _: str(int(self._settings.on)),
            ),
            f"{head}:INTerlock[:STATe]": self._switch("interlock"),
            f"{head}:INTerlock:FAIL": Command(ask=lambda _: str(int(self._interlock_fails()))),
            f"{head}:SWEep:STARt": self._number("start", -500, 500),
            f"{head}:SWEep:STOP": self._number("stop", -500, 500),
            f"{head}:SWEep:STEP": self._number("step", 0, 500),
            f"{head}:SWEep:DELay": self._number("delay", 0, 999.9999),
            f"{head}:SWEep:INITiate": Command(self._locked(lambda _: self._arm())),
            f"{head}:SWEep:ABORt": Command(lambda _: self._abort()),
            f"{head}:SWEep:STATe": Command(ask=lambda _: str(int(bool(self._settings.levels)))),
        }

    def _meter(self) -> dict[str, Command]:
        head = "[SENSe]:CURRent[:DC]"
        return {
            f"{head}:NPLCycles": self._number("nplc", 0.01, 50),
            f"{head}:RANGe[:UPPer]": Command(
                lambda given: self._fix_range(number(given, -0.021, 0.021)),
                lambda _: _text(self._settings.current_range),
            ),
            f"{head}:RANGe:AUTO": self._switch("autorange"),
            "[SENSe]:AVERage[:STATe]": self._switch("average"),
            "[SENSe]:MEDian[:STATe]": self._switch("median"),
            "FORMat:ELEMents": Command(self._choose, lambda _: ",".join(self._settings.elements)),
            "FORMat[:DATA]": Command(lambda given: _check(word(given, ["ASCii"])), lambda _: "ASC"),
            "ARM[:SEQuence][:LAYer]:COUNt": self._number("arm_count", 1, 3000),
            "ARM[:SEQuence][:LAYer]:SOURce": Command(
                lambda given: _check(word(given, ["IMMediate"])), lambda _: "IMM"
            ),
            "TRIGger[:SEQuence]:COUNt": self._number("trigger_count", 1, 3000),
            "TRIGger[:SEQuence]:SOURce": Command(
                lambda given: _check(word(given, ["IMMediate"])), lambda _: "IMM"
            ),
            "INITiate[:IMMediate]": Command(lambda _: _check(self._measure())),
            "ABORt": Command(lambda _: None),
            "READ": Command(ask=lambda _: ",".join(self._measure())),
            "FETCh": Command(ask=lambda _: ",".join(self._buffer)),
            "TRACe:POINts": self._number("points", 1, 3000),
            "TRACe:FEED": Command(lambda given: _check(word(given, ["SENSe"])), lambda _: "SENS1"),
            "TRACe:FEED:CONTrol": Command(
                lambda given: setattr(self._settings, "control", word(given, ["NEXT", "NEVer"])),
                lambda _: self._settings.control,
            ),
            "TRACe:DATA": Command(ask=lambda _: ",".join(self._buffer)),
            "TRACe:CLEar": Command(lambda _: self._buffer.clear()),
        }

    def _system(self) -> dict[str, Command]:
        return {
            "*IDN": Command(ask=lambda _: self._identity),
            "*RST": Command(lambda _: self._reset()),
            "SYSTem:ZCHeck[:STATe]": Command(
                self._switch_zero_check, lambda _: str(int(self._settings.zero_check))
            ),
            "SYSTem:ZCORrect[:STATe]": self._switch("zero_correct"),
            "SYSTem:ZCORrect:ACQuire": Command(lambda _: self._acquire_zero()),
            "SYSTem:AZERo[:STATe]": self._switch("autozero"),
            "SYSTem:TIME:RESet": Command(lambda _: setattr(self, "_began", self._clock.now)),
            "STATus:MEASurement:CONDition": Command(ask=lambda _: str(self._condition())),
        }

    def _locked(self, action: Callable[[Parameters], None]) -> Callable[[Parameters], None]:
        """Refuse while a sweep is armed or running; only its own abort is understood then."""

        def refuse(given: Parameters) -> None:
            if self._settings.levels:
                raise ScpiError(840, "Not permitted with sweep on")  # assumed: the words
            action(given)

        return refuse

    # The source.

    def _reset(self) -> None:
        self._settings = _Settings()
        self._reading = None
        self._buffer = []
        self._drive()

    def _set_level(self, level: Volt) -> None:
        if abs(level) > self._settings.range * 1.01:  # 505 V on the 500 V range
            raise ScpiError(-222)
        self._settings.voltage = level
        self._drive()

    def _set_range(self, wanted: Volt) -> None:
        # Each range has a limit of its own, so a new range brings its own.
        self._settings.range = _holding(wanted)
        if abs(self._settings.voltage) > self._settings.range:
            self._settings.voltage = 0.0
        self._drive()

    def _set_limit(self, wanted: Ampere) -> None:
        if wanted > 2.5e-3 and self._settings.range > 10:
            raise ScpiError(-221)
        # To the closest; assumed: closest by ratio, so that 80 uA becomes 250 uA.
        near = max(wanted, 1e-12)
        closest = min(LIMITS, key=lambda limit: abs(math.log(limit / near)))
        self._settings.limits[self._settings.range] = closest
        self._drive()

    def _switch_source(self, *, on: bool) -> None:
        if on and self._interlock_fails():
            raise ScpiError(802, "Output blocked by interlock")  # assumed: the 2400's number
        self._settings.on = on
        self._drive()

    def _interlock_fails(self) -> bool:
        used = self._settings.interlock or self._settings.range > 10
        return used and not self.interlock_closed

    def _watch_interlock(self) -> None:
        if self._settings.on and self._interlock_fails():
            self._settings.on = False
            self._settings.levels = []
            self._drive()

    def _drive(self) -> None:
        if self._interlock_fails():
            self._terminals.disconnect()
        else:
            self._terminals.source(self._settings.voltage if self._settings.on else 0.0, self.limit)

    def _arm(self) -> None:
        """Arm a sweep: the source goes on at its start, and waits for triggers."""
        chosen = self._settings
        span = chosen.stop - chosen.start
        if chosen.step == 0 or self._interlock_fails():
            raise ScpiError(-221)
        # The step's sign is the span's, and only whole steps run.
        steps = math.floor(abs(span) / chosen.step * (1 + 1e-9))
        signed = math.copysign(chosen.step, span)
        chosen.levels = [chosen.start + index * signed for index in range(steps + 1)]
        chosen.range = _holding(max(abs(chosen.start), abs(chosen.stop)))
        chosen.voltage = chosen.levels[0]
        chosen.on = True
        self._drive()

    def _abort(self) -> None:
        if self._settings.levels:
            self._settings.levels = []
            self._settings.on = False
            self._settings.voltage = 0.0
            self._drive()

    # The meter.

    def _fix_range(self, wanted: Ampere) -> None:
        fitting = [top for top in CURRENT_RANGES if abs(wanted) <= top * 1.05]
        self._settings.current_range = fitting[0]
        self._settings.autorange = False

    def _choose(self, given: Parameters) -> None:
        asked = {word([name], ELEMENTS) for name in given}
        # The order is fixed, whatever was asked.
        order = [word([name], ELEMENTS) for name in ELEMENTS]
        self._settings.elements = tuple(name for name in order if name in asked)

    def _switch_zero_check(self, given: Parameters) -> None:
        self._settings.zero_check = boolean(given) or self.zero_check_stuck

    def _acquire_zero(self) -> None:
        if not self._settings.zero_check:
            raise ScpiError(-221)

    def _measure(self) -> list[str]:
        """Take as many readings as armed and triggered for, stepping a sweep that is armed."""
        count = int(self._settings.arm_count * self._settings.trigger_count)
        self._buffer = []
        for _ in range(count):
            self._buffer.append(self._take())
        if self._settings.control == "NEXT":
            self._settings.control = "NEV"
            self._status.measurement_events |= BUFFER_FULL
        return self._buffer

    def _take(self) -> str:
        chosen = self._settings
        duration = chosen.nplc / MAINS
        if chosen.levels:
            chosen.voltage = chosen.levels.pop(0)
            self._drive()
            duration += chosen.delay
        _, current = self._terminals.measure(duration)
        if chosen.zero_check:
            current = 0.0
        if chosen.average or chosen.median:
            self._filtered.append(current)
            current = sum(self._filtered) / len(self._filtered)  # a median is modelled as a mean
        top = CURRENT_RANGES[-1] if chosen.autorange else chosen.current_range
        overflow = abs(current) > top * 1.05
        self._reading = (
            OVERFLOW if overflow else current,
            chosen.voltage if chosen.on else 0.0,
            self._clock.now - self._began,
            int(overflow),
        )
        self._status.measurement_events |= READING | (CURRENT_OVERFLOW if overflow else 0)
        return self._format()

    def _format(self) -> str:
        assert self._reading is not None  # noqa: S101  # set by the only caller
        current, voltage, time, status = self._reading
        wanted = self._settings.elements
        parts = []
        if "READ" in wanted:
            text = _text(current) if self.spoilt is None else self.spoilt
            parts.append(text + ("A" if "UNIT" in wanted else ""))
            self.spoilt = None
        values = {"TIME": time, "STAT": float(status), "VSO": voltage}
        parts += [_text(value) for name, value in values.items() if name in wanted]
        return ",".join(parts)

    def _condition(self) -> int:
        value = INTERLOCK_OPEN if self._interlock_fails() else 0
        if self._reading is not None:
            value |= READING | (CURRENT_OVERFLOW if self._reading[3] else 0)
        if self._settings.on:
            _, current = self._terminals.measure(0.0)
            value |= COMPLIANCE if abs(current) >= self.limit * (1 - 1e-9) else 0
        return value


def _holding(voltage: Volt) -> Volt:
    """Return the smallest voltage range that holds a voltage."""
    return next(top for top in VOLTAGE_RANGES if abs(voltage) <= top * 1.01)


def _text(value: float) -> str:
    return f"{value:+.6E}"


def _check(_: object) -> None:
    """Take what was checked on the way here, and keep nothing of it."""
