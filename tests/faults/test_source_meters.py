"""A source meter under every mishap: no wrong datum, nothing left on, nothing beyond, no hang.

Against virtual instruments that somebody else has used before, on the three transports. What counts
is what the resistor at the terminals has seen. `make torture` plays every mishap at every message
on all transports; `make test` takes fewer messages.
"""

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

import source_meter_runs
from crossbar.backend import InstrumentError
from instruments import keithley2400, keithley6487, visa
from instruments.keithley2400 import Keithley2400
from instruments.keithley6487 import Keithley6487
from instruments.marks import marked, unmarked
from instruments.off_switch import OffSwitch
from instruments.read_back import Setting
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.lines import Fault, LineFaults
from sim_backend.virtual.mishaps import BLIND, MISHAPS, USED, Mishap, SourceMeter
from sim_backend.virtual.visa import library
from sim_backend.virtual.watched_resistor import Witness
from source_meter_runs import (
    COMPLIANCE,
    DEADLINE,
    DRIVERS,
    EVERY_CALL,
    LARGEST,
    LIMITS,
    LIVE,
    RESISTANCE,
    RESOURCE,
    TRANSPORTS,
    VIRTUAL,
    Run,
    is_right,
    numbers,
    run,
    violations,
)

CASES = [
    (model, name)
    for model, virtual in VIRTUAL.items()
    for name, mishap in MISHAPS.items()
    if virtual in mishap.models
]
EVERY, EVERY_UNMARKED = (1, 1) if EVERY_CALL else (4, 20)
LASTING = ("every reply dropped", "hang")
"""Each run waits for some deadlines, by the wall."""
MODULES: dict[str, Any] = {"2400": keithley2400, "6487": keithley6487}


@cache
def calm(model: str, transport: str = "visa", *, one_question: bool = False) -> Run:
    """Return the job as it is when nothing happens."""
    return run(model, transport, one_question=one_question)


def found(
    model: str,
    name: str,
    at: Iterable[int] | None = None,
    transport: str = "visa",
    driver: Callable[..., Any] | None = None,
    *,
    one_question: bool = False,
) -> dict[int, list[str]]:
    """Return what is wrong with the job, by the message at which the mishap happened."""
    mishap = {**MISHAPS, **BLIND}[name]
    without = calm(model, transport, one_question=one_question)
    wrong = {}
    for number in numbers(mishap, without) if at is None else at:
        done = run(model, transport, mishap, number, driver, one_question=one_question)
        if seen := violations(model, name, mishap, done, without):
            wrong[number] = seen
    return wrong


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("model", DRIVERS)
def test_without_a_mishap_every_datum_is_right(model: str, transport: str) -> None:
    done = calm(model, transport)
    assert done.error is None
    assert len(done.data) == 10
    assert all(is_right(model, datum) for datum in done.data)
    assert not done.on
    assert not done.beyond


@pytest.mark.parametrize(("model", "name"), CASES)
def test_a_mishap_at_any_message_does_no_harm(model: str, name: str) -> None:
    listed = numbers(MISHAPS[name], calm(model))
    # Spread over the mishaps, so that no message is spared by all of them.
    assert found(model, name, listed[len(name) % EVERY :: EVERY]) == {}


@pytest.mark.parametrize("transport", TRANSPORTS[1:])
@pytest.mark.parametrize(("model", "name"), CASES)
def test_a_mishap_on_a_real_line_does_no_harm(model: str, name: str, transport: str) -> None:
    level = calm(model, transport).messages.index("SOUR:VOLT 0.8")
    listed = numbers(MISHAPS[name], calm(model, transport))
    few = [k for k in (level, level + 1) if k in listed]
    if name in LASTING:
        few = few[-1:]
    assert few
    assert found(model, name, listed if EVERY_CALL else few, transport) == {}


@pytest.mark.parametrize(("model", "name"), CASES)
def test_a_mishap_does_no_harm_where_replies_cannot_be_marked(model: str, name: str) -> None:
    without = calm(model, one_question=True)
    assert "*ESE 102;*ESE?;*ESE?" in without.messages  # it was tried
    assert without.messages.count("READ?") == 6
    listed = numbers(MISHAPS[name], without)[len(name) % EVERY_UNMARKED :: EVERY_UNMARKED]
    assert found(model, name, listed, one_question=True) == {}


@pytest.mark.parametrize("model", DRIVERS)
def test_a_wrong_current_that_carries_its_mark_is_believed(model: str) -> None:
    # No protocol can tell it from the truth; whoever reads the promises has to know.
    (name,) = BLIND
    seen = found(model, name)
    assert seen
    assert {problem.partition(":")[0] for each in seen.values() for problem in each} == {
        "wrong datum"
    }


