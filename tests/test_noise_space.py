from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.noise_space import SEARCHED, NoiseSpace
from crossbar.objectives import OBJECTIVES
from crossbar.search_settings import SearchSettings
from crossbar.training_settings import NoiseSettings

BASE = NoiseSettings(draws=3, sigma=0.7, rescale=True)
SITES = ("conv", "", "head")


def test_each_site_has_probabilities_of_its_own() -> None:
    noises = NoiseSpace("trinomial", SITES, SearchSettings())
    assert noises.space.names == (
        *("p1 conv", "p2 conv", "p1 module", "p2 module", "p1 head", "p2 head"),
    )
    point = dict(zip(noises.space.names, (0.0, 0.5, 0.1, 0.2, 0.3, 0.4), strict=True))
    noise = noises.noise(point, BASE)
    assert (noise.p1, noise.p2) == ((0.0, 0.1, 0.3), (0.5, 0.2, 0.4))
    assert (noise.draws, noise.sigma, noise.rescale) == (3, 0.7, True)


def test_sites_of_a_stage_share_theirs() -> None:
    noises = NoiseSpace("trinomial", SITES, SearchSettings(stages=(0, 1, 0)))
    assert noises.space.names == ("p1 stage 0", "p2 stage 0", "p1 stage 1", "p2 stage 1")
    point = dict(zip(noises.space.names, (0.1, 0.2, 0.3, 0.4), strict=True))
    noise = noises.noise(point, BASE)
    assert (noise.p1, noise.p2) == ((0.1, 0.3, 0.1), (0.2, 0.4, 0.2))


def test_on_activations_the_last_site_has_none() -> None:
    noises = NoiseSpace("trinomial-activation", SITES, SearchSettings())
    assert "p1 head" not in noises.space.names
    noise = noises.noise(dict.fromkeys(noises.space.names, 0.2), BASE)
    assert noise.p1 == noise.p2 == (0.2, 0.2, 0.0)


def test_a_law_with_one_number_has_one_variable() -> None:
    noises = NoiseSpace("lognormal", SITES, SearchSettings(sigma=1.5))
    assert noises.space.names == ("sigma",)
    assert noises.noise({"sigma": 0.9}, BASE) == replace(BASE, sigma=0.9)
    assert noises.space.points(np.array([[1.0]])) == [{"sigma": 1.5}]


def test_bounds_and_the_limit_of_the_sum_are_those_of_the_settings() -> None:
    settings = SearchSettings(p1=0.9, p2=0.6, together=0.7)
    space = NoiseSpace("trinomial", ("0", "2"), settings).space
    rows = space.spread(500, np.random.default_rng(0))
    points = space.points(rows)
    for site in ("0", "2"):
        p1, p2 = (np.array([float(p[f"{n} {site}"]) for p in points]) for n in ("p1", "p2"))
        assert 0.6 < p1.max() <= 0.7
        assert 0.5 < p2.max() <= 0.6
        assert 0.69 < (p1 + p2).max() <= 0.7


@pytest.mark.parametrize("objective", sorted(SEARCHED))
def test_noise_and_point_are_the_same_said_twice(objective: str) -> None:
    assert objective in OBJECTIVES
    noises = NoiseSpace(objective, SITES, SearchSettings(stages=(0, 1, 1)))
    (point,) = noises.space.points(noises.space.spread(1, np.random.default_rng(1)))
    assert noises.point(noises.noise(point, BASE)) == point


def test_noise_out_of_bounds_is_no_point() -> None:
    noises = NoiseSpace("trinomial", SITES, SearchSettings(together=0.4))
    assert noises.point(replace(BASE, p1=(0.1,), p2=(0.2,))) is not None
    assert noises.point(replace(BASE, p1=(0.31,), p2=(0.0,))) is None
    assert noises.point(replace(BASE, p1=(0.1, 0.1, 0.2), p2=(0.1, 0.1, 0.3))) is None


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(DataError, match="noise of 'erm' is not searched; that of trinomial"):
        NoiseSpace("erm", SITES, SearchSettings())
    with pytest.raises(DataError, match="2 stages for 3 sites"):
        NoiseSpace("trinomial", SITES, SearchSettings(stages=(0, 1)))
    with pytest.raises(DataError, match="0 stages for 0 sites"):
        NoiseSpace("trinomial", (), SearchSettings())


@pytest.mark.parametrize(
    "change",
    [
        {"initial": 1},
        {"evaluations": -1},
        {"draws": 0},
        {"drift": float("nan")},
        {"p1": 0.0},
        {"together": 1.2},
        {"sigma": float("inf")},
        {"stages": (0, 2)},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match=next(iter(change))):
        SearchSettings(**change)  # type: ignore[arg-type]  # the wrong value is the test


def test_the_usual_search_has_three_candidates_and_twenty() -> None:
    assert SearchSettings().total == 23
