"""Torch modules on a crossbar, and torch modules as the networks that fit one."""

from dataclasses import replace
from typing import TypeGuard, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from crossbar.backend import DataError
from crossbar.network import Layer, Network
from crossbar.offload import HardwareLayer, HardwareNetwork

_ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.Tanh: "tanh",
    nn.ReLU: "relu",
    nn.Sigmoid: "sigmoid",
}
_Module = TypeVar("_Module", bound=nn.Module)


class CrossbarLinear(nn.Module):
    """A layer whose multiply runs on the crossbar: ``activation(x @ weights + biases)``.

    It has no parameters and no gradient: the weights are conductances, and what a measurement did
    to its inputs is not known to autograd. Inputs that ask for a gradient are refused rather than
    detached, because a training would go on without the layers before this one.

    Parameters
    ----------
    hardware
        A layer of what `crossbar.offload.offload` returned.
    """

    def __init__(self, hardware: HardwareLayer) -> None:
        super().__init__()
        self.hardware = hardware

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, ``(..., n_out)`` for ``(..., n_in)``, in the dtype and device of `x`.

        Raises
        ------
        DataError
            If a gradient is asked for, or the inputs do not fit the layer.
        LimitError
            If the crossbar refuses the request.
        """
        _refuse_gradient(x)
        if x.ndim == 0:
            raise DataError("a single number is not an input; (..., n_in) is needed")
        rows = x.detach().cpu().double().numpy().reshape(-1, x.shape[-1])
        outputs, _ = self.hardware.run(rows)
        return torch.from_numpy(outputs).to(x).reshape(*x.shape[:-1], -1)

    def extra_repr(self) -> str:
        """Return the sizes that ``print(module)`` shows."""
        n_in, n_out = self.hardware.layer.weights.shape
        return f"{n_in}, {n_out}, activation={self.hardware.layer.activation}"


class CrossbarNetwork(nn.Module):
    """A network on the crossbar, with the same results as `HardwareNetwork`, to the last bit.

    Parameters
    ----------
    hardware
        What `crossbar.offload.offload` made of the network; ``hardware.run`` also returns the
        products of every layer.
    """

    def __init__(self, hardware: HardwareNetwork) -> None:
        super().__init__()
        self.hardware = hardware
        self.layers = nn.Sequential(*(CrossbarLinear(layer) for layer in hardware.layers))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores, ``(..., n_out)`` for ``(..., n_in)``, in the dtype and device of `x`.

        Raises
        ------
        DataError
            If a gradient is asked for, or the inputs do not fit the network.
        LimitError
            If the crossbar refuses the request.
        """
        _refuse_gradient(x)
        # float64 between the layers: the results must not hang on the dtype of the caller.
        scores = self.layers(x.detach().cpu().double())
        return cast(Tensor, scores.to(x))


def from_torch(module: nn.Module) -> Network:
    """Return the network that a torch module computes, in float64.

    Parameters
    ----------
    module
        A ``Linear``, or a ``Sequential`` (nested ones too) of ``Linear``, each followed by at most
        one of ``Tanh``, ``ReLU`` and ``Sigmoid``. ``Identity`` does nothing, nor does ``Dropout``
        after ``.eval()``.

    Raises
    ------
    DataError
        If there is anything else in it; the message names the submodule.
    """
    layers: list[Layer] = []
    for name, part in _parts(module, ""):
        if _is(part, nn.Linear):
            layers.append(_layer(part))
        elif activation := _activation(part):
            if not layers or layers[-1].activation != "linear":
                raise DataError(f"{name} does not follow a Linear")
            layers[-1] = replace(layers[-1], activation=activation)
        elif _is(part, nn.Dropout) and part.training:
            raise DataError(f"{name} is in training mode; call .eval() first")
        elif not (_is(part, nn.Dropout) or _is(part, nn.Identity)):
            raise DataError(
                f"{name} cannot run on a crossbar; Linear, Tanh, ReLU, Sigmoid, Identity and "
                f"Dropout in a Sequential can"
            )
    return Network(tuple(layers))


def to_torch(network: Network) -> nn.Sequential:
    """Return the torch module that computes a network, in float64: what `from_torch` undoes."""
    modules: list[nn.Module] = []
    kinds = {name: kind for kind, name in _ACTIVATIONS.items()}
    for layer in network.layers:
        n_in, n_out = layer.weights.shape
        # On "meta" the constructor draws nothing from torch's global generator.
        linear = nn.Linear(n_in, n_out, device="meta", dtype=torch.float64).to_empty(device="cpu")
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(layer.weights.T))
            linear.bias.copy_(torch.tensor(layer.biases))
        modules.append(linear)
        if layer.activation != "linear":
            modules.append(kinds[layer.activation]())
    return nn.Sequential(*modules)


def _parts(module: nn.Module, path: str) -> list[tuple[str, nn.Module]]:
    """Return the modules that a Sequential applies, in order, each with its name for messages."""
    where = f"submodule {path}" if path else "the module"
    where += f" ({type(module).__name__})"
    # Hooks change what a module computes, and nothing shows it.
    if module._forward_hooks or module._forward_pre_hooks:
        raise DataError(f"{where} has forward hooks, which cannot run on a crossbar")
    if not _is(module, nn.Sequential):
        return [(where, module)]
    prefix = f"{path}." if path else ""
    # _modules, because named_children leaves out a module's second occurrence.
    children = [(key, child) for key, child in module._modules.items() if child is not None]
    return [part for key, child in children for part in _parts(child, prefix + key)]


def _is(module: nn.Module, kind: type[_Module]) -> TypeGuard[_Module]:
    """Return whether a module computes what `kind` does: a subclass may compute something else."""
    return isinstance(module, kind) and type(module).forward is kind.forward


def _activation(module: nn.Module) -> str | None:
    return next((name for kind, name in _ACTIVATIONS.items() if _is(module, kind)), None)


def _layer(linear: nn.Linear) -> Layer:
    weights = linear.weight.detach().cpu().double().numpy().T
    biases = np.zeros(weights.shape[1])
    # Typed as always there, but it is None after Linear(..., bias=False).
    bias: Tensor | None = linear.bias
    if bias is not None:
        biases = bias.detach().cpu().double().numpy()
    return Layer(weights, biases)


def _refuse_gradient(x: Tensor) -> None:
    if torch.is_grad_enabled() and x.requires_grad:
        raise DataError(
            "a crossbar has no gradient: call it under torch.no_grad(), or detach its inputs"
        )
