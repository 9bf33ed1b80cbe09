import pytest

from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.lines import Line
from sim_backend.virtual.mishaps import BLIND, BOTH, MISHAPS, USED, SourceMeter
from sim_backend.virtual.world import Resistor


def meter(model: type[SourceMeter]) -> SourceMeter:
    clock = FastClock()
    return model(Resistor(1e4, clock), clock)


@pytest.mark.parametrize("model", BOTH)
def test_a_used_instrument_is_off_and_otherwise_as_nobody_wants_it(
    model: type[SourceMeter],
) -> None:
    fresh, used = meter(model), meter(model)
    for command in USED[model]:
        used.panel(command)
    assert used.handle("SYST:ERR?") == '0,"No error"'
    assert not used.on
    changed = [
        name
        for name in fresh._settings.__dataclass_fields__
        if getattr(fresh._settings, name) != getattr(used._settings, name)
    ]
    assert len(changed) > 12


@pytest.mark.parametrize("name", [*MISHAPS, *BLIND])
def test_each_mishap_changes_what_an_instrument_does_or_says(name: str) -> None:
    mishap = {**MISHAPS, **BLIND}[name]
    for model in mishap.models:
        on = "OUTP ON" if model is Virtual2400 else "SOUR:VOLT:STAT ON"
        enabled = "OUTP:ENAB ON" if model is Virtual2400 else "SYST:ZCH OFF;:SOUR:VOLT:INT ON"
        limit = "SENS:CURR:PROT?" if model is Virtual2400 else "SYST:ZCH?;:SOUR:VOLT:ILIM?"
        told = (enabled, "SOUR:VOLT 0.5", on, "READ?", f"SYST:ERR?;:{limit};*ESE?")
        seen = []
        for number in (99, 3):
            spoilt = meter(model)
            line = Line(spoilt, mishap.faults(spoilt, number), terminal=False)
            came = [line.take(bytearray(text.encode() + b"\n")) for text in told]
            seen.append((came, line.unplugged))
        assert seen[0] != seen[1]


def test_what_happens_to_one_model_only_says_so() -> None:
    assert MISHAPS["zero check pressed"].models == (Virtual6487,)
    assert MISHAPS["overflow"].models == (Virtual2400, Virtual6487)
