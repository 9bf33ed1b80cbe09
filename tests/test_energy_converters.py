import pytest

from crossbar.energy.converters import ADCS, DACS, NONE, Converter

# Power over Nyquist rate in pJ, column AD of the survey's table for the same sessions.
SURVEY = {
    "kull": 2.55,
    "choo": 1.26,
    "elzakker": 1.9,
    "harpe": 6.73828125,
    "liu-10b": 11.3,
    "liu-12b": 3.5,
    "tai": 0.42,
    "bogner": 2240.0,
}


@pytest.mark.parametrize("name", SURVEY)
def test_energies_are_those_of_the_survey(name: str) -> None:
    assert ADCS[name].energy * 1e12 == pytest.approx(SURVEY[name])


def test_isaacs_converters_add_up_to_its_table() -> None:
    assert 8 * ADCS["isaac"].power == pytest.approx(16e-3)
    assert 8 * 128 * DACS["isaac"].power == pytest.approx(4e-3)


@pytest.mark.parametrize("table", [ADCS, DACS], ids=["ADCs", "DACs"])
def test_every_converter_names_its_source_and_has_possible_numbers(
    table: dict[str, Converter],
) -> None:
    assert NONE not in table
    for converter in table.values():
        assert any(digit.isdigit() for digit in converter.source)
        assert min(converter.bits, converter.rate, converter.power, converter.node) > 0


def test_as_many_converters_are_needed_as_keep_up() -> None:
    converter = Converter("SAR", 8, 1e9, 1e-3, 32e-9, "")
    needed = [converter.needed(count, 50e-9) for count in (1, 50, 51, 100, 101)]
    assert needed == [1, 1, 2, 2, 3]
