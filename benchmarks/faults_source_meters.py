"""A source meter under every mishap: our drivers beside plain PyMeasure doing the same job.

Against virtual instruments that somebody else has used, on a TCP socket and a pseudo-terminal. The
job is an I-V of a known resistor, point by point. PyMeasure does it as its documentation has it:
reset, set up, a loop, and shutdown() whatever happens. It has no driver of a 6487. One message of
each run is hit: in half of the runs one of the loop over the points, in the others one of the whole
job, spread evenly. What counts is what the resistor at the terminals has seen. The pauses in
PyMeasure's shutdown, 0.6 s, are left out.
"""

import itertools
import logging
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
from pymeasure.instruments.keithley import Keithley2400 as PyMeasureKeithley2400
from pymeasure.instruments.keithley import keithley2400 as pymeasure_module
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rows import Row, arguments, show

from crossbar.backend import Flag, Limits
from instruments.keithley2400 import Keithley2400
from instruments.keithley6487 import Keithley6487
from instruments.visa_resources import BAUD_RATE
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.lines import LineFaults
from sim_backend.virtual.mishaps import BLIND, MISHAPS, USED, Mishap, SourceMeter
from sim_backend.virtual.servers import PtyServer, TcpServer
from sim_backend.virtual.watched_resistor import Reading, Witness, is_true

RESISTANCE, LARGEST, COMPLIANCE = 2e3, 0.8, 250e-6
LEVELS = (0.2, 0.4, 0.8, 0.3, -0.4)
LIMITS = Limits(
    voltage=1.0,
    read_voltage=1.0,
    current=COMPLIANCE,
    width_min=1e-6,
    width_max=0.1,
    pulses=100,
    stress=100.0,
)
DEADLINE = 0.1
ARRIVING = 0.3
"""Until the last thing that was sent has arrived at an instrument, s."""
SERVERS: Mapping[str, type[TcpServer | PtyServer]] = {"tcp": TcpServer, "pty": PtyServer}
BITS_PER_CHARACTER = 10
IN_COMPLIANCE = 1 << 3
"""Bit of a 2400's status."""
LIVE = "take it as live"
ENDS = ("right", "flagged", "stopped", "WRONG")
"""How a run ends; one of them."""
ON, TOLD = "left ON", "on, and told"
"""How an output is left besides; told is said in the error, at once."""


@dataclass(slots=True)
class Outcome:
    """What one run left behind.

    Parameters
    ----------
    readings
        Level, reading, and how many measurements had been taken when it was asked for.
    told
        The error, empty without one.
    messages
        That were sent.
    """

    readings: list[tuple[float, Reading, int]] = field(default_factory=list)
    told: str = ""
    messages: list[str] = field(default_factory=list)


Job = Callable[[str, Witness, Outcome, Sequence[float]], None]


def ours(driver: type[Keithley2400 | Keithley6487]) -> Job:
    """Return the job as our driver does it."""

    def job(resource: str, witness: Witness, outcome: Outcome, levels: Sequence[float]) -> None:
        meter = driver(resource, LIMITS, deadline=DEADLINE, library="@py", interlock=True)
        with meter:
            meter.configure(LARGEST, COMPLIANCE, nplc=0.1)
            with meter.energised():
                for level in levels:
                    before = len(witness.taken)
                    meter.source(level)
                    voltage, current, flags = meter.measure()
                    limited = bool(flags & Flag.COMPLIANCE)
                    measured = driver is Keithley2400
                    read = Reading(voltage, current, limited, measured)
                    outcome.readings.append((level, read, before))

    return job


