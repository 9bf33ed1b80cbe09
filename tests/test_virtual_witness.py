import numpy as np
import pytest

from crossbar.backend import Array
from fake_bench import LIMITS
from sim_backend.settings import SimulationSettings
from sim_backend.virtual.netlist_switched import RELAY, SwitchedNetlist, SwitchedParts
from sim_backend.virtual.signals import Steps, Stimulus
from sim_backend.virtual.witness import Witness

SETTINGS = SimulationSettings.ideal(4, 4)


def watched(*, serial: bool = False, relay_pin: int | None = None) -> Witness:
    parts = SwitchedParts(select="serial" if serial else "dio")
    return Witness(SwitchedNetlist(SETTINGS, parts), LIMITS, relay_pin=relay_pin)


def live(witness: Witness, word: Array, bit: Array, width: float, start: float) -> None:
    rig = witness._netlist.rig
    rig.live(word[None], bit[None], np.array([width]), start)


def lines(at: int, voltage: float) -> Array:
    values = np.zeros(4)
    values[at] = voltage
    return values


def test_a_pulse_is_a_dose_of_the_cells_that_see_it_whole() -> None:
    witness = watched()
    word = np.full(4, 1.5)
    word[1] = 3.0
    bit = np.full(4, 1.5)
    bit[2] = 0.0
    live(witness, word, bit, 1e-4, 0.5)
    (dose,) = witness.doses
    assert (dose.cells, dose.voltage, dose.start) == (((1, 2),), 3.0, 0.5)
    assert dose.width == pytest.approx(1e-4)
    assert witness.violations == []


def test_reads_are_no_doses_and_stretches_that_touch_are_one() -> None:
    witness = watched()
    live(witness, lines(0, LIMITS.read_voltage), np.zeros(4), 1e-3, 0.0)
    assert witness.doses == []
    for k in range(3):
        live(witness, lines(0, 2.0), np.zeros(4), 1e-3, 1.0 + 1e-3 * k)
    (dose,) = witness.doses
    assert dose.width == pytest.approx(3e-3)
    assert dose.cells == tuple((0, bit) for bit in range(4))


def test_what_is_beyond_the_limits_is_a_violation() -> None:
    witness = watched()
    live(witness, lines(3, 1.1 * LIMITS.voltage), np.zeros(4), 1e-6, 0.0)
    witness.set_source(0.5, 2 * LIMITS.current)
    witness.set_source(-2 * LIMITS.voltage, LIMITS.current)
    assert [violation.kind for violation in witness.violations] == ["envelope", "limit", "envelope"]


def test_a_source_meter_that_is_off_stands_at_its_own_limit() -> None:
    witness = watched()
    witness.set_source(0.0, 1.0)
    assert witness.violations == []
    assert witness.driven() == {}


def test_two_lines_at_once_and_a_switch_under_voltage_are_violations() -> None:
    witness = watched(serial=True)
    witness.switch(frozenset({0, 16}))
    witness.switch(frozenset({0, 1, 16}))
    witness.set_source(0.3, 1e-4)
    witness.switch(frozenset({0, 16}))
    assert [violation.kind for violation in witness.violations] == ["two cells", "hot switching"]
    assert witness.driven() == {"source meter": 0.3, "relays": [0, 16]}


@pytest.mark.parametrize(("voltage", "kinds"), [(0.0, []), (0.5, ["hot switching"])])
def test_a_relay_on_a_pin_may_be_thrown_at_0_v_only(voltage: float, kinds: list[str]) -> None:
    witness = watched(relay_pin=RELAY)
    thrown = Steps(np.array([0.0, 1e-3]), np.array([0, 1 << RELAY]))
    wave, rest = Steps.constant(0.0, voltage), Steps.constant(0.0, 0.0)
    witness.respond(Stimulus(0.0, 2e-3, (wave, rest), thrown, (5.0, -5.0)))
    assert [violation.kind for violation in witness.violations] == kinds
