import numpy as np
import pytest

from crossbar.backend import Array, InstrumentError
from instruments.discovery_playback import check_against, commanded
from instruments.discovery_scope import Acquisition

PULSE = np.array([0.0, 1.0, 1.0, 0.1, 0.1])
INTERVAL = 1e-5
RECORD = Acquisition(1e6, 70, start=-1e-5)


def expected() -> Array:
    return commanded(PULSE, INTERVAL, RECORD.times, settle=2e-6)


def test_times_of_a_record_begin_at_its_start() -> None:
    assert RECORD.times[0] == pytest.approx(-1e-5)
    assert RECORD.times[-1] == pytest.approx(5.9e-5)
    assert RECORD.duration == pytest.approx(7e-5)


def test_commanded_levels_hold_between_their_edges() -> None:
    levels = expected()
    assert levels[0] == 0.0
    assert levels[25] == 1.0
    assert levels[45] == 0.1
    assert levels[65] == 0.0


def test_nothing_is_expected_while_an_edge_settles() -> None:
    levels = expected()
    assert np.isnan(levels[20:22]).all()
    assert levels[23] == 1.0
    assert levels[19] == 0.0


def test_what_was_commanded_passes() -> None:
    seen = np.nan_to_num(expected(), nan=7.0)
    check_against(expected(), seen + 0.009, 0.01)


def test_waveform_that_did_not_play_is_found() -> None:
    message = r"W1 did not play .*: 1 V was commanded and 0 V was seen at sample 2\d"
    with pytest.raises(InstrumentError, match=message):
        check_against(expected(), np.zeros(70), 0.01)


def test_one_wrong_sample_is_found() -> None:
    seen = np.nan_to_num(expected(), nan=0.0)
    seen[45] = 0.2
    with pytest.raises(InstrumentError, match=r"0\.2 V was seen at sample 45"):
        check_against(expected(), seen, 0.01)


def test_a_sample_that_is_no_number_is_found() -> None:
    seen = np.nan_to_num(expected(), nan=0.0)
    seen[45] = np.nan
    with pytest.raises(InstrumentError, match="nan V was seen at sample 45"):
        check_against(expected(), seen, 0.01)


def test_tolerance_may_differ_between_samples() -> None:
    seen = np.nan_to_num(expected(), nan=0.0) * 1.01
    check_against(expected(), seen, 1e-3 + 0.01 * np.abs(expected()))
    with pytest.raises(InstrumentError):
        check_against(expected(), seen, 1e-3 + 0.005 * np.abs(expected()))
