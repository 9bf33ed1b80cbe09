"""Each format on a small file of its own kind."""

from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.curves.formats import FORMATS
from crossbar.curves.measured import Curve, Measurements
from crossbar.curves.reading import guess, read


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def only(found: Measurements) -> Curve:
    (curve,) = found.curves
    return curve


def test_every_format_says_what_it_is_in_one_line() -> None:
    assert all(one.title and "\n" not in one.title for one in FORMATS.values())


# --- Keithley ---

KICKSTART = """Test Name,I-V Characterizer
Instrument,"Keithley 2450, 04123456"
Steps,4

CH1 Time,CH1 Source,CH1 Current,CH2 Source,CH2 Current
0,0,1e-12,1,1e-9
0.1,0.5,1e-9,1,1e-9
0.2,1,2e-9,1,1e-9
"""


def test_a_keithley_export_gives_the_channel_whose_voltage_moves(tmp_path: Path) -> None:
    path = written(tmp_path, "A1.csv", KICKSTART)
    assert guess(path).format == "keithley"
    curve = only(read(path))
    assert curve.name == "A1 CH1"
    assert curve.voltage.tolist() == [0, 0.5, 1]
    assert curve.time is not None
    assert curve.time.tolist() == [0, 0.1, 0.2]
    assert any("documented for this format" in note for note in curve.origin.notes)
    assert any("voltage of A1 CH2 never moves" in note for note in curve.origin.notes)


def test_terminals_of_a_clarius_export_are_paired(tmp_path: Path) -> None:
    path = written(tmp_path, "A1.csv", "Time,AV,AI\n0,0,0\n1,0.5,1e-9\n")
    curve = only(read(path))
    assert (curve.name, curve.origin.format) == ("A1", "keithley")
    assert curve.current.tolist() == [0, 1e-9]


def test_a_measured_voltage_is_preferred_to_the_sourced_one(tmp_path: Path) -> None:
    text = "CH1 Source,CH1 Voltage,CH1 Current\n0,0,0\n1,0.9,1e-3\n"
    assert only(read(written(tmp_path, "A1.csv", text))).voltage.tolist() == [0, 0.9]


def test_a_source_of_current_is_not_taken_for_a_voltage(tmp_path: Path) -> None:
    text = "CH1 Source,CH1 Voltage\n1e-6,0\n2e-6,0.5\n"
    curve = only(read(written(tmp_path, "A1.csv", text)))
    assert curve.current.tolist() == [1e-6, 2e-6]
    assert curve.voltage.tolist() == [0, 0.5]


BUFFER = "Model,2450\nSerial,1\nIndex,Reading,Unit,Source\n1,{0},{1},0\n2,2e-6,{2},0.5\n"


def test_a_buffer_says_in_its_unit_column_what_was_read(tmp_path: Path) -> None:
    text = "Keithley buffer\n" + BUFFER.format("1e-6", "Amp DC", "Amp DC")
    curve = only(read(written(tmp_path, "A1.csv", text)))
    assert (curve.voltage.tolist(), curve.current.tolist()) == ([0, 0.5], [1e-6, 2e-6])


@pytest.mark.parametrize(
    ("units", "message"),
    [(("Amp DC", "Volt DC"), "mixed units: readings are in"), (("Ohm", "Ohm"), "not stated")],
)
def test_a_buffer_of_something_else_is_refused(
    tmp_path: Path, units: tuple[str, str], message: str
) -> None:
    text = "Keithley buffer\n" + BUFFER.format("1e-6", *units)
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, "A1.csv", text))


def test_stated_columns_overrule_keithleys(tmp_path: Path) -> None:
    curve = only(read(written(tmp_path, "A1.csv", KICKSTART), columns="V=2:mV,I=3:uA"))
    assert curve.voltage.tolist() == pytest.approx([0, 5e-4, 1e-3])


# --- Switchbox and Knowm ---


