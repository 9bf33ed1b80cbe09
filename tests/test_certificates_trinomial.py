from itertools import pairwise, product

import numpy as np
import pytest
from scipy.optimize import linprog

from crossbar.backend import Array, DataError
from crossbar.certificates import equation2
from crossbar.certificates.trinomial import (
    NOT_CERTIFIED,
    Trinomial,
    lower_bound,
    radii,
    radius,
)
from crossbar.network import Layer, Network
from crossbar.votes import n_parameters, noisy_classes

GENERIC = 0.73
"""A factor whose products with 0, 0.5 and 1 have only the 0 in common with them."""


def law(noise: Trinomial, delta: list[float]) -> dict[tuple[float, ...], float]:
    """Return every outcome of ``delta * eta`` with its probability, by enumeration."""
    masses = (noise.p1, noise.p2, noise.p3)
    found: dict[tuple[float, ...], float] = {}
    for chosen in product(range(3), repeat=len(delta)):
        outcome = tuple(d * (0.0, 0.5, 1.0)[k] for d, k in zip(delta, chosen, strict=True))
        found[outcome] = found.get(outcome, 0.0) + float(np.prod([masses[k] for k in chosen]))
    return found


def by_linear_program(share: float, noise: Trinomial, delta: list[float]) -> float:
    """Return the least mass under the changed law of any classifier with at least `share`."""
    before, after = law(noise, [1.0] * len(delta)), law(noise, delta)
    support = sorted(before.keys() | after.keys())
    # The unknown is the classifier times the mass it keeps, because the solver takes coefficients
    # below 1e-9 for 0; outcomes that the noise alone never has stay as they are.
    mass = np.array([before.get(x, 0.0) for x in support])
    scale = np.where(mass > 0, mass, 1.0)
    solved = linprog(
        np.array([after.get(x, 0.0) for x in support]) / scale,
        A_ub=-np.asarray(mass > 0, dtype=np.float64)[None],
        b_ub=np.array([-share]),
        bounds=[(0.0, float(most)) for most in scale],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert solved.status == 0
    assert solved.fun is not None
    return float(solved.fun)


def cases(count: int, largest: int) -> list[tuple[float, Trinomial, int, int, int]]:
    """Return random shares, laws and changes; also laws without halves, zeros or ones."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(count):
        p = rng.dirichlet(np.ones(3) * rng.choice([0.3, 1.0, 3.0]))
        if k % 5 == 0:
            p[k // 5 % 3] = 0.0
            p = p / p.sum()
        n = int(rng.integers(1, largest + 1))
        n_generic = int(rng.integers(0, n + 1))
        n_halved = int(rng.integers(0, n - n_generic + 1))
        share = float(rng.choice([rng.uniform(), rng.uniform(0.9, 1.0)]))
        noise = Trinomial(float(p[0]), min(float(p[1]), 1 - float(p[0])))
        found.append((share, noise, n_generic, n_halved, n))
    return found


def test_the_bound_is_the_linear_programs_optimum() -> None:
    worst = 0.0
    for share, noise, n_generic, n_halved, n in cases(80, 5):
        delta = [GENERIC] * n_generic + [0.5] * n_halved + [1.0] * (n - n_generic - n_halved)
        bound = lower_bound(share, n_generic, n_halved, noise)
        worst = max(worst, abs(bound - by_linear_program(share, noise, delta)))
    assert worst < 1e-9


@pytest.mark.parametrize(("n_generic", "n_halved"), [(0, 8), (2, 6), (1, 3), (8, 0)])
def test_it_is_so_with_eight_parameters(n_generic: int, n_halved: int) -> None:
    delta = [GENERIC] * n_generic + [0.5] * n_halved + [1.0] * (8 - n_generic - n_halved)
    for noise in (Trinomial(0.8, 0.15), Trinomial(0.9, 0.02)):
        bound = lower_bound(0.97, n_generic, n_halved, noise)
        assert bound == pytest.approx(by_linear_program(0.97, noise, delta), abs=1e-9)


@pytest.mark.parametrize("factor", [0.0, 2.0])
def test_for_factors_zero_and_two_the_bound_is_safe_but_not_the_best(factor: float) -> None:
    noise = Trinomial(0.3, 0.4)
    bound = lower_bound(0.95, 1, 0, noise)
    assert bound < by_linear_program(0.95, noise, [factor, 1.0]) - 0.01


def test_small_networks_never_fall_below_the_bound() -> None:
    rng = np.random.default_rng(1)
    least, checked = 1.0, 0
    for widths in ((2, 1, 1), (1, 2, 1), (2, 1, 1, 1), (7, 1)):
        for _ in range(3):
            layers = [
                Layer(rng.normal(size=(a, b)), rng.normal(size=b), "tanh")
                for a, b in pairwise(widths)
            ]
            network = Network(tuple(layers))
            n = n_parameters(network)
            assert n <= 8
            noise = Trinomial(*rng.dirichlet([6, 1, 1])[:2].tolist())
            x = rng.normal(size=(4, widths[0]))
            before = exact_shares(network, x, noise, np.ones(n))
            for _ in range(6):
                kinds = rng.permutation(n)
                n_generic = int(rng.integers(0, 3))
                n_halved = int(rng.integers(0, n - n_generic + 1))
                delta = np.ones(n)
                delta[kinds[:n_generic]] = rng.lognormal(size=n_generic)
                delta[kinds[n_generic : n_generic + n_halved]] = 0.5
                after = exact_shares(network, x, noise, delta)
                for was, now in zip(before, after, strict=True):
                    chosen, now = (was, now) if was >= 0.5 else (1 - was, 1 - now)
                    bound = lower_bound(min(chosen, 1.0), n_generic, n_halved, noise)
                    assert now >= bound - 1e-12
                    checked += bound > 0.3
                    least = min(least, now - bound) if bound > 0 else least
    assert checked > 50
    assert least < 0.1


def exact_shares(network: Network, x: Array, noise: Trinomial, delta: Array) -> Array:
    """Return each point's share of votes for class 1, over all of the noise's outcomes."""
    outcomes = np.array(list(product((0.0, 0.5, 1.0), repeat=len(delta))))
    masses = np.array([noise.p1, noise.p2, noise.p3])[(2 * outcomes).astype(int)].prod(axis=1)
    return np.asarray(masses @ noisy_classes(network, x, outcomes * delta))


def test_a_higher_share_never_lowers_the_bound() -> None:
    for share, noise, n_generic, n_halved, _ in cases(60, 40):
        shares = np.linspace(share, 1.0, 12)
        bounds = [lower_bound(float(s), n_generic, n_halved, noise) for s in shares]
        assert np.all(np.diff(bounds) >= -1e-12)


def test_one_more_changed_parameter_never_raises_the_bound() -> None:
    for share, noise, n_generic, n_halved, _ in cases(60, 40):
        bound = lower_bound(share, n_generic, n_halved, noise)
        assert lower_bound(share, n_generic + 1, n_halved, noise) <= bound + 1e-12
        assert lower_bound(share, n_generic, n_halved + 1, noise) <= bound + 1e-12
        assert lower_bound(share, n_generic + 1, max(n_halved - 1, 0), noise) <= bound + 1e-12


@pytest.mark.parametrize("n", [0, 1, 5, 66])
def test_without_halves_it_is_what_ablation_gives(n: int) -> None:
    for noise in (Trinomial(0.99, 0.0), Trinomial(0.9, 0.05), Trinomial(0.2, 0.3)):
        for share in (0.6, 0.99):
            expected = max(share - (1 - noise.p1**n), 0.0)
            assert lower_bound(share, n, 0, noise) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(("p1", "changed"), [(0.5, 0), (0.7, 1), (0.9, 6), (0.95, 13), (0.99, 66)])
def test_without_halves_the_radius_is_the_closed_form(p1: float, changed: int) -> None:
    noise = Trinomial(p1, 0.0)
    assert changed == int(np.log(1.5 - 0.99) / np.log(p1))
    assert radius(0.99, 1000, noise, half_allowed=False) == changed


def test_a_million_parameters_neither_underflow_nor_lose_the_bound() -> None:
    n = 1_000_000
    # All that can be lost is one outcome per parameter, each once in a hundred million.
    noise = Trinomial(1 - 2e-8, 1e-8)
    bound = lower_bound(0.999, 0, n, noise)
    assert bound == pytest.approx(0.999 - n * 1e-8, abs=1e-4)
    assert lower_bound(0.999, 0, n, Trinomial(0.1, 0.2)) == 0.0
    assert lower_bound(1.0, 5, 3000, Trinomial(0.1, 0.2)) == 0.0


def test_the_radius_is_the_last_count_that_the_minimum_over_halves_allows() -> None:
    n, noise = 12, Trinomial(0.93, 0.05)
    for share in (0.4, 0.5, 0.7, 0.9, 0.97, 0.999):
        allowed = [
            all(lower_bound(share, g, h, noise) >= 0.5 for h in range(n - g + 1))
            for g in range(n + 1)
        ]
        assert allowed == sorted(allowed, reverse=True)
        assert radius(share, n, noise) == sum(allowed) - 1


def test_radii_of_many_votes_are_those_of_each() -> None:
    shares = np.random.default_rng(2).uniform(0.4, 1.0, size=50)
    noise = Trinomial(0.985, 0.01)
    for half_allowed in (True, False):
        found = radii(shares, 20, noise, half_allowed=half_allowed)
        single = [radius(float(s), 20, noise, half_allowed=half_allowed) for s in shares]
        assert found.tolist() == single
        assert found.min() == NOT_CERTIFIED
        assert found.max() > 0


def test_a_vote_of_less_than_half_is_not_certified() -> None:
    assert radius(0.49, 5, Trinomial(0.9, 0.1)) == NOT_CERTIFIED
    assert radius(0.5, 5, Trinomial(0.9, 0.1), half_allowed=False) == 0
    assert radius(1.0, 5, Trinomial(1.0, 0.0)) == 5


@pytest.mark.parametrize("p", [(-0.1, 0.2), (0.6, 0.5), (float("nan"), 0.1)])
def test_what_is_no_probability_is_refused(p: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="p1 = "):
        Trinomial(*p)


def test_shares_and_counts_outside_their_meaning_are_refused() -> None:
    with pytest.raises(DataError, match="share"):
        lower_bound(1.1, 0, 0, Trinomial(0.1, 0.1))
    with pytest.raises(DataError, match="counts"):
        lower_bound(0.9, -1, 0, Trinomial(0.1, 0.1))


def test_two_parameters_are_enough_to_refute_equation_two() -> None:
    # f = 1[t1 x > t2] with t = (1, 0.6) and x = 1, as a network of one layer.
    network = Network((Layer(np.array([[1.0]]), np.array([-0.6])),))
    noise, x = Trinomial(0.05, 0.02), np.array([[1.0]])
    # The class at a score of exactly 0 is 1 in the example, where x = 0 = 0 votes for it too.
    both_zero = noise.p1**2
    share = float(exact_shares(network, x, noise, np.ones(2))[0]) + both_zero
    changed = float(exact_shares(network, x, noise, np.array([0.5, 1.0]))[0]) + both_zero
    assert share == pytest.approx(0.9339, abs=5e-5)
    assert equation2.radius(share, 2, noise) == pytest.approx(0.178, abs=5e-4)
    assert not equation2.sound(noise)
    # Equation 2 claims that every halving leaves the vote; this one leaves 7 % of it.
    assert changed == pytest.approx(0.0686, abs=5e-5)
    assert lower_bound(share, 0, 1, noise) <= changed
    assert radius(share, 2, noise) == NOT_CERTIFIED


@pytest.mark.parametrize(
    ("n", "most"), [(25, 0.027), (100, 0.0069), (1000, 6.9e-4), (61_706, 1.1e-5)]
)
def test_equation_two_claims_nothing_unless_p2_is_tiny(n: int, most: float) -> None:
    edge = 1 - 2 ** (-1 / n)
    assert edge == pytest.approx(most, rel=0.03)
    for p1 in (0.01, 0.5):
        assert equation2.radius(1.0, n, Trinomial(p1, edge * 0.999)) >= 0
        assert equation2.radius(1.0, n, Trinomial(p1, edge * 1.001)) < 0


@pytest.mark.parametrize(("n", "least"), [(17, 0.92), (100, 0.986)])
def test_where_its_step_is_valid_equation_two_needs_mostly_zeros(n: int, least: float) -> None:
    edge = 2 * 2 ** (-1 / n) - 1
    assert edge == pytest.approx(least, abs=1e-3)
    for p1, claims in ((edge + 1e-6, True), (edge - 1e-4, False)):
        noise = Trinomial(p1, (1 - p1) / 2)
        assert equation2.sound(noise)
        assert (equation2.radius(1.0, n, noise) >= 0) is claims


def test_without_halves_equation_two_is_the_exact_radius() -> None:
    for p1 in (0.7, 0.9, 0.99):
        noise = Trinomial(p1, 0.0)
        for share in (0.8, 0.97, 0.999):
            exact = radius(share, 1000, noise, half_allowed=False)
            assert int(equation2.radius(share, 1000, noise)) == exact


def test_where_its_step_is_valid_equation_two_never_claims_more_than_the_exact_bound() -> None:
    rng = np.random.default_rng(3)
    claimed = 0
    for _ in range(300):
        p1 = float(rng.uniform(0.8, 0.999))
        noise = Trinomial(p1, float(rng.uniform((1 - p1) / 2, 1 - p1)))
        share, n = float(rng.uniform(0.6, 1.0)), int(rng.integers(1, 12))
        claim = equation2.radius(share, n, noise)
        if claim >= 0:
            claimed += 1
            assert radius(share, n, noise) >= min(int(claim), n)
    assert claimed > 50


def test_equation_two_at_its_ends() -> None:
    assert equation2.radius(1.0, 3, Trinomial(0.0, 0.1)) == 0.0
    assert equation2.radius(0.9, 30, Trinomial(0.0, 0.1)) == -np.inf
    assert equation2.radius(1.0, 3, Trinomial(0.9, 0.1)) == np.inf
    with pytest.raises(DataError, match="p2 = 1"):
        equation2.radius(1.0, 3, Trinomial(0.0, 1.0))
