import numpy as np
import pytest

from crossbar.backend import Array, BenchError, Mask
from crossbar.calibration import fit_calibration, measure_offset
from fake_bench import FakeBench

RNG = np.random.default_rng(5)


def none(digital: Array) -> Mask:
    return np.zeros(digital.shape, dtype=np.bool_)


def test_the_offset_is_what_flows_at_zero_volts() -> None:
    bench = FakeBench((3, 4))
    bench.offset = np.array([1e-8, -2e-8, 0.0, 3e-8])
    assert measure_offset(bench, 8) == pytest.approx(bench.offset)


def test_offset_and_gain_are_found_and_taken_out() -> None:
    digital = RNG.normal(size=(50, 3))
    raw = np.array([0.2, -0.1, 0.0]) + np.array([0.9, 1.1, 1.0]) * digital
    calibration = fit_calibration(raw, digital, none(digital))
    assert calibration.gain == pytest.approx([0.9, 1.1, 1.0])
    assert calibration.offset == pytest.approx([0.2, -0.1, 0.0])
    assert calibration.correct(raw) == pytest.approx(digital)
    assert calibration.trusted.all()


def test_the_residual_is_the_noise_in_units_of_the_corrected_product() -> None:
    digital = RNG.normal(size=(20_000, 1))
    raw = 0.5 * digital + 0.1 * RNG.normal(size=digital.shape)
    assert fit_calibration(raw, digital, none(digital)).residual == pytest.approx([0.2], rel=0.03)


@pytest.mark.parametrize(
    "raw",
    [
        RNG.normal(size=(30, 1)),  # noise alone
        -np.linspace(-1, 1, 30)[:, None],  # a product of the wrong sign
    ],
)
def test_an_output_whose_gain_is_not_positive_is_left_alone(raw: np.ndarray) -> None:
    digital = np.linspace(-1, 1, 30)[:, None]
    calibration = fit_calibration(raw, digital, none(digital))
    assert not calibration.trusted.any()
    assert np.array_equal(calibration.correct(raw), raw)
    assert calibration.residual == pytest.approx(np.sqrt(np.mean((raw - digital) ** 2)))


def test_a_constant_output_is_left_alone_without_a_warning() -> None:
    calibration = fit_calibration(
        RNG.normal(size=(30, 1)), np.ones((30, 1)), none(np.ones((30, 1)))
    )
    assert calibration.gain.tolist() == [1.0]
    assert not calibration.trusted.any()


def test_one_clipped_product_leaves_its_output_uncorrected() -> None:
    digital = RNG.normal(size=(50, 2))
    clipped = none(digital)
    clipped[7, 1] = True
    calibration = fit_calibration(0.5 * digital, digital, clipped)
    assert calibration.trusted.tolist() == [True, False]
    assert calibration.gain == pytest.approx([0.5, 1.0])


def test_an_offset_beyond_the_range_is_not_an_offset() -> None:
    bench = FakeBench((3, 4))
    bench.offset = np.array([0.0, 0.0, 2e-6, 0.0])
    bench.range = 1e-6
    with pytest.raises(BenchError, match="bit line 2"):
        measure_offset(bench, 8)
