import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Array
from crossbar.merit.cycles import split
from crossbar.merit.kinds import kind
from merit_curves import curve, switched, triangle
from shared_data import shared

VOLTAGE = triangle(2, -2, 0.05, 3)
RATE = np.gradient(VOLTAGE)


def name(current: Array) -> str:
    return kind(split(curve(VOLTAGE, current))).name


def noise(sigma: float) -> Array:
    return np.random.default_rng(0).normal(0, sigma, len(VOLTAGE))


@pytest.mark.parametrize("sigma", [0.0, 1e-8, 1e-7])
def test_a_device_that_switches_is_memristive(sigma: float) -> None:
    assert name(switched(VOLTAGE) + noise(sigma)) == "memristive"


def test_so_is_one_that_switches_by_a_fifth_and_back() -> None:
    found = kind(split(curve(VOLTAGE, switched(VOLTAGE, low=1e-5, high=1.2e-5))))
    assert found.name == "memristive"
    assert found.at_zero < 0.1


@pytest.mark.parametrize("sigma", [0.0, 1e-7, 1e-6, 2e-6])
def test_a_resistor_is_ohmic_however_noisy(sigma: float) -> None:
    found = kind(split(curve(VOLTAGE, 1e-5 * VOLTAGE + noise(sigma))))
    assert found.name == "ohmic"
    assert "no hysteresis" in found.reason
    if sigma == 0:
        assert found.reason.endswith("the current is that of 1e+05 ohm")
        assert found.phase == pytest.approx(0, abs=2)


def test_a_diode_has_no_hysteresis_and_is_said_to_be_bent() -> None:
    found = kind(split(curve(VOLTAGE, 1e-9 * np.sinh(4 * VOLTAGE))))
    assert found.name == "ohmic"
    assert "not proportional" in found.reason


@pytest.mark.parametrize("leak", [0.0, 1e-10, 5e-10])
def test_a_capacitor_is_one_also_with_a_leak(leak: float) -> None:
    found = kind(split(curve(VOLTAGE, 1e-8 * RATE + leak * VOLTAGE + noise(1e-12))))
    assert found.name == "capacitive"
    assert found.at_zero > 0.8
    if leak == 0:
        assert found.phase == pytest.approx(90, abs=3)


def test_a_memristor_with_a_capacitor_beside_it_is_still_one() -> None:
    found = kind(split(curve(VOLTAGE, switched(VOLTAGE, low=1e-6, high=1e-5) + 4e-5 * RATE)))
    assert found.name == "memristive"
    assert "a capacitance opens it there" in found.reason


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_nothing(seed: int) -> None:
    current = np.random.default_rng(seed).normal(0, 1e-11, len(VOLTAGE))
    found = kind(split(curve(VOLTAGE, current)))
    assert found.name == "open"
    assert "nothing is seen to flow" in found.reason


def test_no_current_at_all_is_nothing_too() -> None:
    assert name(np.zeros(len(VOLTAGE))) == "open"


def test_a_ramp_without_a_way_back_says_nothing() -> None:
    up = np.linspace(0, 2, 50)
    assert kind(split(curve(up, up))).name == "unknown"


def test_a_device_that_breaks_in_its_first_cycle_is_what_it_is_afterwards() -> None:
    current = switched(VOLTAGE, v_reset=-9.0)
    found = kind(split(curve(VOLTAGE, current)))
    assert found.name == "ohmic"
    assert found.reason.endswith("so 2 of 3 cycles, but cycle 0 memristive")


@given(st.integers(-40, 40), st.sampled_from(["memristive", "ohmic", "capacitive", "open"]))
def test_the_kind_does_not_depend_on_the_unit_of_current(power: int, expected: str) -> None:
    current = {
        "memristive": switched(VOLTAGE),
        "ohmic": VOLTAGE + noise(0.01),
        "capacitive": RATE + noise(1e-4),
        "open": noise(1.0),
    }[expected]
    assert name(2.0**power * current) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("10-", "ohmic"), ("17-", "open"), ("8-", "capacitive"), ("5-", "ohmic"),
        *((each, "memristive") for each in ("3-", "4-", "11-", "19-", "20-", "31-", "37-")),
    ],
)  # fmt: skip
def test_measured_files_are_what_their_plots_show(number: str, expected: str) -> None:
    folder = shared("Craig-Venables-Switchbox_GUI")
    files = sorted(folder.glob(f"{number}FS*.txt"))
    assert files
    for path in files:
        voltage, current = np.loadtxt(path, skiprows=1, usecols=(0, 1)).T
        assert kind(split(curve(voltage, current))).name == expected, path.name


def test_25_measured_devices_are_memristive_and_their_cycles_those_of_the_file() -> None:
    path = shared("joksas-mnn-cam/uniformity_iv.csv.gz")
    with gzip.open(path, "rt") as lines:
        table = np.genfromtxt(lines, delimiter=",", names=True, dtype=None, encoding=None)
    for device in np.unique(table["device"]):
        rows = table[table["device"] == device]
        whole = split(curve(rows["voltage_V"], rows["current_A"], str(device)))
        np.testing.assert_array_equal(whole.cycle, rows["cycle"] - 1)
        assert kind(whole).name == "memristive"


def test_54_measured_loops_from_anywhere_are_memristive() -> None:
    folder: Path = shared("knowm-memristor-discovery")
    files = sorted(folder.glob("*/*/*.csv"))
    assert len(files) == 54
    for path in files:
        voltage, current = np.loadtxt(path, delimiter=",").T
        found = split(curve(voltage, 1e-6 * current))
        assert (found.cycles, kind(found).name) == (1, "memristive"), path
