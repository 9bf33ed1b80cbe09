from dataclasses import replace

import numpy as np
import pytest
import torch

from crossbar import Crossbar, offload, open_bench
from crossbar.backend import BudgetError, DataError
from crossbar.chip_in_the_loop import tune_lines, tune_weights
from crossbar.data import moons, standardise
from crossbar.guard import Guarded
from crossbar.loop_settings import LineSettings, WeightSettings
from crossbar.losses import binary
from crossbar.network import Layer, Network, classify
from crossbar.offload import HardwareNetwork
from crossbar.programming import IsppSettings, WriteVerify
from crossbar.training import train
from crossbar.training_settings import TrainingSettings
from fake_bench import LIMITS, FakeBench

RNG = np.random.default_rng(0)
POINTS = moons(400, 0.1, RNG)
TRAIN = standardise(POINTS)(POINTS)
LABELS = TRAIN.labels.astype(np.float64)
CELL = WriteVerify(tolerance=0.3e-6, reread_delay=0.0)
SHORT = LineSettings(steps=20)


@pytest.fixture(scope="module")
def network() -> Network:
    settings = TrainingSettings(epochs=300, warmup=300, restarts=2)
    return train(TRAIN, "erm", settings, np.random.default_rng(1)).network


def on_chip(network: Network, bench: FakeBench) -> tuple[HardwareNetwork, Crossbar]:
    crossbar = Crossbar(bench, CELL, IsppSettings())
    return offload(network, crossbar, TRAIN.inputs, calibrate=False), crossbar


def fine_bench() -> FakeBench:
    return FakeBench((10, 10), step=0.5e-6)


def right(hardware: HardwareNetwork) -> float:
    return float(np.mean(classify(hardware(TRAIN.inputs)) == TRAIN.labels))


def spoil(bench: FakeBench, seed: int = 3, sigma: float = 0.5) -> None:
    shape = bench.conductance.shape
    bench.conductance *= np.exp(sigma * np.random.default_rng(seed).standard_normal(shape))


def test_lines_win_back_what_wrong_conductances_cost(network: Network) -> None:
    bench = fine_bench()
    hardware, _ = on_chip(network, bench)
    whole = right(hardware)
    spoil(bench)
    spoiled, pulses = right(hardware), len(bench.pulsed)
    tuned = tune_lines(hardware, TRAIN.inputs, LABELS, SHORT)
    assert spoiled < 0.9 < whole
    assert right(tuned.hardware) > (spoiled + whole) / 2
    assert tuned.losses[tuned.kept] == tuned.losses.min() < 0.5 * tuned.losses[0]
    assert len(bench.pulsed) == pulses
    assert (tuned.pulses, tuned.written) == (0, 0)


def test_the_loss_is_that_of_what_the_chip_gives(network: Network) -> None:
    bench = fine_bench()
    hardware, _ = on_chip(network, bench)
    spoil(bench)
    settings = LineSettings(steps=1, inputs=len(TRAIN))
    expected = binary(torch.tensor(hardware(TRAIN.inputs)), torch.tensor(LABELS)).item()
    tuned = tune_lines(hardware, TRAIN.inputs, LABELS, settings)
    assert tuned.losses[0] == pytest.approx(expected, rel=1e-12)


def test_the_gradient_is_the_derivative_of_the_measured_loss_by_the_last_line() -> None:
    # Behind the last product nothing is estimated: a first step has to go where the loss falls.
    layer = Layer(np.array([[1.0], [-0.5]]), np.array([0.2]))
    hardware, _ = on_chip(Network((layer,)), fine_bench())
    x = RNG.normal(size=(50, 2))
    y = (x[:, 0] < 0).astype(np.float64)  # the opposite of what the layer says
    tuned = tune_lines(hardware, x, y, LineSettings(steps=40, learning_rate=0.3))
    line = hardware.layers[0].line
    assert line is not None
    assert line.gain[0] < 0
    assert tuned.losses[tuned.kept] < 0.5 * tuned.losses[0]


def test_lines_go_on_from_lines_and_a_calibration_takes_them_away(network: Network) -> None:
    bench = fine_bench()
    hardware, _ = on_chip(network, bench)
    spoil(bench)
    first = tune_lines(hardware, TRAIN.inputs, LABELS, SHORT)
    again = tune_lines(hardware, TRAIN.inputs, LABELS, SHORT)
    assert again.losses[0] == pytest.approx(first.losses.min())
    hardware.calibrate(TRAIN.inputs)
    assert all(layer.line is None for layer in hardware.layers)