def plain(resource: str, witness: Witness, outcome: Outcome, levels: Sequence[float]) -> None:
    """Do the job as PyMeasure's documentation does such jobs."""
    meter = PyMeasureKeithley2400(
        resource,
        visa_library="@py",
        timeout=DEADLINE * 1e3,
        read_termination="\n",
        write_termination="\n",
    )
    try:
        try:
            meter.reset()
            meter.source_mode = "voltage"
            meter.source_voltage_range = LARGEST
            meter.compliance_current = COMPLIANCE
            meter.current_nplc = 0.1
            meter.source_voltage = 0
            meter.enable_source()
            for level in levels:
                before = len(witness.taken)
                meter.source_voltage = level
                # Not `meter.current`: it would set the limit back to 105 uA.
                found = meter.measure_all()
                limited = bool(int(found["status"]) & IN_COMPLIANCE)
                read = Reading(found["voltage"], found["current"], limited, measured=True)
                outcome.readings.append((level, read, before))
        finally:
            meter.shutdown()
    finally:
        meter.adapter.close()


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who does the job.

    Parameters
    ----------
    name
        In the table.
    instrument
        That it is done on.
    job
        What is done.
    """

    name: str
    instrument: type[SourceMeter]
    job: Job


CONTENDERS = (
    Contender("ours, 2400", Virtual2400, ours(Keithley2400)),
    Contender("ours, 6487", Virtual6487, ours(Keithley6487)),
    Contender("PyMeasure, 2400", Virtual2400, plain),
)


class Counted:
    """An instrument whose characters are counted, both ways."""

    def __init__(self, instrument: SourceMeter) -> None:
        self.characters = 0
        self._instrument = instrument

    def handle(self, line: str) -> str | None:
        """Do what a line says; return the reply."""
        reply = self._instrument.handle(line)
        self.characters += len(line) + 1 + (0 if reply is None else len(reply) + 1)
        return reply

    def clear(self) -> None:
        """Take a device clear."""
        self._instrument.clear()


def run(
    contender: Contender,
    transport: str,
    faults: Callable[[SourceMeter], LineFaults],
    levels: Sequence[float] = LEVELS,
) -> tuple[set[str], Outcome, int]:
    """Return how a run ended, what it left, and how many characters it took."""
    clock, outcome = FastClock(), Outcome()
    witness = Witness(RESISTANCE, clock)
    instrument = contender.instrument(witness, clock)
    witness.source_meter = instrument
    for command in USED[contender.instrument]:
        instrument.panel(command)
    counted = Counted(instrument)
    with SERVERS[transport](counted, faults=faults(instrument)) as server:
        try:
            contender.job(server.resource, witness, outcome, levels)
        except Exception as problem:
            outcome.told = str(problem) or type(problem).__name__
        arrived(instrument)
    outcome.messages = server.messages
    return judged(witness, outcome, on=instrument.on), outcome, counted.characters


def arrived(instrument: SourceMeter) -> None:
    """Wait until the output is off, or what was sent has certainly arrived."""
    until = time.monotonic() + ARRIVING
    while instrument.on and time.monotonic() < until:
        time.sleep(0.005)


def judged(witness: Witness, outcome: Outcome, *, on: bool) -> set[str]:
    """Return how a run ended, and how the output was left if it was left on."""
    lost = [np.isnan(reading.current) for _, reading, _ in outcome.readings]
    wrong = [
        not is_true(witness.taken[before:], reading, level=level, limit=COMPLIANCE)
        for level, reading, before in outcome.readings
        if not np.isnan(reading.current)
    ]
    end = "stopped" if outcome.told else "flagged" if any(lost) else "right"
    ends = {"WRONG" if any(wrong) else end}
    if on:
        ends.add(TOLD if LIVE in outcome.told else ON)
    return ends


@dataclass(frozen=True, slots=True)
class Found:
    """How often each outcome came.

    Parameters
    ----------
    name, transport
        Of the mishap, and where it happened.
    contender
        Whose runs these are.
    ends
        How often, by outcome.
    """

    name: str
    transport: str
    contender: Contender
    ends: Counter[str]


def campaign(runs: int) -> Iterator[Found]:
    """Yield what each mishap does on each transport to each contender."""
    calm = {
        (contender, transport): run(contender, transport, lambda _: {})[1].messages
        for contender, transport in itertools.product(CONTENDERS, SERVERS)
    }
    for name, mishap in {**MISHAPS, **BLIND}.items():
        for transport, contender in itertools.product(SERVERS, CONTENDERS):
            if contender.instrument not in mishap.models:
                continue
            messages = calm[contender, transport]
            ends = Counter[str]()
            for number in hit(messages, mishap, runs):
                ends.update(run(contender, transport, at(mishap, number))[0])
            yield Found(name, transport, contender, ends)


def hit(messages: Sequence[str], mishap: Mishap, runs: int) -> list[int]:
    """Return the numbers of the messages that are hit, one in each run."""
    begin = next(k for k, line in enumerate(messages) if line.endswith(f" {LEVELS[0]}"))
    end = max(k for k, line in enumerate(messages) if "READ?" in line)
    chosen: list[int] = []
    for low, high, count in ((begin, end, runs - runs // 2), (0, len(messages) - 1, runs // 2)):
        able = [k for k in range(low, high + 1) if "?" in messages[k] or not mishap.replies]
        chosen += [able[round(place)] for place in np.linspace(0, len(able) - 1, count)]
    return chosen


def at(mishap: Mishap, number: int) -> Callable[[SourceMeter], LineFaults]:
    """Return what makes a mishap happen at a message."""
    return lambda meter: mishap.faults(meter, number)


def points() -> Iterator[Row]:
    """Yield what a point costs on the line."""
    for contender in CONTENDERS:
        _, whole, all_characters = run(contender, "tcp", lambda _: {})
        _, one, characters = run(contender, "tcp", lambda _: {}, LEVELS[:1])
        more = len(LEVELS) - 1
        count = (len(whole.messages) - len(one.messages)) / more
        each = (all_characters - characters) / more
        wire = 1e3 * each * BITS_PER_CHARACTER / BAUD_RATE
        yield Row(f"{contender.name}: messages of a point", count, None, "")
        yield Row(f"{contender.name}: characters of a point, both ways", each, None, "")
        yield Row(f"{contender.name}: their time at {BAUD_RATE} baud", wire, None, "ms")


def totals(found: list[Found]) -> Iterator[Row]:
    """Yield how often each outcome came, over what a protocol can tell from the truth."""
    for contender in CONTENDERS:
        ends = Counter[str]()
        for each in found:
            if each.contender is contender and each.name not in BLIND:
                ends += each.ends
        runs = sum(ends[end] for end in ENDS)
        for end in (*ENDS, ON, TOLD):
            name = f"{contender.name}: {end}, of {runs} runs"
            if end in ("WRONG", ON) and contender.job is not plain:
                yield Row(name, ends[end], None, "", "0", ends[end] == 0)
            else:
                yield Row(name, ends[end], None, "")
    for each in found:
        if each.name in BLIND and each.contender.job is not plain:
            name = f"{each.contender.name}, {each.transport}: {each.name}, WRONG"
            yield Row(name, each.ends["WRONG"], None, "")


def matrix(found: list[Found], runs: int) -> Table:
    """Return the table for people."""
    title = f"what became of {runs} runs, each with one mishap at another message (virtual)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("mishap", "", *(contender.name for contender in CONTENDERS)):
        table.add_column(heading, overflow="fold")
    for (name, transport), group in itertools.groupby(
        found, lambda each: (each.name, each.transport)
    ):
        cells = {each.contender.name: _told(each.ends) for each in group}
        table.add_row(name, transport, *(cells.get(each.name, "-") for each in CONTENDERS))
    used = " ".join(
        f"{name} {version(name)}" for name in ("PyMeasure", "PyVISA", "PyVISA-py", "pyserial")
    )
    table.caption = (
        f"{used}. stop: an error, no wrong datum before it; flag: a reading that says it is none; "
        "ON: left on; told: left on, and said so. The last mishap looks like the truth to any "
        "protocol."
    )
    return table


def _told(ends: Counter[str]) -> str:
    short = {"flagged": "flag", "stopped": "stop", ON: "ON", TOLD: "told"}
    listed = (*ENDS, ON, TOLD)
    return " ".join(f"{ends[end]} {short.get(end, end)}" for end in listed if ends[end])


def main() -> None:
    """Play every mishap, and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=8, help="of each mishap and transport")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # PyMeasure's, about itself
    pymeasure_module.time = SimpleNamespace(sleep=lambda _: None)
    found = list(campaign(given.runs))
    if not given.json:
        Console().print(matrix(found, given.runs))
    show((*totals(found), *points()), as_json=given.json, title="in all, on virtual instruments")


if __name__ == "__main__":
    main()
