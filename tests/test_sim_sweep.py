from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import (
    Flag,
)
from quiet_bench import EXACT, QUIET, conductances, placed
from sim_backend import SimulatedBackend


def test_sweep_shows_a_hysteresis_loop_within_its_compliance() -> None:
    backend = SimulatedBackend(replace(EXACT, device=QUIET))
    up = np.linspace(0, 3.5, 36)
    loop = np.concatenate([up, up[::-1], -up, -up[::-1]])
    s = backend.sweep((2, 1), loop, 1e-4, 1e-2)
    assert np.abs(s.current).max() <= 1e-4 * (1 + 1e-9)
    limited = (s.flags & Flag.COMPLIANCE) != 0
    np.testing.assert_array_equal(limited, np.abs(s.voltage) < np.abs(loop))
    np.testing.assert_allclose(np.abs(s.current[limited]), 1e-4, rtol=1e-9)
    ahead, back = s.current[10], s.current[36 + 25]  # 1.0 V on the way up and on the way back
    assert loop[10] == pytest.approx(loop[61])
    assert back > 5 * ahead
    assert abs(s.current[-10]) < abs(s.current[72 + 9])  # RESET on the negative side
    np.testing.assert_allclose(np.diff(s.time), 1e-2)


def test_a_low_sweep_measures_without_switching() -> None:
    backend = placed(replace(EXACT, device=QUIET))
    V = np.linspace(-0.2, 0.2, 11)
    s = backend.sweep((2, 1), V, 1e-3, 1e-3)
    np.testing.assert_allclose(s.current, conductances((3, 5))[2, 1] * np.sinh(V), rtol=1e-4)
    assert not s.flags.any()