def test_an_interrupt_leaves_the_best_lines_so_far(network: Network) -> None:
    bench = fine_bench()
    hardware, _ = on_chip(network, bench)
    spoil(bench)
    before = right(hardware)

    def impatient(step: int, of: int) -> None:
        if step == of // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_lines(hardware, TRAIN.inputs, LABELS, LineSettings(steps=40), progress=impatient)
    assert right(hardware) > before


def test_weights_win_back_what_wrong_conductances_cost_at_counted_pulses(network: Network) -> None:
    bench = fine_bench()
    hardware, crossbar = on_chip(network, bench)
    whole = right(hardware)
    spoil(bench)
    spoiled, pulses = right(hardware), len(bench.pulsed)
    tuned = tune_weights(hardware, crossbar, TRAIN.inputs, LABELS)
    assert right(tuned.hardware) > (spoiled + whole) / 2
    assert tuned.losses[-1] < 0.5 * tuned.losses[0]
    assert tuned.pulses == len(bench.pulsed) - pulses > 0
    steps = len(tuned.losses) - 1
    assert 0 < tuned.written <= steps * 2 * 3
    assert bench.waited == pytest.approx(steps * 10.0)
    tuned.hardware.calibrate(TRAIN.inputs)  # against what is asked for now


def test_weights_of_a_chip_that_is_as_good_as_software_are_left_alone(network: Network) -> None:
    bench = fine_bench()
    hardware, crossbar = on_chip(network, bench)
    pulses = len(bench.pulsed)
    tuned = tune_weights(hardware, crossbar, TRAIN.inputs, LABELS)
    assert (len(tuned.losses), tuned.written, len(bench.pulsed)) == (1, 0, pulses)
    software = binary(torch.tensor(network(TRAIN.inputs)), torch.tensor(LABELS)).item()
    assert tuned.losses[0] < software + WeightSettings().goal


def test_tuning_ends_at_its_goal(network: Network) -> None:
    bench = fine_bench()
    hardware, crossbar = on_chip(network, bench)
    spoil(bench)
    settings = WeightSettings(goal=0.2)
    tuned = tune_weights(hardware, crossbar, TRAIN.inputs, LABELS, settings)
    chosen = np.unique(np.linspace(0, len(TRAIN) - 1, settings.inputs).astype(int))
    scores = torch.tensor(network(TRAIN.inputs[chosen]))
    software = binary(scores, torch.tensor(LABELS[chosen])).item()
    assert tuned.losses[-1] <= software + 0.2 < tuned.losses[:-1].min()


def test_a_budget_of_pulses_is_never_exceeded(network: Network) -> None:
    for budget in (0, 25, 200):
        bench = fine_bench()
        hardware, crossbar = on_chip(network, bench)
        spoil(bench)
        before = len(bench.pulsed)
        settings = WeightSettings(pulses=budget)
        tuned = tune_weights(hardware, crossbar, TRAIN.inputs, LABELS, settings)
        assert len(bench.pulsed) - before == tuned.pulses <= budget
        assert (tuned.pulses > 0) == (budget > 0)


def test_what_was_written_before_a_bench_refuses_stays_and_runs(network: Network) -> None:
    limits = replace(LIMITS, pulses=190)
    bench = fine_bench()
    crossbar = Crossbar(Guarded(bench, limits), CELL, IsppSettings())
    hardware = offload(network, crossbar, TRAIN.inputs, calibrate=False)
    spoil(bench)
    many = WeightSettings(steps=400, learning_rate=3.0, threshold=1.0, goal=0.0, pause=0.0)
    with pytest.raises(BudgetError):
        tune_weights(hardware, crossbar, TRAIN.inputs, LABELS, many)
    assert np.isfinite(hardware(TRAIN.inputs)).all()


def test_fine_tuning_on_the_simulated_bench_lowers_the_loss(network: Network) -> None:
    with open_bench("sim", seed=1) as bench:
        crossbar = bench.crossbar()
        hardware = offload(network, crossbar, TRAIN.inputs, calibrate=False)
        before = right(hardware)
        tuned = tune_lines(hardware, TRAIN.inputs, LABELS, SHORT)
        assert tuned.losses.min() < tuned.losses[0]
        assert right(hardware) > before


def test_impossible_settings_and_labels_are_refused(network: Network) -> None:
    with pytest.raises(DataError, match="steps = 0"):
        LineSettings(steps=0)
    with pytest.raises(DataError, match="learning_rate = nan"):
        LineSettings(learning_rate=float("nan"))
    with pytest.raises(DataError, match="pause = -1"):
        WeightSettings(pause=-1.0)
    assert WeightSettings(pause=0.0, pulses=0).pulses == 0
    hardware, _ = on_chip(network, fine_bench())
    with pytest.raises(DataError, match="3 labels are not one for each of 400"):
        tune_lines(hardware, TRAIN.inputs, LABELS[:3])
