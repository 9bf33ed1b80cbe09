from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crossbar.backend import DataError
from crossbar.network import Layer, Network
from crossbar.offload import offload
from crossbar.torch_layers import CrossbarLinear, CrossbarNetwork, from_torch, to_torch
from test_offload import ExactCrossbar

INPUTS = np.random.default_rng(0).normal(size=(100, 2))


def small(dtype: torch.dtype = torch.float64, *, bias: bool = True) -> nn.Sequential:
    generator = torch.Generator().manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 4, bias=bias), nn.Tanh(), nn.Linear(4, 1, bias=bias))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model.to(dtype)


def noisy() -> ExactCrossbar:
    return ExactCrossbar(error=0.05)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_numpy_and_torch_give_the_same_results_to_the_last_bit(dtype: torch.dtype) -> None:
    model = small(dtype)
    inputs = torch.tensor(INPUTS, dtype=dtype)
    by_numpy = offload(from_torch(model), noisy(), inputs.numpy())(inputs.numpy())
    by_torch = offload(model, noisy(), inputs.numpy())(inputs)
    assert by_torch.dtype == dtype
    assert torch.equal(by_torch, torch.tensor(by_numpy).to(dtype))


def test_the_torch_network_and_its_record_are_one() -> None:
    network = offload(small(), noisy(), INPUTS)
    assert isinstance(network, CrossbarNetwork)
    network(torch.tensor(100 * INPUTS))
    assert [layer.runs for layer in network.hardware.layers] == [1, 1]
    assert network.hardware.layers[0].extended == 1
    assert len(network.hardware.run(INPUTS).products) == 2


def test_from_torch_computes_what_the_module_computes() -> None:
    model = nn.Sequential(
        nn.Identity(),
        nn.Sequential(nn.Linear(2, 5), nn.Identity(), nn.ReLU()),
        nn.Dropout(0.5),
        nn.Linear(5, 3, bias=False),
        nn.Sigmoid(),
        nn.Linear(3, 2),
        nn.Tanh(),
    )
    model = model.double().eval()
    network = from_torch(model)
    assert [layer.activation for layer in network.layers] == ["relu", "sigmoid", "tanh"]
    expected = model(torch.tensor(INPUTS)).detach().numpy()
    assert np.allclose(network(INPUTS), expected, rtol=1e-12, atol=1e-12)


def test_to_torch_is_undone_by_from_torch_exactly_and_draws_nothing() -> None:
    rng = np.random.default_rng(0)
    layers = [
        Layer(rng.normal(size=(3, 3)), rng.normal(size=3), activation)
        for activation in ("tanh", "relu", "sigmoid", "linear")
    ]
    network = Network(tuple(layers))
    before = torch.get_rng_state()
    module = to_torch(network)
    assert torch.equal(torch.get_rng_state(), before)
    again = from_torch(module)
    assert [layer.activation for layer in again.layers] == ["tanh", "relu", "sigmoid", "linear"]
    for one, other in zip(network.layers, again.layers, strict=True):
        assert np.array_equal(one.matrix, other.matrix)
    x = rng.normal(size=(5, 3))
    with torch.no_grad():
        assert module(torch.tensor(x)).numpy() == pytest.approx(network(x))


def test_from_torch_reads_a_single_linear_and_float32_exactly() -> None:
    linear = nn.Linear(3, 2)
    (layer,) = from_torch(linear).layers
    assert layer.activation == "linear"
    assert np.array_equal(layer.weights.T.astype(np.float32), linear.weight.detach().numpy())


def test_a_layer_that_is_used_twice_is_two_layers() -> None:
    shared = nn.Linear(2, 2)
    assert len(from_torch(nn.Sequential(shared, nn.Tanh(), shared)).layers) == 2


class Doubled(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=1)), r"submodule 1 \(Softmax\) cannot run"),
        (nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.GELU())), r"submodule 1\.0 \(GELU\)"),
        (nn.Sequential(nn.Tanh(), nn.Linear(2, 2)), r"submodule 0 \(Tanh\) does not follow"),
        (nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.ReLU()), r"submodule 2 \(ReLU\) does not"),
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout()), r"submodule 1 \(Dropout\) is in training"),
        (nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 1)), "layer 0 has 3 outputs"),
        (nn.Sequential(Doubled(2, 2)), r"submodule 0 \(Doubled\) cannot run"),
        (nn.Conv1d(1, 1, 1), r"the module \(Conv1d\) cannot run"),
        (nn.Sequential(), "at least one layer"),
    ],
)
def test_modules_that_cannot_run_on_a_crossbar_are_named(module: nn.Module, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_torch(module)


def test_a_module_with_hooks_is_refused() -> None:
    model = small()

    def double(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return 2 * output

    model[0].register_forward_hook(double)
    with pytest.raises(DataError, match=r"submodule 0 \(Linear\) has forward hooks"):
        from_torch(model)


def test_a_layer_keeps_leading_axes_dtype_and_its_activation() -> None:
    model = small()
    layer = offload(model, ExactCrossbar(), INPUTS).layers[0]
    assert isinstance(layer, CrossbarLinear)
    x = torch.tensor(INPUTS, dtype=torch.float32).reshape(4, 25, 2)
    outputs = layer(x)
    assert outputs.shape == (4, 25, 4)
    assert outputs.dtype == torch.float32
    expected = torch.tanh(model[0](x.double()))
    assert torch.allclose(outputs.double(), expected, atol=1e-6)
    assert layer(x[0, 0]).shape == (4,)
    assert str(layer) == "CrossbarLinear(2, 4, activation=tanh)"


def test_a_gradient_through_the_crossbar_is_refused_and_inference_is_not() -> None:
    network = offload(small(), ExactCrossbar(), INPUTS)
    x = torch.tensor(INPUTS, requires_grad=True)
    for module in (network, network.layers[0]):
        with pytest.raises(DataError, match="a crossbar has no gradient"):
            module(x)
        assert not module(x.detach()).requires_grad
        with torch.no_grad():
            module(x)
    assert list(network.parameters()) == []


@pytest.mark.parametrize(
    "x", [torch.zeros(3, 5), torch.zeros(()), torch.full((3, 2), torch.nan)], ids=str
)
def test_inputs_that_do_not_fit_are_refused(x: Tensor) -> None:
    with pytest.raises(DataError):
        offload(small(), ExactCrossbar(), INPUTS)(x)
