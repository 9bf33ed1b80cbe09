from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import Array, Cells, LimitError
from quiet_bench import QUIET, conductances
from sim_backend import Ideal, Perovskite, SimulatedBackend, SimulationSettings
from sim_backend.virtual.edges import Edges
from sim_backend.virtual.faults import OPEN, SHORT, Faults, Leak
from sim_backend.virtual.rig import Rig

EXACT = SimulationSettings.ideal(3, 5)
WIRED = replace(EXACT, device=QUIET, line_resistance=2.0)
READ = 0.2


def rig_of(
    settings: SimulationSettings, faults: Faults | None = None, seed: int = 0
) -> tuple[Rig, Array]:
    rig = Rig(settings, faults=faults)
    G = conductances(rig.shape, seed)
    rig.set_conductances(G)
    return rig, G


def one(rig: Rig, word: Array, bit: Array, width: float = 1e-4, start: float = 0.0) -> Array:
    currents: Array = rig.hold(word[None], bit[None], np.array([width]), start)[0]
    return currents


def half_selected(rig: Rig, cell: tuple[int, int], voltage: float) -> tuple[Array, Array]:
    word, bit = np.full(rig.shape[0], voltage / 2), np.full(rig.shape[1], voltage / 2)
    word[cell[0]], bit[cell[1]] = voltage, 0.0
    return word, bit


def selected(shape: tuple[int, int], cell: tuple[int, int], voltage: float) -> tuple[Array, Array]:
    word, bit = np.full(shape[0], np.nan), np.full(shape[1], np.nan)
    word[cell[0]], bit[cell[1]] = voltage, 0.0
    return word, bit


def noiseless(settings: SimulationSettings) -> SimulatedBackend:
    backend = SimulatedBackend(settings)
    backend.set_conductances(conductances(backend.shape))
    return backend


def test_ideal_array_gives_the_matrix_product() -> None:
    rig, G = rig_of(EXACT)
    levels = np.random.default_rng(1).uniform(-READ, READ, (8, 3))
    currents = rig.hold(levels, np.zeros((8, 5)), np.full(8, 1e-4), 0.0)
    np.testing.assert_allclose(currents, levels @ G, rtol=1e-12)


def test_bias_of_a_bit_line_counts_against_its_word_lines() -> None:
    rig, G = rig_of(EXACT)
    word, bit = np.array([0.1, 0.0, -0.1]), np.array([0.05, 0.0, 0.0, -0.05, 0.0])
    expected = ((word[:, None] - bit) * G).sum(axis=0)
    np.testing.assert_allclose(one(rig, word, bit), expected, rtol=1e-12)


def test_same_seed_gives_the_cells_of_the_simulation() -> None:
    settings = replace(SimulationSettings(), seed=7)
    np.testing.assert_array_equal(
        Rig(settings).conductances, SimulatedBackend(settings).conductances
    )


def test_lines_with_resistance_read_as_the_simulation_does() -> None:
    rig, _ = rig_of(WIRED)
    levels = np.random.default_rng(1).uniform(-READ, READ, (4, 3))
    expected = noiseless(WIRED).drive(levels).current
    currents = rig.hold(levels, np.zeros((4, 5)), np.full(4, 1e-4), 0.0)
    np.testing.assert_allclose(currents, expected, rtol=1e-9)


def test_open_lines_show_the_sneak_currents_of_the_simulation() -> None:
    rig, G = rig_of(WIRED)
    backend = noiseless(replace(WIRED, read_scheme="floating"))
    for cell in ((0, 0), (2, 3)):
        expected = backend.read(Cells.of([cell]), READ).current[0]
        current = one(rig, *selected(rig.shape, cell, READ))[cell[1]]
        assert current == pytest.approx(expected, rel=1e-9)
        assert current > 1.2 * READ * G[cell]


def test_open_bit_lines_carry_nothing_into_their_terminals() -> None:
    rig, _ = rig_of(WIRED)
    currents = one(rig, *selected(rig.shape, (1, 2), READ))
    np.testing.assert_array_equal(np.flatnonzero(currents), [2])


def test_nothing_driven_carries_nothing() -> None:
    rig, _ = rig_of(WIRED)
    np.testing.assert_array_equal(one(rig, np.full(3, np.nan), np.full(5, np.nan)), np.zeros(5))


def test_set_pulse_moves_the_cell_as_in_the_simulation() -> None:
    rig, _ = rig_of(WIRED)
    backend = noiseless(WIRED)
    backend.pulse(Cells.of([(1, 2)]), np.array([3.0]), np.array([1e-4]), 0.0)
    before = rig.conductances
    one(rig, *half_selected(rig, (1, 2), 3.0))
    moved = rig.conductances - before
    np.testing.assert_allclose(rig.conductances, backend.conductances, rtol=1e-7)
    assert rig.conductances[1, 2] == pytest.approx(backend.conductances[1, 2], rel=1e-10)
    assert moved[1, 2] > 1e-7


