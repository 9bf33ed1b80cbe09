import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.training_settings import TrainingSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"p1": -0.1},
        {"p2": -0.1},
        {"p1": 0.6, "p2": 0.5},
        {"p1": np.nan},
        {"sigma": -0.1},
        {"sigma": np.nan},
        {"sigma": np.inf},
        {"learning_rate": 0.0},
        {"learning_rate": np.nan},
        {"epochs": 0},
        {"epochs": 1.5},
        {"warmup": -1},
        {"warmup": 901},
        {"restarts": 0},
        {"draws": 0},
        {"selection_draws": 0},
    ],
    ids=str,
)
def test_settings_outside_their_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        TrainingSettings(**wrong)  # type: ignore[arg-type]
