import pytest

from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.watched_resistor import Reading, Taken, Witness, is_true


def watched() -> tuple[Witness, Virtual2400, FastClock]:
    clock = FastClock()
    witness = Witness(1e3, clock)
    meter = Virtual2400(witness, clock)
    witness.source_meter = meter
    return witness, meter, clock


def test_what_stands_at_the_terminals_is_written_down() -> None:
    witness, meter, _ = watched()
    for line in ("SENS:CURR:PROT 1e-3", "SOUR:VOLT 0.5", "OUTP ON", "SOUR:VOLT 2", "OUTP OFF"):
        meter.handle(line)
    assert [(each.voltage, each.limit) for each in witness.driven if each.on] == [
        (0.5, 1e-3),
        (2.0, 1e-3),
    ]
    assert not witness.beyond(2.0, 1e-3)
    assert [each.voltage for each in witness.beyond(1.0, 1e-3)] == [2.0]
    assert len(witness.beyond(2.0, 0.9e-3)) == 2


def test_no_two_readings_are_the_same_and_each_is_remembered() -> None:
    witness, meter, clock = watched()
    for line in ("SOUR:VOLT 0.05", "OUTP ON", "READ?"):
        meter.handle(line)
    clock.sleep(1.0)
    meter.handle("READ?")
    first, second = witness.taken
    assert first.current == pytest.approx(0.05 / first.resistance)
    assert second.current < first.current * (1 - 5e-3)


def test_open_terminals_drive_nothing() -> None:
    witness, meter, _ = watched()
    for line in ("OUTP:SMOD HIMP", "SOUR:VOLT 1", "OUTP ON", "OUTP OFF"):
        meter.handle(line)
    assert witness.driven[-1].voltage == 0.0
    assert not witness.driven[-1].on


FREE, LIMITED = Taken(1e3, 0.5, 5e-4), Taken(1e3, 1.0, 1e-3)


@pytest.mark.parametrize(
    ("taken", "level", "reading", "true"),
    [
        ([FREE], 0.5, Reading(0.5, 5e-4, False, True), True),
        ([LIMITED, FREE], 0.5, Reading(0.5, 5e-4, False, True), True),
        ([LIMITED], 2.0, Reading(1.0, 1e-3, True, True), True),
        ([LIMITED], -2.0, Reading(1.0, 1e-3, True, True), False),
        # Without a voltmeter the voltage is the level.
        ([LIMITED], 2.0, Reading(2.0, 1e-3, True, False), True),
        ([LIMITED], 2.0, Reading(2.0, 1e-3, True, True), False),
        # A flag too many says nothing wrong, a flag too few does.
        ([FREE], 0.5, Reading(0.5, 5e-4, True, True), True),
        ([LIMITED], 2.0, Reading(1.0, 1e-3, False, True), False),
        # Not taken at this level; not taken now; other numbers.
        ([FREE], 0.6, Reading(0.5, 5e-4, False, True), False),
        ([], 0.5, Reading(0.5, 5e-4, False, True), False),
        ([FREE], 0.5, Reading(0.5, 5.1e-4, False, True), False),
        ([FREE], 0.5, Reading(0.6, 5e-4, False, True), False),
        ([FREE], 0.5, Reading(0.5, float("nan"), False, True), False),
    ],
)
def test_a_reading_is_true_or_not(
    taken: list[Taken], level: float, reading: Reading, *, true: bool
) -> None:
    assert is_true(taken, reading, level=level, limit=1e-3) is true