def test_a_switchbox_file_is_in_volts_amperes_and_seconds(tmp_path: Path) -> None:
    text = "Voltage Current Time\n0.0\t1e-9\t0.1\n0.05\t2e-9\t0.2\n"
    curve = only(read(written(tmp_path, "3-FS-2.0v-0.05sv-0.05sd-Py-St_v2-.txt", text)))
    assert curve.origin.format == "switchbox"
    assert curve.current.tolist() == [1e-9, 2e-9]
    assert any("not in the header, documented" in note for note in curve.origin.notes)


def test_the_same_header_in_another_file_states_no_unit(tmp_path: Path) -> None:
    text = "Voltage Current Time\n0.0\t1e-9\t0.1\n0.05\t2e-9\t0.2\n"
    with pytest.raises(DataError, match="unit of the voltage"):
        read(written(tmp_path, "mine.txt", text))


def test_a_knowm_folder_is_in_microamperes_and_says_so(tmp_path: Path) -> None:
    rows = "0.0,0.0\n0.1,1.5\n0.0,-0.5\n-0.1,-1.5\n"
    for name in ("Memristor", "Resistor+Memristor"):
        written(tmp_path, f"47kohm_.8V_100Hz_M2/{name}.csv", rows)
    device, both = read(tmp_path).curves
    assert device.name == "M2 0.8 V 100 Hz 47 kohm"
    assert both.name == "M2 0.8 V 100 Hz 47 kohm with its series resistor"
    assert device.current.tolist() == pytest.approx([0, 1.5e-6, -0.5e-6, -1.5e-6])
    assert device.time is not None
    assert device.time.tolist() == pytest.approx([0, 0.0025, 0.005, 0.0075])
    assert "current in uA: documented for this format, the file does not say" in device.origin.notes


def test_a_knowm_file_elsewhere_is_not_recognised_but_can_be_stated(tmp_path: Path) -> None:
    path = written(tmp_path, "Memristor.csv", "0.0,0.0\n0.1,1.5\n")
    with pytest.raises(DataError, match="without a header"):
        read(path)
    assert only(read(path, format="knowm")).current.tolist() == pytest.approx([0, 1.5e-6])


# --- pulse tables ---


def test_up_and_down_columns_are_one_cycle_of_two_trains(tmp_path: Path) -> None:
    path = written(tmp_path, "p.csv", "UP (uS),DOWN (uS)\n1,4\n2,3\n3,\n")
    (table,) = read(path).pulses
    assert table.conductance.tolist() == pytest.approx([1e-6, 2e-6, 3e-6, 4e-6, 3e-6])
    assert table.polarity.tolist() == [1, 1, 1, -1, -1]
    assert table.cycle.tolist() == [0] * 5
    assert not table.normalised


def test_the_published_pulse_table_is_known_by_its_name_and_normalised(tmp_path: Path) -> None:
    (table,) = read(written(tmp_path, "gong_et_al.csv", "-0.8,0.7\n-0.7,0.6\n")).pulses
    assert table.normalised
    assert table.conductance.tolist() == [-0.8, -0.7, 0.7, 0.6]


def test_another_pulse_table_needs_its_columns_and_may_be_normalised(tmp_path: Path) -> None:
    path = written(tmp_path, "mine.csv", "1,10\n2,20\n")
    with pytest.raises(DataError, match=r"columns='G=2:uS' or columns='up=1:1,down=2:1'"):
        read(path, format="pulses")
    (table,) = read(path, format="pulses", columns="G=2:1").pulses
    assert table.normalised
    (table,) = read(path, format="pulses", columns="G=2:uS").pulses
    assert table.conductance.tolist() == pytest.approx([1e-5, 2e-5])


def test_a_pulse_table_tells_amplitude_width_and_cycle(tmp_path: Path) -> None:
    text = (
        "pulse,cycle,Pulse amplitude (V),Pulse width (us),Resistance (kohm)\n"
        "1,1,2,10,100\n2,1,-2,20,200\n1,2,2,10,100\n"
    )
    path = written(tmp_path, "p.csv", text)
    assert guess(path).format == "pulses"
    (table,) = read(path).pulses
    assert table.conductance.tolist() == pytest.approx([1e-5, 5e-6, 1e-5])
    assert table.polarity.tolist() == [1, -1, 1]
    assert table.cycle.tolist() == [0, 0, 1]
    assert table.width is not None
    assert table.width.tolist() == pytest.approx([1e-5, 2e-5, 1e-5])


