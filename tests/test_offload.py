import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import ArrayLike
from torch import nn

from crossbar.backend import Array, CapacityError, DataError, LimitError
from crossbar.mapping import Window
from crossbar.network import Layer, Network, with_bias
from crossbar.offload import CALIBRATION_INPUTS, MIN_INPUTS, Progress, offload
from crossbar.results import Product, ProgramReport

RELU = Network(
    (
        Layer(np.array([[1.0, -2.0, 0.5], [0.5, 1.0, -1.0]]), np.array([0.1, 0.2, -0.3]), "relu"),
        Layer(np.array([[1.0], [-1.0], [2.0]]), np.array([0.4])),
    )
)
TANH = Network(tuple(Layer(a.weights, a.biases, "tanh") for a in RELU.layers))
INPUTS = np.random.default_rng(0).normal(size=(200, 2))


class ExactCrossbar:
    """Multiplies exactly, writes down what was asked, and refuses what a crossbar refuses."""

    def __init__(self, error: float = 0.0, capacity: int = 100) -> None:
        self.rng = np.random.default_rng(5)
        self.error = error
        self.capacity = capacity
        self.matrices: list[Array] = []
        self.calls: list[str] = []
        self.ranges: list[float | None] = []
        self.calibrated: list[tuple[Array, float | None]] = []

    def program(self, *matrices: ArrayLike, progress: Progress | None = None) -> ProgramReport:
        self.matrices = [np.array(matrix, dtype=np.float64) for matrix in matrices]
        if sum(m.size for m in self.matrices) > self.capacity:
            raise CapacityError("too large")
        self.calls.append("program")
        if progress is not None:
            progress(1, 1)
        nothing = np.zeros((1, 1))
        return ProgramReport(
            placed=(),
            shortfall=(),
            passes=(),
            target=nothing,
            verified=nothing,
            ended=nothing,
            reread=nothing,
            status=nothing.astype(np.int8),
            pulses=nothing.astype(np.intp),
            reads=np.ones((1, 1), dtype=np.intp),
            reversals=np.zeros((1, 1), dtype=np.intp),
            energy=np.full((1, 1), 1e-9),
            elapsed=np.full((1, 1), 0.25),
            rereads=(),
            left=(),
            disturb=(),
            multiply=None,
            clipped=0,
            tolerance=1e-6,
            window=Window(2e-6, 80e-6),
            reread_delay=0.0,
            seconds=0.0,
        )

    def matmul(self, x: ArrayLike, layer: int = 0, *, input_range: float | None = None) -> Product:
        inputs = np.asarray(x, dtype=np.float64)
        if input_range is not None and np.abs(inputs).max() > input_range:
            raise LimitError("an input is outside the range")
        self.ranges.append(input_range)
        digital = inputs @ self.matrices[layer]
        values = digital + self.error * self.rng.standard_normal(digital.shape)
        outputs = np.full(digital.shape[1], self.error)
        return Product(values, digital, outputs, 0.0, np.zeros(digital.shape, dtype=np.uint8))

    def calibrate(
        self, layer: int, inputs: ArrayLike, *, input_range: float | None = None
    ) -> object:
        self.calls.append(f"calibrate {layer}")
        self.calibrated.append((np.asarray(inputs, dtype=np.float64), input_range))
        return None


@pytest.mark.parametrize("network", [RELU, TANH])
def test_an_exact_crossbar_gives_the_scores_of_the_software(network: Network) -> None:
    hardware = offload(network, ExactCrossbar(), INPUTS)
    assert np.allclose(hardware(INPUTS), network(INPUTS), rtol=1e-12, atol=1e-12)


def test_every_matrix_is_programmed_with_its_biases_in_one_call_before_the_rest() -> None:
    crossbar = ExactCrossbar()
    seen: list[tuple[int, int]] = []
    offload(RELU, crossbar, INPUTS, progress=lambda *done: seen.append(done))
    assert crossbar.calls == ["program", "calibrate 0", "calibrate 1"]
    for programmed, layer in zip(crossbar.matrices, RELU.layers, strict=True):
        assert np.array_equal(programmed, np.vstack([layer.weights, layer.biases]))
    assert seen == [(1, 1)]


def test_a_network_is_calibrated_when_asked_and_again_when_asked_again() -> None:
    crossbar = ExactCrossbar()
    hardware = offload(RELU, crossbar, INPUTS, calibrate=False)
    assert crossbar.calls == ["program"]
    hardware.calibrate(INPUTS)
    hardware.calibrate(INPUTS)
    assert crossbar.calls == ["program", *2 * ["calibrate 0", "calibrate 1"]]


