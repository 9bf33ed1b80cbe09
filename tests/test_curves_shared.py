"""Every file of the measured data reads with one call, as what its README says it is."""

import numpy as np
import pytest

from crossbar.curves.measured import Curve, Measurements, PulseTable, Readings
from crossbar.curves.reading import data_files, read
from shared_data import FOLDER, shared

# Folder, files, curves, cycles, pulses, readings: as the README of each folder counts them.
CONTENT = {
    "Anjiang-Wei-RRAM-Python": (12, 1024, 1024, 65536, 5448 + 1138 + 66560 + 65536 + 28000 + 10**6),
    "Craig-Venables-Switchbox_GUI": (13, 13, 13, 0, 0),
    "IBM-aihwkit": (1, 0, 0, 2000, 0),
    "joksas-mnn-cam": (3, 25, 151, 0, 32000 + 184100),
    "knowm-memristor-discovery": (54, 54, 54, 0, 0),
    "robert-radway-NI-RRAM-Python": (4, 1024, 1024, 0, 20100 + 4096 + 10000),
}
FILES = sorted(
    str(path.relative_to(FOLDER))
    for name in CONTENT
    if (FOLDER / name).is_dir()
    for path in data_files(FOLDER / name)
)


@pytest.mark.parametrize("name", FILES or ["IBM-aihwkit/gong_et_al.csv"])
def test_every_measured_file_reads_with_one_call(name: str) -> None:
    found = read(shared(name))
    everything: list[Curve | PulseTable | Readings] = [*found.curves, *found.pulses]
    everything += found.readings
    assert everything
    for data in everything:
        assert data.origin.notes[0].startswith("taken for")
        assert data.origin.columns
        assert len(data)
    for curve in found.curves:
        assert np.isfinite(curve.current).all()
        assert np.abs(curve.voltage).max() <= 8.1
        assert np.abs(curve.current).max() <= 0.11  # a current in other units would be far above
    for readings in found.readings:
        assert 0 < np.median(readings.conductance) < 1e-2
        assert (readings.conductance > 0).all()


@pytest.mark.parametrize("folder", CONTENT)
def test_a_folder_of_measured_data_holds_what_its_readme_says(folder: str) -> None:
    found = read(shared(folder))
    files = [name for name in FILES if name.startswith(folder)]
    assert (len(files), *counted(found)) == CONTENT[folder]


def counted(found: Measurements) -> tuple[int, int, int, int]:
    return (
        len(found.curves),
        sum(curve.cycles for curve in found.curves),
        sum(map(len, found.pulses)),
        sum(map(len, found.readings)),
    )


def test_knowm_currents_agree_with_ohms_law() -> None:
    for curve in read(shared("knowm-memristor-discovery")).curves:
        series = 47e3 if "47 kohm" in curve.name else 5e3
        assert np.abs(curve.current).max() < 1.2 * 0.8 / series


def test_endurance_states_agree_with_their_conductances() -> None:
    for name in (
        "Anjiang-Wei-RRAM-Python/endurance_log.csv.gz",
        "Anjiang-Wei-RRAM-Python/endurance_slow.tsv.gz",
        "robert-radway-NI-RRAM-Python/1us_endurance.tsv.gz",
    ):
        (readings,) = read(shared(name)).readings
        assert readings.state is not None
        high = np.median(readings.conductance[readings.state == "high"])
        assert high > 3 * np.median(readings.conductance[readings.state == "low"])
