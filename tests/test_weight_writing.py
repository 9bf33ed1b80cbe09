import numpy as np
import pytest

from crossbar import Crossbar
from crossbar.backend import Array, BenchError, Cells, Reading
from crossbar.programming import IsppSettings, WriteVerify
from crossbar.results import ProgramReport
from crossbar.weight_writing import AIMS, Copies
from fake_bench import FakeBench

CELL = WriteVerify(tolerance=0.6e-6, reread_delay=10.0)
FINE = WriteVerify(tolerance=0.2e-6, reread_delay=1.0, pulses=2000)
WEIGHTS = np.random.default_rng(11).normal(size=(6, 5))


class Scattering(FakeBench):
    """Every cell is moved by a normal error of its own when the time after programming is over."""

    spread = 2e-6

    def wait(self, duration: float) -> None:
        super().wait(duration)
        self.conductance += self.spread * self._rng.standard_normal(self.conductance.shape)


class Jumping(FakeBench):
    """A cell stands elsewhere than its verify read said, by a normal error of its own."""

    spread = 2e-6

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__(shape, step=0.3e-6)
        self.error = self.spread * self._rng.standard_normal(shape)

    @property
    def standing(self) -> Array:
        return self.conductance + self.error

    def read(self, cells: Cells, voltage: float) -> Reading:
        return self._converted(self.standing[cells.word, cells.bit] * voltage)

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: float) -> Reading:
        super().pulse(cells, voltages, widths, read_voltage)
        return super().read(cells, read_voltage)


def programmed(
    bench: FakeBench, copies: Copies, weights: Array = WEIGHTS
) -> tuple[Crossbar, ProgramReport]:
    crossbar = Crossbar(bench, CELL, IsppSettings(), copies=copies)
    return crossbar, crossbar.program(weights)


def errors(bench: FakeBench, report: ProgramReport, weights: Array = WEIGHTS) -> Array:
    """Return the differences of conductances, averaged over copies, that are too much, S."""
    (placed,) = report.placed
    return (placed.weights(bench.conductance) - weights) * placed.scale


def test_errors_that_come_after_programming_average_out_over_copies() -> None:
    weights = np.random.default_rng(0).normal(size=(20, 20))
    for count in (1, 4, 9):
        bench = Scattering((120, 60), step=0.4e-6)
        xbar = Crossbar(bench, FINE, IsppSettings(), copies=Copies((count,)))
        sd = errors(bench, xbar.program(weights), weights).std()
        # Two cells per copy; 400 weights know a standard deviation to 1 / sqrt(800) = 3.5 %.
        assert sd == pytest.approx(Scattering.spread * np.sqrt(2 / count), rel=0.1)


def test_aiming_at_the_rest_beats_averaging_by_the_root_of_the_number_of_copies() -> None:
    # Positive, and smaller than the largest: the cell that aims has room both ways.
    weights = np.random.default_rng(0).uniform(0.2, 0.7, size=(20, 20))
    weights[0, 0] = 1.0
    power = {"each": 0.5, "rest": 1.0}
    for count in (1, 4):
        for aim in AIMS:
            bench = Jumping((40, 80))
            xbar = Crossbar(bench, FINE, IsppSettings(), copies=Copies((count,), aim))
            (placed,) = xbar.program(weights).placed
            found = (placed.weights(bench.standing) - weights) * placed.scale
            # A cell aims at what its partner has become, so that one jump per copy is left; of
            # those the last copy makes up for all but its own.
            sd = found.ravel()[1:].std()
            assert sd == pytest.approx(Jumping.spread / count ** power[aim], rel=0.1)


@pytest.mark.parametrize("count", [2, 3])
def test_the_last_copy_makes_up_for_the_bands_of_all_earlier_ones(count: int) -> None:
    bench = FakeBench((6, 30))  # whose cells only know whole microsiemens
    _, report = programmed(bench, Copies((count,), "rest"))
    assert np.abs(errors(bench, report)).max() <= CELL.tolerance / count * (1 + 1e-6)
    other = FakeBench((6, 30))
    _, each = programmed(other, Copies((count,), "each"))
    assert np.abs(errors(other, each)).max() > CELL.tolerance / count * 1.5


def test_a_weight_that_a_stuck_cell_spoils_is_made_up_for_by_its_other_copy() -> None:
    shortfall = {}
    for aim in AIMS:
        bench = FakeBench((2, 2))
        bench.stuck[0, 0] = True
        bench.conductance[0, 0] = 20e-6
        # The largest weight takes the whole window, and one of its two cells stays at 20 of 80.
        _, report = programmed(bench, Copies((2,), aim), np.array([[0.5]]))
        shortfall[aim] = report.shortfall[0].item()
        assert len(list(report.stuck)) == 1
    assert shortfall["each"] == pytest.approx(0.5 * 60 / 78 / 2, rel=0.02)
    # The other copy has no room beyond the window.
    assert shortfall["rest"] == pytest.approx(shortfall["each"])


def test_a_smaller_weight_beside_it_is_made_up_for() -> None:
    weights = np.array([[1.0, 0.4]])
    for aim, lost in (("rest", 0.0), ("each", 0.4 - 18 / 78)):
        bench = FakeBench((2, 4))
        bench.stuck[:, 2] = bench.stuck[:, 3] = [True, False]
        bench.conductance[0, 2:] = 20e-6, 2e-6
        _, report = programmed(bench, Copies((2,), aim), weights)
        assert report.shortfall[0][0, 1] == pytest.approx(lost / 2, abs=0.01)
        if aim == "rest":
            assert np.abs(errors(bench, report, weights)[0, 1]) <= 0.5e-6


def test_copies_take_their_cells_and_pulses_from_the_report() -> None:
    bench = FakeBench((10, 10))
    _, report = programmed(bench, Copies((3,)), np.ones((3, 4)))
    assert report.programmed.sum() == 3 * 2 * 12
    assert report.pulses.sum() == len(bench.pulsed)
    assert np.abs(errors(bench, report, np.ones((3, 4)))).max() <= 0.5e-6


def test_a_shared_reference_is_not_written_again_for_later_copies() -> None:
    bench = FakeBench((4, 9))
    crossbar = Crossbar(bench, CELL, IsppSettings(), mapping="reference", copies=Copies((2,)))
    report = crossbar.program(np.random.default_rng(1).normal(size=(4, 4)))
    reference = report.placed[0].blocks[0].minus[0]
    order = [(word, bit) for word, bit, _ in bench.pulsed]
    others = next(k for k, (_, bit) in enumerate(order) if bit != reference)
    assert reference not in [bit for _, bit in order[others:]]
    assert np.abs(report.placed[0].weights(bench.conductance)).max() > 0


@pytest.mark.parametrize(
    ("copies", "message"),
    [((), "are not 1 or more"), ((0,), "are not 1 or more"), ((2, -1), "are not 1 or more")],
)
def test_impossible_numbers_of_copies_are_refused(copies: tuple[int, ...], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        Copies(copies)


def test_an_unknown_aim_is_refused() -> None:
    with pytest.raises(BenchError, match="'half', which is not one of rest, each"):
        Copies((2,), "half")