def test_input_ranges_are_the_largest_training_activation_or_the_constant_one() -> None:
    hidden = RELU.activations(INPUTS)[1]
    relu = offload(RELU, ExactCrossbar(), INPUTS)
    tanh = offload(TANH, ExactCrossbar(), 0.1 * INPUTS)
    assert [layer.input_range for layer in relu.layers] == [np.abs(INPUTS).max(), hidden.max()]
    assert [layer.input_range for layer in tanh.layers] == [1.0, 1.0]


def test_calibration_uses_few_training_inputs_propagated_in_software() -> None:
    crossbar = ExactCrossbar(error=0.5)
    hardware = offload(RELU, crossbar, INPUTS)
    arriving = [with_bias(x) for x in RELU.activations(INPUTS)[:2]]
    for k, (used, input_range) in enumerate(crossbar.calibrated):
        assert len(used) == CALIBRATION_INPUTS
        assert input_range == hardware.layers[k].input_range
        known = {tuple(row) for row in arriving[k]}
        assert all(tuple(row) in known for row in used)
    first, last = crossbar.calibrated[0][0][[0, -1]]
    assert np.array_equal([first, last], arriving[0][[0, -1]])


def test_few_training_inputs_are_all_used_and_fewer_than_a_line_needs_are_refused() -> None:
    crossbar = ExactCrossbar()
    offload(RELU, crossbar, INPUTS[:MIN_INPUTS])
    assert len(crossbar.calibrated[0][0]) == MIN_INPUTS
    refusing = ExactCrossbar()
    with pytest.raises(DataError, match="2 training inputs are too few"):
        offload(RELU, refusing, INPUTS[:2])
    assert refusing.calls == []


def test_inputs_beyond_the_range_are_multiplied_whole_and_counted() -> None:
    crossbar = ExactCrossbar()
    hardware = offload(RELU, crossbar, INPUTS)
    hardware(INPUTS)
    assert [(layer.runs, layer.extended) for layer in hardware.layers] == [(1, 0), (1, 0)]
    crossbar.ranges.clear()
    x = np.array([[50.0, 0.0], [0.0, 0.1], [0.0, -60.0]])
    inference = hardware.run(x)
    assert np.allclose(inference.scores, RELU(x))
    assert crossbar.ranges == [60.0, RELU.activations(x)[1].max()]
    assert inference.beyond == (2, 2)
    assert [(layer.runs, layer.extended) for layer in hardware.layers] == [(2, 1), (2, 1)]


def test_the_products_hold_the_errors_of_every_layer() -> None:
    crossbar = ExactCrossbar(error=0.01)
    inference = offload(TANH, crossbar, INPUTS).run(INPUTS)
    first, second = inference.products
    assert np.allclose(first.digital, with_bias(INPUTS) @ TANH.layers[0].matrix)
    # The second layer's digital product is of the hidden values that the hardware really gave.
    assert np.allclose(second.digital, with_bias(np.tanh(first.values)) @ TANH.layers[1].matrix)
    assert np.array_equal(inference.scores, np.tanh(second.values))
    assert np.std(first.errors) == pytest.approx(0.01, rel=0.1)


def test_a_network_whose_crossbar_was_programmed_anew_refuses_to_run() -> None:
    crossbar = ExactCrossbar()
    hardware = offload(RELU, crossbar, INPUTS)
    other = Network(tuple(Layer(2 * a.weights, a.biases, "relu") for a in RELU.layers))
    offload(other, crossbar, INPUTS)
    with pytest.raises(DataError, match="layer 0 is not on the crossbar any more"):
        hardware(INPUTS)


def test_a_network_that_does_not_fit_is_refused_by_the_crossbar() -> None:
    with pytest.raises(CapacityError, match="too large"):
        offload(RELU, ExactCrossbar(capacity=5), INPUTS)


def test_what_is_not_a_network_is_refused_before_programming() -> None:
    crossbar = ExactCrossbar()
    with pytest.raises(DataError, match="a list is neither a Network nor a torch module"):
        offload([RELU], crossbar, INPUTS)  # type: ignore[call-overload]
    with pytest.raises(DataError, match="submodule 1 "):
        offload(nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=1)), crossbar, INPUTS)
    with pytest.raises(DataError, match="inputs have shape"):
        offload(RELU, crossbar, np.zeros((5, 3)))
    assert crossbar.calls == []


def test_importing_offload_does_not_import_torch() -> None:
    code = "import sys, crossbar.offload; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
