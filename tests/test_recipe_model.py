import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from campaigns import TEXT, definition, true_value
from crossbar.backend import Array
from crossbar.campaigns.recipe_model import RecipeModel
from crossbar.campaigns.recipe_prior import Prior
from crossbar.campaigns.worth import log_target_improvement, success
from crossbar.search_space import Space

SPACE = definition().space
GRID = SPACE.grid()


def some(count: int, seed: int = 0) -> tuple[Array, Array]:
    rows = GRID[np.random.default_rng(seed).choice(len(GRID), count, replace=False)]
    return rows, np.array([true_value(p) for p in SPACE.points(rows)])


def fitted(count: int = 12, sd: float = 0.01, space: Space = SPACE) -> tuple[RecipeModel, Array]:
    rows, values = some(count)
    return RecipeModel.fit(space, rows, values, np.full(count, sd)), rows


def matern(first: Array, second: Array, lengths: Array) -> Array:
    d = np.sqrt((((first[:, None] - second[None]) / lengths) ** 2).sum(-1))
    return np.asarray((1 + np.sqrt(5) * d + 5 / 3 * d**2) * np.exp(-np.sqrt(5) * d))


def test_the_posterior_is_what_its_formula_gives() -> None:
    sd = 0.02
    model, rows = fitted(10, sd)
    _, values = some(10)
    parts = dict(model._model.covar_module.named_modules())
    scales = [float(parts[f"kernels.{k}"].outputscale.detach()) for k in range(3)]
    lengths = np.array([model.lengths[name] for name in ("length", "width")])
    mean = model._model.mean_module
    centre, fall = (float(x.detach()) for x in (mean.centre, mean.raw_fall.exp()))

    def covariance(a: Array, b: Array) -> Array:
        same = (a[:, None, 0] == b[None, :, 0]).astype(float)
        shape = matern(a[:, 1:], b[:, 1:], lengths)
        return np.asarray(shape * (scales[0] + scales[1] * same) + scales[2] * same)

    def expected(a: Array) -> Array:
        return np.asarray(centre - fall * np.mean((2 * a[:, 1:] - 1) ** 2, axis=1))

    inverse = np.linalg.inv(covariance(rows, rows) + sd**2 * np.eye(10))
    across = covariance(GRID, rows)
    wanted = expected(GRID) + across @ inverse @ (values - expected(rows))
    variance = np.diag(covariance(GRID, GRID) - across @ inverse @ across.T)
    found, spread = model.posterior(GRID)
    assert found == pytest.approx(wanted, abs=1e-5)
    assert spread == pytest.approx(np.sqrt(variance), abs=1e-4)
    prior = covariance(GRID[:3], GRID[:3])
    alike = prior / np.sqrt(np.outer(np.diag(prior), np.diag(prior)))
    assert model.correlation(GRID[:3], GRID[:3]) == pytest.approx(alike, abs=1e-6)


def test_values_overrule_the_prior() -> None:
    model, rows = fitted(30)
    _, values = some(30)
    assert model.posterior(rows)[0] == pytest.approx(values, abs=0.03)
    rest = np.array([true_value(p) for p in SPACE.points(GRID)])
    assert np.corrcoef(model.posterior(GRID)[0], rest)[0, 1] > 0.95


def test_before_much_is_told_the_middle_is_expected_to_be_better_than_the_ends() -> None:
    model = RecipeModel.fit(SPACE, GRID[:1], np.array([0.4]), np.array([0.01]))
    middle, end = np.array([[2.0, 0.5, 0.5]]), np.array([[2.0, 1.0, 1.0]])
    assert model.posterior(middle)[0] > model.posterior(end)[0] + 0.1


def test_what_is_left_out_is_what_a_model_without_it_expects() -> None:
    model, rows = fitted(8, 0.05)
    _, values = some(8)
    mean, sd = model.left_out()
    k = 3
    kept = np.arange(8) != k
    state = model._model.state_dict()
    again = RecipeModel.fit(SPACE, rows[kept], values[kept], np.full(7, 0.05))
    own = {name: value for name, value in state.items() if "likelihood" not in name}
    again._model.load_state_dict(own, strict=False)
    again._model.eval()
    found, spread = again.posterior(rows[k : k + 1])
    assert mean[k] == pytest.approx(float(found[0]), abs=2e-3)
    assert sd[k] == pytest.approx(float(np.hypot(spread[0], 0.05)), rel=0.02)


def test_a_noisy_value_counts_for_less() -> None:
    rows, values = some(6)
    sds = np.full(6, 0.01)
    exact = RecipeModel.fit(SPACE, rows, values, sds)
    sds[2] = 0.3
    vague = RecipeModel.fit(SPACE, rows, values, sds)
    k = rows[2:3]
    assert vague.posterior(k)[1][0] > 3 * exact.posterior(k)[1][0]


def test_unknown_noise_is_learnt() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(GRID[::6], 6, axis=0)
    values = np.repeat([true_value(p) for p in SPACE.points(GRID[::6])], 6)
    noisy = values + 0.05 * rng.standard_normal(len(values))
    model = RecipeModel.fit(SPACE, rows, noisy, np.full(len(rows), np.nan))
    assert model.noise == pytest.approx(0.05, rel=0.3)


def test_the_units_of_the_objective_change_nothing_but_its_numbers() -> None:
    rows, values = some(10)
    one = RecipeModel.fit(SPACE, rows, values, np.full(10, 0.01))
    other = RecipeModel.fit(SPACE, rows, 5 + 100 * values, np.full(10, 1.0), 5.0, 105.0)
    (mean, sd), (same, spread) = one.posterior(GRID), other.posterior(GRID)
    assert same == pytest.approx(5 + 100 * mean, abs=0.05)
    assert spread == pytest.approx(100 * sd, rel=1e-2, abs=0.01)


