"""Writes that are read again: read from a log, repeated on a bench, drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.curves.reading import read
from crossbar.figures.relaxation import relaxation_figure
from crossbar.programming import IsppSettings, WriteVerify
from crossbar.programming.rereads import Rereads, measured_rereads, repeat_rereads
from sim_backend import SimulatedBackend, SimulationSettings

LOG = """\
Init\t40000\t10000000\t7\t99.0\t50000\t2e-05
Write\t9900\t10100\t7\t100.0\t10000\t1e-04
Read\t0\t11000\t7\t100.015\t10050\t9.950248756218905e-05
Read\t0\t11000\t7\t101.0\t12500\t8e-05
Init\t40000\t10000000\t9\t110.0\t50000\t2e-05
Write\t19800\t20200\t9\t111.0\t20000\t5e-05
Read\t0\t11000\t9\t111.02\t20100\t4.975124378109453e-05
Read\t0\t11000\t9\t112.0\t20150\t4.962779156327543e-05
"""


def small(tmp_path: Path) -> Rereads:
    path = tmp_path / "testlog_small.tsv"
    path.write_text(LOG, encoding="utf-8")
    return measured_rereads(read(path).readings[0])


def test_a_log_gives_bands_verify_reads_and_times(tmp_path: Path) -> None:
    data = small(tmp_path)
    np.testing.assert_array_equal(data.cell, [0, 1])
    np.testing.assert_allclose(data.low, [1 / 10100, 1 / 20200])
    np.testing.assert_allclose(data.high, [1 / 9900, 1 / 19800])
    np.testing.assert_allclose(data.verified, [1e-4, 5e-5])
    np.testing.assert_allclose(data.times, [[0.015, 1.0], [0.02, 1.0]], atol=1e-6)
    np.testing.assert_allclose(data.change, [[0.005, 0.25], [0.005, 0.0075]], rtol=1e-6)
    np.testing.assert_array_equal(data.inside, [1.0, 0.5])
    assert data.verified_inside == 1.0


def test_readings_that_are_no_such_log_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "testlog_small.tsv"
    path.write_text(LOG, encoding="utf-8")
    after, before = read(path).readings
    with pytest.raises(DataError, match="not the readings of a log"):
        measured_rereads(before)
    path.write_text("\n".join(LOG.splitlines()[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="1 to 2 re-reads"):
        measured_rereads(read(path).readings[0])
    assert len(after)


def test_a_bench_repeats_a_log_at_its_times(tmp_path: Path) -> None:
    like = small(tmp_path)
    seen: list[tuple[int, int]] = []
    with SimulatedBackend(SimulationSettings(line_resistance=0.0)) as backend:
        found = repeat_rereads(
            backend,
            like,
            (2e-6, 6e-6),
            WriteVerify(read_voltage=0.2),
            IsppSettings(),
            lambda done, all_: seen.append((done, all_)),
        )
    assert seen == [(1, 2), (2, 2)]
    assert found.verified_inside == 1.0
    np.testing.assert_allclose(found.times, like.times, atol=1e-9)
    assert np.abs(found.change).max() < 0.5


def test_re_reads_that_come_before_the_last_has_ended_are_refused(tmp_path: Path) -> None:
    like = small(tmp_path)
    hurried = replace(like, times=np.array([[1.0, 0.5], [1.0, 0.5]]))
    with (
        SimulatedBackend(SimulationSettings(line_resistance=0.0)) as backend,
        pytest.raises(DataError, match=r"due 0\.5 s after a write"),
    ):
        repeat_rereads(backend, hurried, (2e-6, 6e-6), WriteVerify(), IsppSettings())


def test_the_figure_shows_both_and_refuses_what_cannot_be_compared(tmp_path: Path) -> None:
    data = small(tmp_path)
    figure = relaxation_figure(data, data, "title", "note")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Still in the band",
        "Size of the change",
        "Its distribution",
    ]
    shares = [line.get_ydata() for line in figure.axes[0].lines]
    np.testing.assert_array_equal(shares[0], [100.0, 50.0])
    with pytest.raises(DataError, match="nothing to draw"):
        relaxation_figure(data.part(slice(0, 0)), data, "title", "note")
    once = replace(data, times=data.times[:, :1], reread=data.reread[:, :1])
    with pytest.raises(DataError, match="2 re-reads and simulated ones 1"):
        relaxation_figure(data, once, "title", "note")
