from typing import Any

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.training_settings import NoiseSettings, TrainingSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0.0},
        {"learning_rate": np.nan},
        {"epochs": 0},
        {"epochs": 1.5},
        {"warmup": -1},
        {"warmup": 901},
        {"restarts": 0},
        {"selection_draws": 0},
    ],
    ids=str,
)
def test_settings_outside_their_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        TrainingSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"p1": (-0.1,)},
        {"p2": (-0.1,)},
        {"p1": (0.6,), "p2": (0.5,)},
        {"p1": (0.1, 0.6), "p2": (0.5,)},
        {"p1": (0.1, 0.1), "p2": (0.1, 0.1, 0.1)},
        {"p1": (np.nan,)},
        {"p1": 0.1},
        {"p1": ()},
        {"p2": ("a",)},
        {"shift": (np.inf,)},
        {"sigma": -0.1},
        {"sigma": np.nan},
        {"sigma": np.inf},
        {"spread": -0.1},
        {"spread": np.nan},
        {"drop": -0.1},
        {"drop": 1.1},
        {"drop": np.nan},
        {"draws": 0},
        {"chips": 0},
        {"chips": 12, "draws": 8, "instance": "chip"},
        {"instance": "wafer"},
    ],
    ids=str,
)
def test_noise_outside_its_meaning_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        NoiseSettings(**wrong)


def test_one_number_is_every_sites_and_several_are_one_each() -> None:
    noise = NoiseSettings(p1=(0.1,), p2=(0.2, 0.3))
    first, second = noise.per_site(["0", "2"])
    assert (first.p1, first.p2) == ((0.1,), (0.2,))
    assert (second.p1, second.p2) == ((0.1,), (0.3,))


def test_numbers_that_are_not_one_for_each_site_are_refused_with_the_sites() -> None:
    noise = NoiseSettings(p1=(0.1, 0.2, 0.3))
    with pytest.raises(DataError, match="p1 has 3 numbers; 1 is needed, or 2 for the sites 0, 2"):
        noise.per_site(["0", "2"])
