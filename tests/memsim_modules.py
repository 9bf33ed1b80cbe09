"""Modules of every kind that people perturb, all small."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


class Tied(nn.Module):
    """An embedding whose weights are also those of the output."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.output = nn.Linear(3, 5, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.output(self.embedding(x))
        return result


class Odd(nn.Module):
    """Parameters that are no weights: whole numbers, complex ones, none at all."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.whole = nn.Parameter(torch.arange(3), requires_grad=False)
        self.complex = nn.Parameter(torch.ones(2, dtype=torch.complex64))
        self.empty = nn.Parameter(torch.empty(0, 4))
        self.register_parameter("absent", None)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.linear(x)
        return result


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 2)
    )


def transformer() -> nn.Module:
    return nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)


def recurrent() -> nn.Module:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(2, 3, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.gru(x)[0]
            return result

    return Last()


MODULES: Mapping[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "mlp": (mlp, lambda: torch.linspace(-1, 1, 12).reshape(6, 2)),
    "convolution and batch norm": (
        convolutional,
        lambda: torch.linspace(-1, 1, 2 * 36).reshape(2, 1, 6, 6),
    ),
    "embedding with tied weights": (Tied, lambda: torch.tensor([0, 3, 4])),
    "odd parameters": (Odd, lambda: torch.ones(1, 2)),
    "transformer": (transformer, lambda: torch.linspace(-1, 1, 24).reshape(2, 3, 4)),
    "recurrent": (recurrent, lambda: torch.linspace(-1, 1, 12).reshape(2, 3, 2)),
}
"""How to make one, and inputs for it."""


def made(name: str) -> tuple[nn.Module, Tensor]:
    """Return a module of `MODULES`, always the same, ready to be evaluated, and its inputs."""
    module, inputs = MODULES[name]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        return module().eval(), inputs()


def contents(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of every parameter and buffer."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def same(before: Mapping[str, Tensor], module: nn.Module) -> bool:
    """Return whether every parameter and buffer is what it was, bit for bit."""
    after = module.state_dict()
    return list(before) == list(after) and all(
        before[name].dtype == after[name].dtype and torch.equal(before[name], after[name])
        for name in before
    )
