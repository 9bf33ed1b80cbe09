import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern

from crossbar.backend import Array
from crossbar.surrogate import Surrogate


def measured(n: int = 15, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    rows = rng.random((n, 2))
    return rows, 5 + np.sin(4 * rows[:, 0]) + 0.5 * rows[:, 1] + 0.02 * rng.standard_normal(n)


@pytest.mark.parametrize(("kernel", "independent"), [("matern", Matern), ("se", RBF)])
def test_the_posterior_is_that_of_an_independent_solver(kernel: str, independent: type) -> None:
    rows, values = measured()
    surrogate = Surrogate.fit(rows, values, kernel=kernel)
    model = surrogate._model
    scales = model.covar_module.lengthscale.detach().numpy().ravel()
    extra = {"nu": 2.5} if kernel == "matern" else {}
    constant = float(model.mean_module.constant.detach())
    standard = (values - values.mean()) / values.std() - constant
    other = GaussianProcessRegressor(
        independent(length_scale=scales, **extra),
        alpha=float(model.likelihood.noise.detach()),
        optimizer=None,
    ).fit(rows, standard)
    asked = np.random.default_rng(1).random((50, 2))
    mean, sd = other.predict(asked, return_std=True)
    found_mean, found_sd = surrogate.posterior(asked)
    assert found_mean == pytest.approx(values.mean() + values.std() * (mean + constant), abs=1e-6)
    assert found_sd == pytest.approx(values.std() * sd, rel=1e-4)


def test_expected_improvement_is_the_integral_that_defines_it() -> None:
    rows, values = measured()
    surrogate = Surrogate.fit(rows, values)
    asked = np.random.default_rng(2).random((30, 2))
    mean, sd = surrogate.posterior(asked)
    best = float(np.quantile(mean, 0.9))
    missing = (best - mean) / sd
    compared = missing < 8
    assert compared.sum() > 5
    for k in np.flatnonzero(compared):
        low = missing[k]
        parts = quad(lambda u, low=low: (u - low) * norm.pdf(u), low, max(low, 0) + 12, epsabs=0)
        found = surrogate.log_expected_improvement(asked[k : k + 1], best)
        assert found == pytest.approx(np.log(sd[k] * parts[0]), abs=1e-3)


def test_expected_improvement_is_a_number_even_where_none_is_expected() -> None:
    rows, values = measured()
    found = Surrogate.fit(rows, values).log_expected_improvement(rows, best=100.0)
    assert np.isfinite(found).all()
    assert (found < -100).all()


def test_fitting_is_free_of_chance_and_leaves_torch_as_it_was() -> None:
    import torch

    rows, values = measured()
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    asked = np.random.default_rng(1).random((20, 2))
    first, again = (Surrogate.fit(rows, values).posterior(asked) for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_more_rows_than_are_predicted_at_once_are_predicted_as_alone() -> None:
    rows, values = measured()
    surrogate = Surrogate.fit(rows, values)
    asked = np.random.default_rng(1).random((2500, 2))
    mean, sd = surrogate.posterior(asked)
    few = surrogate.posterior(asked[[7, 2400]])
    assert mean[[7, 2400]] == pytest.approx(few[0], rel=1e-9)
    assert sd[[7, 2400]] == pytest.approx(few[1], rel=1e-6)


def test_believing_keeps_the_mean_and_takes_away_the_doubt() -> None:
    rows, values = measured(8)
    surrogate = Surrogate.fit(rows, values)
    asked = np.array([[0.9, 0.05], [0.1, 0.95]])
    mean, sd = surrogate.posterior(asked)
    believing = surrogate.believing(asked[:1])
    new_mean, new_sd = believing.posterior(asked)
    assert new_mean == pytest.approx(mean, abs=1e-3)
    assert new_sd[0] < 0.5 * sd[0]
    assert new_sd[1] <= sd[1] + 1e-9
    untouched = surrogate.posterior(asked)
    assert np.array_equal(untouched[1], sd)


def test_choices_share_what_is_known_of_one_another_and_do_not_mix() -> None:
    rng = np.random.default_rng(4)
    x, kind = rng.random(40), rng.integers(3, size=40).astype(float)
    shift = np.array([0.0, 2.0, -1.0])
    values = np.sin(5 * x) + shift[kind.astype(int)]
    surrogate = Surrogate.fit(np.column_stack([x, kind]), values, categorical=[1])
    asked = np.linspace(0.1, 0.9, 9)
    for choice in range(3):
        mean, _ = surrogate.posterior(np.column_stack([asked, np.full(9, choice)]))
        assert mean == pytest.approx(np.sin(5 * asked) + shift[choice], abs=0.15)


def test_equal_values_and_one_value_are_no_problem() -> None:
    rows = np.random.default_rng(0).random((4, 2))
    mean, sd = Surrogate.fit(rows, np.full(4, 3.0)).posterior(rows)
    assert mean == pytest.approx(np.full(4, 3.0))
    assert np.isfinite(sd).all()
    assert Surrogate.fit(rows[:1], np.array([2.0])).posterior(rows)[0] == pytest.approx(
        np.full(4, 2)
    )


def test_nothing_warns_even_of_rows_outside_the_range_and_of_repeated_ones() -> None:
    rows, values = measured()
    rows = np.vstack([rows, rows[:3], [[1.7, -0.4]]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Surrogate.fit(rows, np.append(values, [*values[:3], 4.0])).posterior(rows)
