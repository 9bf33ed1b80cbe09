"""A Keithley 2400 source meter, as its manual describes it.

Manual: 2400S-900-01. What it leaves open, or what was only remembered of it, is marked ``assumed``.
"""

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

NOT_A_NUMBER = 9.91e37
VOLTAGE_RANGES = (0.2, 2.0, 20.0, 200.0)
CURRENT_RANGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
OVERRANGE = 1.05
DEFAULT_LIMIT = 1.05e-4
MAINS = 50.0  # assumed
READINGS_AT_MOST = 2500

# Bits of a reading's status word.
IN_COMPLIANCE, IN_RANGE_COMPLIANCE = 1 << 3, 1 << 16
BUFFER_FULL = 1 << 9
ELEMENTS = ("VOLTage", "CURRent", "RESistance", "TIME", "STATus")
SPELLED = {"VOLT": '"VOLT:DC"', "CURR": '"CURR:DC"', "RES": '"RES"'}  # assumed
FUNCTIONS = ("VOLTage:DC", "CURRent:DC", "RESistance", "VOLTage", "CURRent")
FILTER_LENGTH = 10
"""Readings in the moving filter (assumed)."""
OFF_STATES = ("HIMPedance", "NORMal", "ZERO", "GUARd")
CURRENT_DEFAULTS = {"limit": DEFAULT_LIMIT, "autorange": True, "current_range": 1e-4, "nplc": 1.0}


@dataclass(slots=True)
class _Settings:
    """What *RST sets."""

    function: str = "VOLT"
    mode: str = "FIX"
    level: Volt = 0.0
    range: Volt = 20.0
    auto_source: bool = True
    sourced_current: Ampere = 0.0
    start: Volt = 0.0
    stop: Volt = 0.0
    step: Volt = 0.0
    sweep_ranging: str = "BEST"
    listed: list[Volt] = field(default_factory=lambda: [0.0])
    abort_on_compliance: str = "NEV"
    delay: Second = 0.0
    auto_delay: bool = True
    auto_off: bool = False
    on: bool = False
    off_state: str = "NORM"
    enable_line: bool = False
    concurrent: bool = True
    functions: frozenset[str] = frozenset({"CURR"})
    limit: Ampere = DEFAULT_LIMIT
    voltage_limit: Volt = 21.0
    current_range: Ampere = 1e-4
    autorange: bool = True
    voltage_range: Volt = 21.0
    auto_voltage: bool = True
    ohms_mode: str = "MAN"
    nplc: float = 1.0
    average: bool = False
    autozero: bool = True
    remote_sense: bool = False
    terminals: str = "FRON"
    elements: tuple[str, ...] = ("VOLT", "CURR", "RES", "TIME", "STAT")
    arm_count: float = 1
    trigger_count: float = 1
    points: float = 100
    control: str = "NEV"


