"""What makes the simulator fast changes no number."""

import numpy as np
import pytest

from crossbar.backend import Array, Cells
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.devices import kinetics
from sim_backend.devices.perovskite import Perovskite

SIDE = 24
WINDOWS = Perovskite(relax_window=1.0, relax_tail=2.0, relax_knee=5e-5, relax_most=0.2)


def course(device: Perovskite) -> list[Array]:
    """Currents and conductances of a bench that is pulsed, read and left alone."""
    rng = np.random.default_rng(3)
    settings = SimulationSettings(
        word_lines=SIDE, bit_lines=SIDE, line_resistance=0.0, device=device
    )
    cells, seen = Cells.all((SIDE, SIDE)), []
    with SimulatedBackend(settings) as backend:
        for _ in range(4):
            voltages = rng.uniform(-4.0, 4.0, len(cells))
            seen.append(backend.pulse(cells, voltages, np.full(len(cells), 1e-4), 0.2).current)
            backend.wait(1.0)
            seen += [backend.read(cells, 0.2).current, backend.conductances]
    return seen


@pytest.mark.parametrize("device", [Perovskite(), WINDOWS], ids=["default", "windows"])
def test_how_many_cells_are_worked_on_at_once_does_not_matter(
    device: Perovskite, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = course(device)
    monkeypatch.setattr(kinetics, "BLOCK", 7)
    for once, again in zip(whole, course(device), strict=True):
        np.testing.assert_allclose(once, again, rtol=1e-12)


def test_blocks_cover_everything_once() -> None:
    for count in (0, 1, kinetics.BLOCK, 2 * kinetics.BLOCK + 3):
        parts = [np.arange(count)[part] for part in kinetics.blocks(count)]
        np.testing.assert_array_equal(np.concatenate([np.arange(0), *parts]), np.arange(count))


def test_the_signed_ratio_is_the_ratio_of_each_polarity() -> None:
    voltages = np.linspace(-5.0, 5.0, 41).reshape(1, 41)
    found = kinetics.signed_ratio(voltages, 3.0, 2.2, 0.25)
    expected = np.where(
        voltages > 0,
        kinetics.sinh_ratio(voltages, 3.0, 0.25),
        -kinetics.sinh_ratio(voltages, 2.2, 0.25),
    )
    np.testing.assert_array_equal(found, expected)
    assert found.shape == voltages.shape
    assert found[0, 20] == 0.0