def test_reset_pulse_moves_the_cell_as_in_the_simulation() -> None:
    rig, _ = rig_of(WIRED)
    backend = noiseless(WIRED)
    backend.pulse(Cells.of([(1, 2)]), np.array([-2.4]), np.array([1e-4]), 0.0)
    one(rig, *half_selected(rig, (1, 2), -2.4))
    np.testing.assert_allclose(rig.conductances, backend.conductances, rtol=1e-7)
    assert rig.conductances[1, 2] == pytest.approx(backend.conductances[1, 2], rel=1e-10)


def test_half_selected_cells_are_disturbed_a_little() -> None:
    rig, G = rig_of(replace(EXACT, device=QUIET))
    for k in range(50):
        one(rig, *half_selected(rig, (1, 2), 3.6), start=k * 1e-3)
    moved = rig.conductances - G
    line = np.delete(moved[1], 2)
    assert np.all(line > 0)
    assert np.all(line < 0.02 * moved[1, 2])
    assert np.all(np.abs(moved[[0, 2]][:, [0, 1, 3, 4]]) < 1e-15)


def test_reads_disturb_in_the_end_as_the_stress_says() -> None:
    rig, G = rig_of(replace(EXACT, device=QUIET))
    word = np.array([0.6, 0.0, 0.0])
    for k in range(20):
        one(rig, word, np.zeros(5), width=1.0, start=float(k))
    device = QUIET.build(rig.shape, np.random.default_rng(0))
    device.place(G, 0.0)
    dose = np.zeros(rig.shape)
    dose[0] = device.stress(np.array([0.6]))[0] * 20.0
    device.disturb(dose, np.zeros(rig.shape))
    np.testing.assert_allclose(rig.conductances, device.conductance(20.0), rtol=1e-6)
    assert np.all(rig.conductances[0] > G[0])


def test_segments_before_and_after_a_write_see_the_array_before_and_after_it() -> None:
    rig, G = rig_of(EXACT)
    word = np.array([[READ, 0, 0], [3.0, 1.5, 1.5], [READ, 0, 0]])
    bit = np.array([np.zeros(5), [0.0, 1.5, 1.5, 1.5, 1.5], np.zeros(5)])
    currents = rig.hold(word, bit, np.full(3, 1e-4), 0.0)
    np.testing.assert_allclose(currents[0], READ * G[0], rtol=1e-12)
    np.testing.assert_allclose(currents[2], READ * rig.conductances[0], rtol=1e-12)
    assert currents[2, 0] > currents[0, 0]


def test_currents_that_are_asked_for_late_are_those_of_their_own_time() -> None:
    rig, G = rig_of(EXACT)
    early = rig.live(np.array([[READ, 0, 0]]), np.zeros((1, 5)), np.array([1e-4]), 0.0)
    rig.set_conductances(2 * G)
    np.testing.assert_allclose(early.currents()[0], READ * G[0], rtol=1e-12)


def test_noise_stays_with_a_segment_until_another_read() -> None:
    rig, _ = rig_of(replace(EXACT, device=replace(QUIET, read_sigma=0.01)))
    held = rig.live(np.full((1, 3), READ), np.zeros((1, 5)), np.array([1e-4]), 0.0)
    first = held.currents()
    np.testing.assert_array_equal(held.currents(), first)
    held.again()
    assert np.all(held.currents() != first)


def test_noise_has_the_spread_of_the_cells() -> None:
    rig, G = rig_of(replace(EXACT, device=replace(QUIET, read_sigma=0.01)))
    held = rig.live(
        np.tile([READ, 0.0, 0.0], (4000, 1)), np.zeros((4000, 5)), np.full(4000, 1e-6), 0
    )
    law = np.sinh(READ) * G[0]
    spread = held.currents().std(axis=0)
    np.testing.assert_allclose(spread, 0.01 * law, rtol=0.06)


def test_conductances_relax_by_the_bench_time_of_the_read() -> None:
    device = replace(QUIET, relax_mean=-0.02)
    rig = Rig(replace(EXACT, device=device))
    one(rig, *half_selected(rig, (0, 0), 3.4))
    levels = np.array([READ, 0.0, 0.0])
    soon = one(rig, levels, np.zeros(5), start=1e-3)[0]
    late = one(rig, levels, np.zeros(5), start=10.0)[0]
    expected = (1 + 10.0 / 1e-3) ** -0.02 / (1 + 1e-3 / 1e-3) ** -0.02
    assert late / soon == pytest.approx(expected, rel=1e-3)


