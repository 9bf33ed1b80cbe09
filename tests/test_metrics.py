import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossbar import Crossbar
from crossbar.backend import BenchError
from crossbar.bench import load, open_bench
from crossbar.mapping import Window
from crossbar.programming import IsppSettings, WriteVerify
from crossbar.programming.metrics import (
    NOTHING,
    Metrics,
    effective_bits,
    error_figures,
    multiply_error,
    spread,
)
from fake_bench import FakeBench

CELL = WriteVerify(tolerance=0.6e-6, reread_delay=10.0)
TARGETS = np.random.default_rng(5).uniform(12e-6, 40e-6, (3, 4))


class Drifting(FakeBench):
    """Every cell loses one percent per decade of seconds, counted from the first second on."""

    def wait(self, duration: float) -> None:
        before = np.log10(1 + self.waited)
        super().wait(duration)
        self.conductance *= 1 - 0.01 * (np.log10(1 + self.waited) - before)


def test_cells_are_read_again_at_every_time_counted_from_the_end_of_programming() -> None:
    bench = Drifting((3, 4))
    report = Crossbar(bench, CELL, IsppSettings()).program_conductances(TARGETS)
    assert [read.delay for read in report.rereads] == [0.1, 1.0, 10.0]
    assert [read.after for read in report.rereads] == pytest.approx([0.1, 1.0, 10.0])
    assert bench.waited == pytest.approx(10.0)
    for read in report.rereads:
        lost = 1 - 0.01 * np.log10(1 + read.delay)
        assert read.conductance == pytest.approx(report.ended * lost, rel=1e-3)
    np.testing.assert_array_equal(report.reread, report.rereads[-1].conductance)


def test_the_reread_that_the_settings_ask_for_is_among_them_wherever_it_lies() -> None:
    for delay in (0.0, 0.5, 30.0):
        cell = replace(CELL, reread_delay=delay)
        report = Crossbar(Drifting((3, 4)), cell, IsppSettings()).program_conductances(TARGETS)
        assert [read.delay for read in report.rereads] == sorted([0.1, 1.0, 10.0, delay])
        (there,) = (read for read in report.rereads if read.delay == delay)
        np.testing.assert_array_equal(report.reread, there.conductance)


def test_the_summary_has_every_figure_and_is_plain() -> None:
    bench = Drifting((3, 4))
    bench.stuck[1, 1] = True
    report = Crossbar(bench, CELL, IsppSettings()).program_conductances(TARGETS)
    summary = report.summary()
    assert json.loads(json.dumps(summary)) == summary
    for name in ("pulses_per_cell", "reads_per_cell", "reversals_per_cell", "seconds_per_cell"):
        assert set(spread([])) == set(summary[name])  # type: ignore[call-overload]
    assert summary["energy_per_cell_J"] == spread(report.energy[report.programmed])
    rereads = summary["rereads"]
    assert isinstance(rereads, list)
    assert [read["delay_s"] for read in rereads] == [0.1, 1.0, 10.0]
    assert rereads[-1]["success"] == report.success_on_reread
    assert rereads[-1]["sd_S"] == summary["reread_error_sd_S"]


def test_a_program_of_matrices_measures_nothing_that_it_does_not_need() -> None:
    bench = FakeBench((6, 6))
    report = Crossbar(bench, CELL, IsppSettings()).program(np.ones((2, 2)))
    assert [read.delay for read in report.rereads] == [10.0]
    assert report.disturb == ()
    assert report.multiply is None
    assert report.summary()["disturb"] is None


def test_products_are_worth_what_the_cells_are_off() -> None:
    bench = FakeBench((8, 8))
    rng = np.random.default_rng(2)
    bench.conductance = rng.uniform(1e-5, 5e-5, (8, 8))
    wrong = bench.conductance * (1 + 0.1 * rng.standard_normal((8, 8)))
    exact, off = multiply_error(bench, np.zeros(8), 0.3, 400, [bench.conductance, wrong])
    # Independent errors of 10 % of each term are, in the rms, 10 % of the sum.
    assert exact == pytest.approx(0.0, abs=1e-12)
    assert off == pytest.approx(0.1, rel=0.2)