def test_one_lost_or_spoilt_reply_of_a_point_costs_no_datum() -> None:
    for model in DRIVERS:
        without = calm(model)
        points = [k for k, line in enumerate(without.messages) if ":READ?" in line]
        assert len(points) == 5
        for name in ("reply dropped once", "reply late", "reply truncated", "reply is noise"):
            for number in points:
                done = run(model, "visa", MISHAPS[name], number)
                assert done.error is None, (name, number)
                assert len(done.data) == 10


def test_what_is_unplugged_is_reported_at_once_and_as_live() -> None:
    for model in DRIVERS:
        level = calm(model).messages.index("SOUR:VOLT 0.8")
        done = run(model, "visa", MISHAPS["unplugged"], level)
        assert done.on
        assert LIVE in str(done.error)
        assert done.waited < calm(model).waited + 0.1 * DEADLINE["visa"]


CAMPAIGN, SEED = (3000 if EVERY_CALL else 60), 20
MOST_MISHAPS = 5


@pytest.mark.parametrize("model", DRIVERS)
def test_several_mishaps_in_one_job_do_no_harm(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each may cost a deadline or two of its own.
    monkeypatch.setattr(source_meter_runs, "DEADLINES_AT_MOST", 12)
    names = [name for each, name in CASES if each == model]
    rng = random.Random(SEED)  # noqa: S311
    for job in range(CAMPAIGN):
        one_question = rng.random() < 0.3
        without = calm(model, one_question=one_question)
        chosen = {
            rng.randrange(len(without.messages) + 20): rng.choice(names)
            for _ in range(rng.randint(2, MOST_MISHAPS))
        }

        def faults(meter: SourceMeter, _: int, chosen: dict[int, str] = chosen) -> LineFaults:
            return {k: MISHAPS[name].faults(meter, k)[k] for k, name in chosen.items()}

        mishap = Mishap(faults, by_hand=any(MISHAPS[name].by_hand for name in chosen.values()))
        done = run(model, "visa", mishap, 0, one_question=one_question)
        gone = "unplugged" if "unplugged" in chosen.values() else ""
        assert violations(model, gone, mishap, done, without) == [], (SEED, job, chosen)


# The commands, one by one.


@pytest.mark.parametrize("model", DRIVERS)
def test_no_command_of_a_configuration_is_lost_unnoticed(model: str) -> None:
    def configured(number: int = -1) -> tuple[Any, list[str]]:
        """Return the settings after a configuration, None if it was refused, and the messages."""
        clock = FastClock()
        instrument = VIRTUAL[model](Witness(RESISTANCE, clock), clock)
        for command in USED[type(instrument)]:
            instrument.panel(command)
        served = library({RESOURCE: instrument}, clock, {RESOURCE: {number: Fault.DROP_COMMAND}})
        meter = DRIVERS[model](RESOURCE, LIMITS, timer=clock, library=served, interlock=True)
        settings = None
        with suppress(InstrumentError), meter:
            meter.configure(LARGEST, COMPLIANCE, nplc=0.1)
            settings = deepcopy(instrument._settings)
        return settings, served.line(RESOURCE).messages

    wanted, messages = configured()
    last = max(k for k, line in enumerate(messages) if "SYST:ERR?" in line)
    refused = 0
    for number in range(last):
        settings, _ = configured(number)
        refused += settings is None
        assert settings in (None, wanted), messages[number]
    assert refused > 15


@pytest.mark.parametrize("model", DRIVERS)
def test_what_was_found_on_is_off_or_nothing_was_opened(model: str) -> None:
    on = {"2400": "OUTP ON", "6487": "SOUR:VOLT:STAT ON"}[model]
    for name, mishap in MISHAPS.items():
        for number in range(20):
            clock = FastClock()
            instrument = VIRTUAL[model](Witness(RESISTANCE, clock), clock)
            instrument.panel(f"SOUR:VOLT 0.5;:{on}")
            served = library(
                {RESOURCE: instrument}, clock, {RESOURCE: mishap.faults(instrument, number)}
            )
            meter = DRIVERS[model](RESOURCE, LIMITS, timer=clock, library=served)
            told = ""
            try:
                with meter:
                    pass
            except InstrumentError as problem:
                told = str(problem)
            # Before it has said what it is, it may be anybody's.
            known = any(
                "OUTP?" in line or "STAT?" in line for line in served.line(RESOURCE).messages
            )
            assert not instrument.on or LIVE in told or not known, (name, number, told)
            assert not instrument.on or told, (name, number)


@pytest.mark.parametrize("model", DRIVERS)
def test_switching_off_what_does_not_answer_takes_two_deadlines(model: str) -> None:
    clock = FastClock()
    instrument = VIRTUAL[model](Witness(RESISTANCE, clock), clock)
    hang: dict[int, Fault] = {}
    served = library({RESOURCE: instrument}, clock, {RESOURCE: hang})
    meter = DRIVERS[model](RESOURCE, LIMITS, timer=clock, library=served, deadline=2.0)
    meter.open()
    meter.configure(LARGEST, COMPLIANCE, nplc=0.1)
    energised = meter.energised()
    energised.__enter__()
    assert instrument.on
    hang[len(served.line(RESOURCE).messages)] = Fault.HANG
    for leave in (meter.safe, meter.close):
        began = clock.now
        with pytest.raises(InstrumentError, match=LIVE):
            leave()
        assert 4.0 <= clock.now - began < 4.1
    assert not instrument.on


def messages_of_a_point(model: str, *, one_question: bool) -> list[str]:
    messages = calm(model, one_question=one_question).messages
    begin, end = messages.index("SOUR:VOLT 0.4"), messages.index("SOUR:VOLT 0.8")
    return messages[begin:end]


@pytest.mark.parametrize(
    ("model", "one_question", "count"),
    [("2400", False, 2), ("6487", False, 2), ("2400", True, 5), ("6487", True, 6)],
)
def test_a_point_is_a_command_and_one_question_where_replies_are_marked(
    model: str, *, one_question: bool, count: int
) -> None:
    assert len(messages_of_a_point(model, one_question=one_question)) == count


# Planted bugs: a checker that finds nothing has to find these.


def without(*headers: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what makes the drivers forget to read these settings back."""

    def forget(patch: pytest.MonkeyPatch) -> None:
        for module in MODULES.values():
            check, check_replies = module.check, module.check_replies

            def some(link: Any, settings: Iterable[Setting], check: Any = check) -> None:
                check(link, [each for each in settings if each.header not in headers])

            def some_replies(
                link: Any,
                settings: Iterable[Setting],
                replies: Iterable[str],
                check: Any = check_replies,
            ) -> None:
                kept = [
                    (setting, reply)
                    for setting, reply in zip(settings, replies, strict=True)
                    if setting.header not in headers
                ]
                check(link, [setting for setting, _ in kept], [reply for _, reply in kept])

            patch.setattr(module, "check", some)
            patch.setattr(module, "check_replies", some_replies)

    return forget


def no_source_check(patch: pytest.MonkeyPatch) -> None:
    without("SOUR:VOLT")(patch)
    patch.setattr(keithley2400, "LEVEL_TOLERANCE", (1.0, 10.0))
    patch.setattr(Keithley6487, "_check_sourced", lambda *_: None)


def no_resynchronisation(patch: pytest.MonkeyPatch) -> None:
    catch_up = visa.Link._catch_up

    def at_first_only(link: visa.Link) -> None:
        if link.marked is None:
            catch_up(link)

    def trusting(link: visa.Link, question: str, expected: float) -> str:
        link.write(marked(question, next(link._marks)))
        return unmarked(question, link._take(link.deadline + expected))[0]

    patch.setattr(visa.Link, "_catch_up", at_first_only)
    patch.setattr(visa.Link, "_marked_exchange", trusting)


def overflow_as_a_number(patch: pytest.MonkeyPatch) -> None:
    for module in MODULES.values():
        patch.setattr(module, "OVERFLOW", float("inf"))


def asking_before_switching_off(patch: pytest.MonkeyPatch) -> None:
    off = OffSwitch.off

    def asking(switch: OffSwitch) -> None:
        switch._link.ask(switch._question)
        off(switch)

    patch.setattr(OffSwitch, "off", asking)


def asking_again_and_again(patch: pytest.MonkeyPatch) -> None:
    for driver in (Keithley2400, Keithley6487):
        measure: Any = driver.measure

        def patient(meter: Any, measure: Any = measure) -> Any:
            for _ in range(10):
                with suppress(InstrumentError):
                    return measure(meter)
            return measure(meter)

        patch.setattr(driver, "measure", patient)


@pytest.mark.parametrize(
    ("plant", "name", "seen"),
    [
        (without("SENS:CURR:PROT", "SOUR:VOLT:ILIM"), "command dropped", "beyond the envelope"),
        (asking_before_switching_off, "every reply dropped", "left on"),
        (no_source_check, "command dropped", "wrong datum"),
        (no_resynchronisation, "reply late", "wrong datum"),
        (overflow_as_a_number, "overflow", "wrong datum"),
        (asking_again_and_again, "every reply dropped", "took"),
        (without("SENS:AVER", "SENS:MED"), "command dropped", "wrong datum"),
        (
            without("SOUR:VOLT:STAR", "SOUR:VOLT:SWE:STAR"),
            "command dropped",
            "beyond the envelope",
        ),
    ],
    ids=[
        "limit not read back",
        "asks before it switches off",
        "source not checked",
        "no resynchronisation",
        "overflow as a number",
        "asks again and again",
        "filter not read back",
        "start of a sweep not read back",
    ],
)
@pytest.mark.parametrize("model", DRIVERS)
def test_a_planted_bug_is_caught(
    model: str,
    plant: Callable[[pytest.MonkeyPatch], None],
    name: str,
    seen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calm(model)  # unspoilt
    plant(monkeypatch)
    assert any(
        problem.startswith(seen)
        for number in numbers(MISHAPS[name], calm(model))
        for problem in found(model, name, [number]).get(number, [])
    )