def test_expected_improvement_is_the_integral_that_defines_it() -> None:
    model, _ = fitted()
    mean, sd = model.posterior(GRID)
    best = 0.5
    found = np.exp(model.log_expected_improvement(GRID, best))
    for k in range(0, len(GRID), 7):
        wanted, _ = quad(
            lambda x, k=k: max(x - best, 0) * norm.pdf(x, mean[k], sd[k]),
            *(mean[k] - 9 * sd[k], mean[k] + 9 * sd[k]),
            points=[best],
            limit=200,
        )
        assert found[k] == pytest.approx(wanted, rel=1e-3, abs=1e-7)


def test_noisy_expected_improvement_is_that_without_noise_where_there_is_little() -> None:
    model, rows = fitted(10, 0.002)
    best = float(model.posterior(rows)[0].max())
    fresh = np.array([row for row in GRID if not (row == rows).all(axis=1).any()])
    one = model.log_expected_improvement(fresh, best)
    other = model.log_noisy_expected_improvement(fresh, GRID[:0], 0)
    likely = one > one.max() - 1  # further down, 64 samples tell little
    assert likely.sum() >= 1
    assert other[likely] == pytest.approx(one[likely], abs=0.3)


def test_what_is_believed_is_taken_as_known() -> None:
    model, _ = fitted()
    row = GRID[[7]]
    believed = model.believing(row)
    assert believed.posterior(row)[0] == pytest.approx(model.posterior(row)[0], abs=1e-4)
    assert believed.posterior(row)[1][0] < 0.2 * model.posterior(row)[1][0] + 0.003
    assert model.believing(GRID[:0]) is model


def test_choices_with_like_descriptors_are_expected_to_be_alike() -> None:
    text = TEXT.replace(
        'choices = ["a", "b", "c"]',
        'choices = ["a", "b", "c"]\ndescriptors = { radius = [1.0, 1.1, 3.0] }',
    )
    space = definition(text).space
    model = RecipeModel.fit(space, GRID[:1], np.array([0.5]), np.array([0.01]))
    a, b, c = (np.array([[k, 0.5, 0.5]]) for k in range(3))
    assert model.correlation(a, b)[0, 0] > model.correlation(a, c)[0, 0] + 0.02
    assert model.correlation(a, a)[0, 0] == pytest.approx(1)


def test_earlier_campaigns_are_the_expectation_of_a_later_one() -> None:
    earlier, _ = fitted(30)
    start = GRID[[0]]
    value = np.array([true_value(SPACE.points(start)[0])])
    alone = RecipeModel.fit(SPACE, start, value, np.array([0.01]))
    later = RecipeModel.fit(SPACE, start, value, np.array([0.01]), earlier=earlier)
    truth = np.array([true_value(p) for p in SPACE.points(GRID)])
    errors = [np.abs(m.posterior(GRID)[0] - truth).mean() for m in (alone, later)]
    assert errors[1] < 0.3 * errors[0]


def test_the_prior_can_be_chosen() -> None:
    wide = RecipeModel.fit(
        SPACE, GRID[:1], np.array([0.5]), np.array([0.01]), prior=Prior(shape=1.0)
    )
    usual = RecipeModel.fit(SPACE, GRID[:1], np.array([0.5]), np.array([0.01]))
    assert wide.posterior(GRID[-1:])[1] > 1.5 * usual.posterior(GRID[-1:])[1]


def test_a_space_of_choices_alone_has_a_model_too() -> None:
    text = 'name = "x"\n[[variables]]\nname = "t"\nchoices = ["a", "b"]\n'
    space = definition(text).space
    model = RecipeModel.fit(space, np.array([[0.0]]), np.array([0.5]), np.array([0.01]))
    assert model.posterior(np.array([[0.0]]))[0] == pytest.approx([0.5], abs=0.02)
    assert model.lengths == {}


@pytest.mark.parametrize("mean", [-0.5, 0.3, 0.5, 0.62, 1.4])
@pytest.mark.parametrize("sd", [0.02, 0.1, 0.5])
def test_target_improvement_is_the_integral_that_defines_it(mean: float, sd: float) -> None:
    target, nearest = 0.55, 0.1
    wanted, _ = quad(
        lambda x: (nearest**2 - (x - target) ** 2) * norm.pdf(x, mean, sd),
        *(target - nearest, target + nearest),
        epsabs=0,
    )
    found = log_target_improvement(np.array([mean]), np.array([sd]), target, nearest)
    if wanted > 1e-9:
        assert found[0] == pytest.approx(np.log(wanted), abs=1e-4)
    else:
        assert -1e6 < found[0] < np.log(1e-6)


def test_target_improvement_falls_with_the_distance_wherever_it_is() -> None:
    means = np.linspace(0.55, 60.0, 400)
    found = log_target_improvement(means, np.full(400, 0.1), 0.55, 0.05)
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0.5).all()
    assert found[0] > found[20] > found[-1]


def test_what_is_like_failures_is_expected_to_fail() -> None:
    devices, failures = np.array([[1.0, 0.2], [0.2, 0.2]]), np.array([[0.2], [1.0]])
    likely, unlikely = success(devices, failures)
    assert 0 < unlikely < 0.5 < likely < 1
    far = success(np.zeros((1, 3)), np.zeros((1, 2)))
    assert far == pytest.approx(0.9)
