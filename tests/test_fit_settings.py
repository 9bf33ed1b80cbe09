from typing import Any

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.fit_settings import FitSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 0},
        {"batch": 1.5},
        {"validate_every": 0},
        {"validation_draws": 0},
        {"learning_rate": 0.0},
        {"learning_rate": np.nan},
        {"clip": 0.0},
        {"l1": -1.0},
        {"weight_decay": np.inf},
        {"warmup": 11},
    ],
    ids=str,
)
def test_settings_outside_their_meaning_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        FitSettings(**wrong)