class Virtual2400:
    """A Keithley 2400 that does not exist; it sources voltage only.

    Parameters
    ----------
    terminals
        What hangs on its output.
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
        serial: str = "1022400",
        *,
        one_question: bool = False,
    ) -> None:
        self.enable_closed = True
        self.spoilt: str | None = None
        """Text in place of the next reading of the current, such as 9.9E37."""
        self._terminals = terminals
        self._clock = clock
        self._identity = f"KEITHLEY INSTRUMENTS INC.,MODEL 2400,{serial},C32   Oct  4 2010 14:20:11"
        self._status = Status()
        self._settings = _Settings()
        self._began = clock.now
        self._tripped = False
        self._buffer: list[str] = []
        headers = {**self._status.commands(), **self._output(), **self._sense(), **self._trigger()}
        self._interpreter = Interpreter(Tree(headers), self._status)
        self._interpreter.one_question = one_question
        self._filtered: deque[Ampere] = deque(maxlen=FILTER_LENGTH)

    @property
    def on(self) -> bool:
        """True while the output is on."""
        self._watch_enable()
        return self._settings.on

    @property
    def voltage(self) -> Volt:
        """Voltage that it drives now, V."""
        return self._settings.level if self.on else 0.0

    @property
    def limit(self) -> Ampere:
        """Current limit in force, A: a fixed measure range below the compliance clamps too."""
        chosen = self._settings
        return chosen.limit if chosen.autorange else min(chosen.limit, self._clamp())

    def handle(self, line: str) -> str | None:
        """Do what a line says; return the reply to its questions."""
        self._clock.call()
        self._watch_enable()
        return self._interpreter.handle(line)

    def panel(self, command: str) -> None:
        """Do what somebody does at the front panel, given as the command for it."""
        self._interpreter.handle(command)

    def status_byte(self) -> int:
        """Return what a serial poll gets."""
        return self._status.byte()

    def clear(self) -> None:
        """Take a device clear: back to idle. The output stays as it is."""

    def interrupt(self) -> None:
        """Take notice that a reply was never fetched."""
        self._status.fail(ScpiError(-410))

    # What its commands are made of.

    def _number(
        self, name: str, low: float, high: float, then: Callable[[], None] | None = None
    ) -> Command:
        def put(given: Parameters) -> None:
            setattr(self._settings, name, number(given, low, high))
            if then is not None:
                then()

        return Command(put, lambda _: _text(getattr(self._settings, name)))

    def _switch(self, name: str) -> Command:
        return Command(
            lambda given: setattr(self._settings, name, boolean(given)),
            lambda _: str(int(getattr(self._settings, name))),
        )

    def _word(self, name: str, *allowed: str) -> Command:
        return Command(
            lambda given: setattr(self._settings, name, word(given, allowed)),
            lambda _: str(getattr(self._settings, name)),
        )

    def _output(self) -> dict[str, Command]:
        head = "SOURce:VOLTage"
        level = f"{head}[:LEVel][:IMMediate][:AMPLitude]"
        return {
            "*RST": Command(lambda _: self._reset()),
            "*IDN": Command(ask=lambda _: self._identity),
            "SYSTem:PRESet": Command(lambda _: self._reset()),
            "OUTPut[:STATe]": Command(
                lambda given: self._switch_output(on=boolean(given)),
                lambda _: str(int(self._settings.on)),
            ),
            "OUTPut:SMODe": self._word("off_state", *OFF_STATES),
            "OUTPut:ENABle[:STATe]": self._switch("enable_line"),
            "OUTPut:ENABle:TRIPped": Command(ask=lambda _: str(int(not self._blocked()))),
            "SOURce:FUNCtion[:MODE]": self._word("function", "VOLTage", "CURRent"),
            "SOURce:CLEar[:IMMediate]": Command(lambda _: self._switch_output(on=False)),
            "SOURce:CLEar:AUTO": self._switch("auto_off"),
            # A delay that is set by hand switches the automatic one off.
            "SOURce:DELay": self._number(
                "delay", 0, 999.9999, lambda: setattr(self._settings, "auto_delay", False)
            ),
            "SOURce:DELay:AUTO": self._switch("auto_delay"),
            level: Command(
                lambda given: self._set_level(number(given, -210, 210)),
                lambda _: _text(self._settings.level),
            ),
            f"{head}:MODE": self._word("mode", "FIXed", "SWEep", "LIST"),
            f"{head}:RANGe": Command(
                lambda given: self._set_range(number(given, -210, 210)),
                lambda _: _text(self._settings.range),
            ),
            f"{head}:RANGe:AUTO": self._switch("auto_source"),
            f"{head}:STARt": self._number("start", -210, 210),
            f"{head}:STOP": self._number("stop", -210, 210),
            f"{head}:STEP": self._number("step", -420, 420),
            "SOURce:CURRent[:LEVel][:IMMediate][:AMPLitude]": self._number(
                "sourced_current", -1.05, 1.05
            ),
            "SOURce:SWEep:RANGing": self._word("sweep_ranging", "BEST", "AUTO", "FIXed"),
            "SOURce:SWEep:CABort": self._word("abort_on_compliance", "NEVer", "EARLy", "LATE"),
            "SOURce:LIST:VOLTage": Command(
                lambda given: self._fill(given, append=False),
                lambda _: ",".join(_text(value) for value in self._settings.listed),
            ),
            "SOURce:LIST:VOLTage:APPend": Command(lambda given: self._fill(given, append=True)),
            "SYSTem:RSENse": self._switch("remote_sense"),
            "ROUTe:TERMinals": Command(self._route, lambda _: self._settings.terminals),
        }

    def _sense(self) -> dict[str, Command]:
        head = "[SENSe]:CURRent[:DC]"
        off = frozenset({"VOLT", "CURR", "RES"})
        commands = {
            "[SENSe]:FUNCtion:CONCurrent": self._switch("concurrent"),
            "[SENSe]:FUNCtion[:ON]": Command(
                self._enable_functions,
                lambda _: ",".join(SPELLED[name] for name in sorted(self._settings.functions)),
            ),
            "[SENSe]:AVERage[:STATe]": self._switch("average"),
            "[SENSe]:FUNCtion[:ON]:ALL": Command(
                lambda _: setattr(self._settings, "functions", off)
            ),
            f"{head}:PROTection[:LEVel]": Command(
                lambda given: self._set_limit(abs(number(given, -1.05, 1.05))),
                lambda _: _text(self._settings.limit),
            ),
            f"{head}:PROTection:TRIPped": Command(ask=lambda _: str(int(self._in_compliance()))),
            f"{head}:RANGe[:UPPer]": Command(
                lambda given: self._fix_range(abs(number(given, -1.05, 1.05))),
                lambda _: _text(self._settings.current_range * OVERRANGE),
            ),
            f"{head}:RANGe:AUTO": self._switch("autorange"),
            "[SENSe]:VOLTage[:DC]:PROTection[:LEVel]": self._number("voltage_limit", -210, 210),
            "[SENSe]:VOLTage[:DC]:RANGe[:UPPer]": Command(
                lambda _: self._refuse_range(), lambda _: _text(self._settings.voltage_range)
            ),
            "[SENSe]:VOLTage[:DC]:RANGe:AUTO": self._switch("auto_voltage"),
            "[SENSe]:RESistance:MODE": self._word("ohms_mode", "MANual", "AUTO"),
            "FORMat:ELEMents[:SENSe]": Command(
                self._choose, lambda _: ",".join(self._settings.elements)
            ),
            "FORMat[:DATA]": Command(lambda given: _drop(word(given, ["ASCii"])), lambda _: "ASC"),
            "SYSTem:AZERo[:STATe]": self._switch("autozero"),
            "SYSTem:TIME:RESet": Command(lambda _: setattr(self, "_began", self._clock.now)),
        }
        for name in ("CURRent[:DC]", "VOLTage[:DC]", "RESistance"):
            commands[f"[SENSe]:{name}:NPLCycles"] = self._number("nplc", 0.01, 10)
        return commands

    def _trigger(self) -> dict[str, Command]:
        commands = {
            "ARM[:SEQuence][:LAYer]:COUNt": self._number("arm_count", 1, READINGS_AT_MOST),
            "TRIGger[:SEQuence]:COUNt": self._number("trigger_count", 1, READINGS_AT_MOST),
            "TRIGger:CLEar": Command(lambda _: None),
            "INITiate[:IMMediate]": Command(lambda _: _drop(self._measure())),
            "ABORt": Command(lambda _: None),
            "READ": Command(ask=lambda _: ",".join(self._measure())),
            "FETCh": Command(ask=lambda _: ",".join(self._buffer)),
            "TRACe:POINts": self._number("points", 1, READINGS_AT_MOST),
            "TRACe:FEED": Command(lambda given: _drop(word(given, ["SENSe"])), lambda _: "SENS1"),
            "TRACe:FEED:CONTrol": self._word("control", "NEXT", "NEVer"),
            "TRACe:DATA": Command(ask=lambda _: ",".join(self._buffer)),
            "TRACe:CLEar": Command(lambda _: self._buffer.clear()),
        }
        names = {"CURR": "CURRent[:DC]", "VOLT": "VOLTage[:DC]", "RES": "RESistance"}
        for short, name in names.items():
            configure = self._configuring(short)
            commands[f"CONFigure:{name}"] = Command(configure)
            commands[f"MEASure:{name}"] = Command(ask=self._measuring(configure))
        return commands

    def _configuring(self, function: str) -> Callable[[Parameters], None]:
        """Return what CONF does: one function at its *RST values, and the output on (17-2)."""

        def configure(_: Parameters) -> None:
            chosen = self._settings
            chosen.functions = frozenset({function})
            chosen.trigger_count = chosen.arm_count = 1
            if function == "CURR":
                for name, value in CURRENT_DEFAULTS.items():
                    setattr(chosen, name, value)
            self._switch_output(on=True)

        return configure

    def _measuring(self, configure: Callable[[Parameters], None]) -> Callable[[Parameters], str]:
        def measure(given: Parameters) -> str:
            configure(given)
            return ",".join(self._measure())

        return measure

    # The source.

    def _reset(self) -> None:
        self._settings = _Settings()
        self._tripped = False
        self._buffer = []
        self._drive()

    def _set_level(self, level: Volt) -> None:
        chosen = self._settings
        if chosen.auto_source:
            chosen.range = _holding(level, VOLTAGE_RANGES)
        elif abs(level) > chosen.range * OVERRANGE:
            raise ScpiError(-222)
        chosen.level = level
        self._drive()

    def _set_range(self, wanted: Volt) -> None:
        chosen = self._settings
        chosen.range = _holding(wanted, VOLTAGE_RANGES)
        chosen.auto_source = False
        if abs(chosen.level) > chosen.range * OVERRANGE:
            chosen.level = 0.0
        self._drive()

    def _set_limit(self, wanted: Ampere) -> None:
        # At least 0.1 % of the present measure range; autorange steps down with the limit (18-68).
        chosen = self._settings
        least = CURRENT_RANGES[0] if chosen.autorange else chosen.current_range
        if wanted < 1e-3 * least * (1 - 1e-9):
            raise ScpiError(-222)
        chosen.limit = wanted
        self._drive()

    def _clamp(self) -> Ampere:
        return self._settings.current_range * OVERRANGE

    def _fix_range(self, wanted: Ampere) -> None:
        chosen = self._settings
        found = _holding(wanted, CURRENT_RANGES)
        if found > _holding(chosen.limit, CURRENT_RANGES):
            raise ScpiError(824, "Cannot exceed compliance range")  # assumed: number and words
        chosen.current_range, chosen.autorange = found, False
        self._drive()

    def _refuse_range(self) -> None:
        if self._settings.function == "VOLT":
            raise ScpiError(823, "Invalid with source read-back on")

    def _blocked(self) -> bool:
        return self._settings.enable_line and not self.enable_closed

    def _watch_enable(self) -> None:
        if self._settings.on and self._blocked():
            self._switch_output(on=False)

    def _switch_output(self, *, on: bool) -> None:
        if on and self._blocked():
            raise ScpiError(802, "OUTPUT blocked by output enable")
        if on and self._settings.function != "VOLT":
            raise ScpiError(-221)
        self._settings.on = on
        self._drive()

    def _drive(self) -> None:
        chosen = self._settings
        if chosen.on:
            self._terminals.source(chosen.level, self.limit)
        elif chosen.off_state == "HIMP":
            self._terminals.disconnect()
        else:
            self._terminals.source(0.0, self.limit)

    def _route(self, given: Parameters) -> None:
        self._settings.terminals = word(given, ["FRONt", "REAR"])
        self._switch_output(on=False)

    def _fill(self, given: Parameters, *, append: bool) -> None:
        kept = self._settings.listed if append else []
        levels = kept + [number([value], -210, 210) for value in given]
        if len(given) > 100 or len(levels) > READINGS_AT_MOST:
            raise ScpiError(-222)
        self._settings.listed = levels

    # The meter.

    def _enable_functions(self, given: Parameters) -> None:
        asked = frozenset(word([name], FUNCTIONS)[:4].rstrip(":") for name in given)
        kept = self._settings.functions if self._settings.concurrent else frozenset()
        self._settings.functions = kept | asked

    def _choose(self, given: Parameters) -> None:
        asked = {word([name], ELEMENTS) for name in given}
        # The order is fixed, whatever was asked.
        order = [word([name], ELEMENTS) for name in ELEMENTS]
        self._settings.elements = tuple(name for name in order if name in asked)

    def _in_compliance(self) -> bool:
        if not self._settings.on:
            return False
        _, current = self._terminals.measure(0.0)
        return abs(current) >= self.limit * (1 - 1e-9)

    def _levels(self, count: int) -> list[Volt]:
        chosen = self._settings
        if chosen.mode == "FIX":
            return [chosen.level] * count
        if chosen.mode == "LIST":
            return [chosen.listed[index % len(chosen.listed)] for index in range(count)]
        steps = round((chosen.stop - chosen.start) / chosen.step) if chosen.step else 0
        return [chosen.start + chosen.step * (index % (abs(steps) + 1)) for index in range(count)]

    def _measure(self) -> list[str]:
        """Take as many readings as armed and triggered for, stepping a sweep or a list."""
        chosen = self._settings
        if not chosen.on:
            if not chosen.auto_off:
                raise ScpiError(803, "Not permitted with OUTPUT off")
            # Automatic output-off switches it on for the reading.
            self._switch_output(on=True)
        count = int(chosen.arm_count * chosen.trigger_count)
        if count > READINGS_AT_MOST:
            raise ScpiError(-221)
        self._buffer = []
        for level in self._levels(count):
            self._buffer.append(self._take(level))
            if chosen.abort_on_compliance != "NEV" and self._in_compliance():
                break
        if chosen.control == "NEXT":
            chosen.control = "NEV"
            self._status.measurement_events |= BUFFER_FULL
        if chosen.auto_off:
            self._switch_output(on=False)
        return self._buffer

    def _take(self, level: Volt) -> str:
        chosen = self._settings
        if chosen.mode != "FIX":
            # A sweep drives its levels; the fixed level is what it was.
            self._terminals.source(level, self.limit)
        # The automatic delay is short, and not modelled.
        delay = 0.0 if chosen.auto_delay else chosen.delay
        voltage, current = self._terminals.measure(chosen.nplc / MAINS + delay)
        status = 0
        if abs(current) >= self.limit * (1 - 1e-9):
            clamped = self.limit < chosen.limit
            status |= IN_RANGE_COMPLIANCE if clamped else IN_COMPLIANCE
        if chosen.average:
            self._filtered.append(current)
            current = sum(self._filtered) / len(self._filtered)
        values = {
            "VOLT": voltage if "VOLT" in chosen.functions else level,
            "CURR": current if "CURR" in chosen.functions else NOT_A_NUMBER,
            "RES": NOT_A_NUMBER,
            "TIME": self._clock.now - self._began,
            "STAT": float(status),
        }
        if "RES" in chosen.functions and current:
            values["RES"] = voltage / current
        texts = {name: _text(value) for name, value in values.items()}
        if self.spoilt is not None:
            texts["CURR"], self.spoilt = self.spoilt, None
        return ",".join(texts[name] for name in chosen.elements)


def _holding(value: float, ranges: tuple[float, ...]) -> float:
    """Return the smallest range that holds a value."""
    fitting = [top for top in ranges if abs(value) <= top * OVERRANGE * (1 + 1e-9)]
    if not fitting:
        raise ScpiError(-222)
    return fitting[0]


def _text(value: float) -> str:
    return f"{value:+.6E}"


def _drop(_: object) -> None:
    """Take what was checked on the way here, and keep nothing of it."""