def test_a_stuck_cell_spoils_products_and_is_told_from_the_rest() -> None:
    bench = FakeBench((3, 4))
    bench.stuck[1, 1] = True
    bench.gain = 1.02
    report = Crossbar(bench, CELL, IsppSettings()).program_conductances(TARGETS)
    error = report.multiply
    assert error is not None
    # The bench's own gain is all that is wrong against the cells as they were read.
    assert error.before == pytest.approx(0.02)
    assert error.after_read == pytest.approx(0.02)
    assert error.after > 2 * error.after_unstuck
    assert error.after_unstuck == pytest.approx(0.02, abs=0.01)


def test_products_beyond_the_converter_are_left_out() -> None:
    bench = FakeBench((3, 4))
    truth = bench.conductance.copy()
    bench.range = 2e-6
    (error,) = multiply_error(bench, np.zeros(4), 0.3, 100, [truth])
    assert error == pytest.approx(0.0, abs=1e-12)
    bench.range = 0.0
    assert np.isnan(multiply_error(bench, np.zeros(4), 0.3, 5, [truth])).all()


def test_effective_bits_are_the_levels_that_errors_leave_apart() -> None:
    window = Window(0.0 + 1e-6, 1e-6 + 16 * 2 * 1.96 * 1e-6)
    assert effective_bits(1e-6, window) == pytest.approx(4.0)
    assert effective_bits(2e-6, window) == pytest.approx(3.0)
    assert effective_bits(0.0, window) is None


def test_error_figures_are_those_of_the_distribution() -> None:
    error = 1e-6 * np.random.default_rng(0).standard_normal(100_000)
    found = error_figures(error, Window(2e-6, 80e-6))
    assert found["median_S"] == pytest.approx(0.6745e-6, rel=0.02)
    assert found["p95_S"] == pytest.approx(1.96e-6, rel=0.02)
    assert found["sd_of_range"] == pytest.approx(1 / 78, rel=0.02)
    assert set(error_figures(np.empty(0), Window(2e-6, 80e-6)).values()) == {None}


@pytest.mark.parametrize(
    "change", [{"rereads": (1.0, -1.0)}, {"rereads": (np.nan,)}, {"multiplies": -1}]
)
def test_impossible_metrics_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(BenchError, match=next(iter(change))):
        Metrics(**change)  # type: ignore[arg-type]  # the wrong value is the test


def test_a_bench_file_says_what_is_measured_and_how_cells_are_accepted(tmp_path: Path) -> None:
    text = load("ideal").text.replace(
        "[programming]\n",
        '[programming]\nverify_reads = 4\nguard = 1.5\nenergy = 1e-6\norder = "lines"\n',
        1,
    )
    text += "\n[programming.metrics]\nrereads = [0.5]\ndisturb = false\nmultiplies = 0\n"
    path = tmp_path / "bench.toml"
    path.write_text(text, encoding="utf-8")
    programming = load(str(path)).programming
    assert programming.metrics == Metrics(rereads=(0.5,), disturb=False, multiplies=0)
    assert programming.cell.guard == 1.5
    assert programming.cell.energy == 1e-6
    assert programming.cell.reversals is None
    with open_bench(str(path)) as bench:
        assert bench.crossbar().metrics == programming.metrics
    path.write_text(text.replace("disturb = false", "disturbs = false"), encoding="utf-8")
    with pytest.raises(BenchError, match=r"\[programming.metrics\]: unknown key 'disturbs'"):
        load(str(path))


def test_what_is_measured_costs_no_pulse() -> None:
    pulses = []
    for metrics in (NOTHING, Metrics()):
        bench = FakeBench((3, 4))
        Crossbar(bench, CELL, IsppSettings(), metrics=metrics).program_conductances(TARGETS)
        pulses.append(bench.pulsed)
    assert pulses[0] == pulses[1]