def test_edges_shorten_a_short_pulse() -> None:
    moved = []
    for edges in (None, Edges(slew=5e6, constant=0.9e-6)):
        rig = Rig(replace(EXACT, device=QUIET), edges=edges)
        one(rig, *half_selected(rig, (0, 0), 3.2), width=1e-5)
        moved.append(rig.conductances[0, 0] - QUIET.conductance_off)
    assert 0.65 < moved[1] / moved[0] < 0.8


def test_slow_edges_leave_a_long_pulse_nearly_as_it_is() -> None:
    moved = []
    for edges in (None, Edges(slew=5e6, constant=0.9e-6)):
        rig = Rig(replace(EXACT, device=QUIET), edges=edges)
        one(rig, *half_selected(rig, (0, 0), 3.0), width=1e-3)
        moved.append(rig.conductances[0, 0] - QUIET.conductance_off)
    assert 0.995 < moved[1] / moved[0] < 1.0


def test_shorted_and_missing_cells_conduct_what_they_are() -> None:
    faults = Faults(shorted=frozenset({(0, 1)}), missing=frozenset({(0, 2)}))
    rig, G = rig_of(EXACT, faults)
    currents = one(rig, np.array([READ, 0.0, 0.0]), np.zeros(5))
    np.testing.assert_allclose(currents[[1, 2]], READ * np.array([SHORT, OPEN]), rtol=1e-9)
    np.testing.assert_allclose(currents[[0, 3, 4]], READ * G[0, [0, 3, 4]], rtol=1e-12)


def test_broken_word_line_drives_none_of_its_cells() -> None:
    rig, G = rig_of(WIRED, Faults(broken=frozenset({("word", 1)})))
    alone = one(rig, np.array([0.0, READ, 0.0]), np.zeros(5))
    np.testing.assert_allclose(alone, 0.0, atol=1e-18)
    assert np.all(one(rig, np.array([READ, 0.0, 0.0]), np.zeros(5)) > 0.9 * READ * G[0])


def test_broken_bit_line_gives_no_current() -> None:
    rig, G = rig_of(WIRED, Faults(broken=frozenset({("bit", 3)})))
    currents = one(rig, np.full(3, READ), np.zeros(5))
    assert currents[3] == 0.0
    assert np.all(np.delete(currents / (READ * G.sum(axis=0)), 3) > 0.9)


def test_leak_between_bit_lines_shows_where_their_biases_differ() -> None:
    rig, _ = rig_of(EXACT, Faults(leaks=(Leak(("bit", 1), ("bit", 4), 1e-5),)))
    healthy, _ = rig_of(EXACT)
    bit = np.array([0.0, 0.1, 0.0, 0.0, 0.0])
    extra = one(rig, np.zeros(3), bit) - one(healthy, np.zeros(3), bit)
    np.testing.assert_allclose(extra, [0, -1e-6, 0, 0, 1e-6], atol=1e-18)
    equal = one(rig, np.full(3, READ), np.zeros(5)) - one(healthy, np.full(3, READ), np.zeros(5))
    np.testing.assert_allclose(equal, 0.0, atol=1e-18)


def test_leak_from_word_to_bit_line_lies_across_their_cell() -> None:
    rig, G = rig_of(EXACT, Faults(leaks=(Leak(("bit", 1), ("word", 2), 1e-5),)))
    current = one(rig, np.array([0.0, 0.0, READ]), np.zeros(5))[1]
    assert current == pytest.approx(READ * (G[2, 1] + 1e-5))


def test_idle_device_below_threshold_is_left_alone() -> None:
    rig, G = rig_of(replace(EXACT, device=Ideal()))
    one(rig, np.full(3, 1.0), np.zeros(5), width=10.0)
    np.testing.assert_array_equal(rig.conductances, G)


@pytest.mark.parametrize("wrong", [np.ones((2, 2)), np.full((3, 5), -1.0), np.full((3, 5), np.nan)])
def test_impossible_conductances_are_refused(wrong: Array) -> None:
    with pytest.raises(LimitError):
        Rig(EXACT).set_conductances(wrong)


def test_default_cell_is_written_through_the_default_wires() -> None:
    rig = Rig(SimulationSettings())
    assert isinstance(SimulationSettings().device, Perovskite)
    before = rig.conductances
    for k in range(20):
        one(rig, *half_selected(rig, (4, 4), 3.6), start=k * 1e-3)
    assert rig.conductances[4, 4] > before[4, 4] + 2e-6