def test_time_and_resistance_are_retention(tmp_path: Path) -> None:
    text = "Time (min),cell,R (kohm)\n1,A,10\n2,A,20\n3,B,nan\n4,B,10\n6,B,10\n"
    path = written(tmp_path, "r.txt", text)
    assert guess(path).format == "retention"
    (readings,) = read(path).readings
    assert readings.labels == ("A", "B")
    assert readings.conductance.tolist() == pytest.approx([1e-4, 5e-5, 1e-4, 1e-4])
    assert readings.time is not None
    assert readings.time.tolist() == pytest.approx([0, 60, 0, 120])
    assert "1 rows left out without time or conductance" in readings.origin.notes


def test_retention_without_a_header_needs_its_columns_stated(tmp_path: Path) -> None:
    path = written(tmp_path, "r.txt", "0 1e4\n1 2e4\n")
    with pytest.raises(DataError, match="columns='t=1:s,R=2:ohm'"):
        read(path, format="retention")
    (readings,) = read(path, format="retention", columns="t=1:s,R=2:ohm").readings
    assert readings.conductance.tolist() == pytest.approx([1e-4, 5e-5])


# --- ArC ONE ---

ARC_ONE = """session
Mon Jan  1 00:00:00 2024
Wordline,Bitline,Resistance,Amplitude (V),Pulse width (s),Tag,ReadTag,ReadVoltage
1,2,10000,0.5,0,S R,R2 V=0.5,0.5
1,2,8000,1.5,1e-06,P,R2 V=0.5,0.5
1,2,16000,-1.5,1e-06,P,R2 V=0.5,0.5
1,2,inf,1,1e-06,P,R2 V=0.5,0.5
3,4,1000,0.1,0.05,CT_s,R2 V=0.5,0.1
3,4,1000,0.2,0.05,CT_i_1,R2 V=0.5,0.2
3,4,500,0.1,0.05,CT_i_2,R2 V=0.5,0.1
3,4,500,0.2,0.05,CT_e,R2 V=0.5,0.2
5,6,2000,0.5,0,RET_s,R2 V=0.5,0.5
5,6,2000,0.5,0,RET_1700000000.5,R2 V=0.5,0.5
5,6,4000,0.5,0,RET_1700000002.5,R2 V=0.5,0.5
"""


def test_an_arc_one_session_gives_pulses_curves_and_reads_per_cell(tmp_path: Path) -> None:
    path = written(tmp_path, "session.csv", ARC_ONE)
    assert guess(path).format == "arc-one"
    found = read(path)
    (pulses,) = found.pulses
    assert pulses.name == "W1B2"
    assert pulses.conductance.tolist() == pytest.approx([1 / 8000, 1 / 16000])
    assert pulses.polarity.tolist() == [1, -1]
    assert pulses.width is not None
    assert pulses.width.tolist() == [1e-6, 1e-6]
    assert "1 rows left out without a resistance" in pulses.origin.notes
    (curve,) = found.curves
    assert curve.name == "W3B4"
    assert curve.current.tolist() == pytest.approx([1e-4, 2e-4, 2e-4, 4e-4])
    assert curve.cycle.tolist() == [0, 0, 1, 1]
    reads = {reads.name: reads for reads in found.readings}
    assert set(reads) == {"W1B2", "W5B6"}
    time = reads["W5B6"].time
    assert time is not None
    np.testing.assert_array_equal(time, [np.nan, 0, 2])
    assert reads["W5B6"].voltage == 0.5


def test_another_file_is_no_arc_one_session(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a session of ArC ONE"):
        read(written(tmp_path, "a.csv", "V (V),I (A)\n0,0\n1,1\n"), format="arc-one")
