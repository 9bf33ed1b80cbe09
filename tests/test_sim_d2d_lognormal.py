import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.backend import Array, BenchError
from sim_backend.devices.d2d_lognormal import D2DLognormal

SHAPE = (300, 300)
SETTINGS = [(0.25, 0.25), (0.05, 0.5), (0.5, 0.5)]
WINDOW = {"window_on": 1e-4, "window_off": 2e-5}


def spread(sigma: tuple[float, float], conductance: float, seed: int = 0) -> Array:
    """Return resistances of cells whose model says the same conductance of each, ohm."""
    model = D2DLognormal("ideal", None, *sigma, **WINDOW)
    draws = np.random.default_rng(seed).standard_normal(SHAPE)
    resistances: Array = 1 / model.disturbed(np.full(SHAPE, conductance), draws)
    return resistances


@pytest.mark.parametrize("sigma", SETTINGS)
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_the_mean_resistance_is_the_models_and_sigma_is_linear_in_it(
    sigma: tuple[float, float], part: float
) -> None:
    on, off = 1e4, 5e4
    resistance = on + part * (off - on)
    logs = np.log(spread(sigma, 1 / resistance))
    expected = sigma[0] + part * (sigma[1] - sigma[0])
    assert logs.std() == pytest.approx(expected, rel=0.01)
    assert np.exp(logs).mean() == pytest.approx(resistance, rel=0.01)
    assert logs.mean() == pytest.approx(np.log(resistance) - expected**2 / 2, abs=0.005)


@pytest.mark.parametrize("sigma", SETTINGS)
def test_the_mean_conductance_exceeds_the_models_as_the_formula_says(
    sigma: tuple[float, float],
) -> None:
    conductances = 1 / spread(sigma, 2e-5)  # at the lower end, where σ is sigma_off
    assert conductances.mean() == pytest.approx(2e-5 * np.exp(sigma[1] ** 2), rel=0.02)


@settings(deadline=None)
@given(
    st.sampled_from([*SETTINGS, (0.5, 0.05), (0.0, 0.0)]),
    st.floats(-5, 5),
    st.just(0.0) | st.floats(1e-15, 1e-3),
)
def test_every_conductance_can_be_undisturbed(
    sigma: tuple[float, float], draw: float, conductance: float
) -> None:
    model = D2DLognormal("ideal", None, *sigma, **WINDOW)
    wanted, z = np.array([conductance]), np.array([draw])
    before = model.undisturbed(wanted, z)
    np.testing.assert_allclose(model.disturbed(before, z), wanted, rtol=1e-12)


def test_a_tenth_of_less_uniform_cells_conducts_more_at_a_larger_resistance() -> None:
    model = D2DLognormal("ideal", None, 0.05, 0.5, **WINDOW)
    draws = np.random.default_rng(1).standard_normal(100_000)
    near_end = model.disturbed(np.full(100_000, 2.02e-5), draws)
    at_end = model.disturbed(np.full(100_000, 2e-5), draws)
    assert (at_end > near_end).mean() == pytest.approx(0.10, abs=0.01)


def test_z_belongs_to_the_cell() -> None:
    cells = D2DLognormal("ideal", None, 0.5, 0.5, **WINDOW).build(
        (20, 20), np.random.default_rng(2)
    )
    first = cells.conductance(0.0)
    word, bit = np.indices((20, 20)).reshape(2, -1)
    for voltage in (4.0, -4.0):
        cells.pulse((word, bit), np.full(400, voltage), np.ones(400), np.zeros(400))
    np.testing.assert_allclose(cells.conductance(0.0), first, rtol=1e-12)
    assert np.log(first).std() == pytest.approx(0.5, rel=0.1)


def test_a_held_cell_keeps_the_compliance_of_what_it_really_conducts() -> None:
    cells = D2DLognormal("ideal", None, 0.5, 0.5, **WINDOW).build((3, 3), np.random.default_rng(5))
    compliance, voltage = 1e-4, 3.0
    cells.hold((0, 0), voltage, compliance, 1.0, 0.0)
    # ideal cells stop moving at the SET threshold of 2 V
    reached = cells.conductance(1.0)[0, 0]
    assert reached == pytest.approx(compliance / 2.0, rel=0.02)


@pytest.mark.parametrize(
    "change", [{"sigma_on": -0.1}, {"window_on": 1e-6}, {"of": "d3d"}, {"constants": {"x": 1}}]
)
def test_impossible_constants_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(BenchError):
        D2DLognormal(**change)  # type: ignore[arg-type]
