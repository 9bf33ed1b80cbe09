"""A module's forward pass as a list of steps that take many draws of its parameters at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import Module, functional

from crossbar.memsim.draw_layers import (
    FUNCTIONS,
    LAYERS,
    RISING,
    RISING_FUNCTIONS,
    CannotFollow,
    Maps,
    Own,
    Rows,
    Step,
    Value,
)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a module does, call by call.

    Parameters
    ----------
    module
        Whose they are.
    graph
        Its calls.
    names
        Of its parameters, by their identity.
    """

    module: Module
    graph: fx.Graph
    names: Mapping[int, str]

    def bind(self, sets: Mapping[str, Tensor]) -> "Bound":
        """Return the plan with draws of the parameters: shape ``(draws, *parameter.shape)`` each.

        Raises
        ------
        CannotFollow
            If a layer's options have no rule.
        """
        draws = len(next(iter(sets.values())))
        own, later = Own(draws, sets, self.names), self._later()
        steps: dict[fx.Node, Step] = {}
        for node in self.graph.nodes:
            if node in later.values():
                steps[node] = _nothing
            elif node in later:
                steps[node] = _then(self._step(node, own), self._step(later[node], own))
            elif node.op not in ("placeholder", "output"):
                steps[node] = self._step(node, own)
        return Bound(self.graph, steps, draws)

    def _step(self, node: fx.Node, own: Own) -> Step:
        if node.op == "call_module":
            layer = self.module.get_submodule(str(node.target))
            return LAYERS[type(layer)](layer, own)
        return FUNCTIONS[node.target](own)

    def _later(self) -> dict[fx.Node, fx.Node]:
        """Return the activations that come after a maximum just as well, by its pool.

        Largest first and bent then is bent first and largest then, on a fourth of the numbers.
        """
        found = {}
        for node in self.graph.nodes:
            before = node.args[0] if node.args else None
            if not (self._is_max_pool(node) and isinstance(before, fx.Node)):
                continue
            if self._rises(before) and len(before.users) == 1:
                found[node] = before
        return found

    def _is_max_pool(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            return isinstance(self.module.get_submodule(str(node.target)), nn.MaxPool2d)
        return node.op == "call_function" and node.target is functional.max_pool2d

    def _rises(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            return type(self.module.get_submodule(str(node.target))) in RISING
        return node.op in ("call_function", "call_method") and node.target in RISING_FUNCTIONS


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A plan with the parameters of several draws.

    Parameters
    ----------
    graph
        The module's calls.
    steps
        What each does to values of all draws.
    draws
        How many.
    """

    graph: fx.Graph
    steps: Mapping[fx.Node, Step]
    draws: int

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the module's outputs, shape ``(draws, n, ...)``.

        Raises
        ------
        CannotFollow
            If a layer meets values that it has no rule for.
        """
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        values: dict[fx.Node, Value] = {}
        for node in self.graph.nodes:
            if node.op == "placeholder":
                values[node] = inputs
            elif node.op == "output":
                break
            else:
                given = [values[a] if isinstance(a, fx.Node) else a for a in node.args]
                values[node] = self.steps[node](*given, **_options(node))
                for used in node.all_input_nodes:
                    if next(iter(reversed(used.users))) is node:
                        del values[used]  # the next layer finds its memory in the cache
        result = values[node.args[0]]
        if isinstance(result, Rows):
            return result.values
        if isinstance(result, Maps):
            n, channels, *space = result.values.shape
            by_draw = result.values.reshape(n, self.draws, channels // self.draws, *space)
            return by_draw.movedim(1, 0)
        return result.expand(self.draws, *result.shape)


def plan(model: Module) -> Plan:
    """Return how to follow a module's forward pass; the module is kept, not copied.

    Raises
    ------
    CannotFollow
        If it has not one input and one output, or there is no rule for a call.
    """
    # A single layer would be followed into what it does with its parameters.
    module = nn.Sequential(model) if type(model) in LAYERS else model
    try:
        graph = fx.symbolic_trace(module).graph
    # Whatever a module does with a tensor that has no numbers.
    except Exception as problem:
        raise CannotFollow(f"{type(problem).__name__}: {problem}") from problem
    if [node.op for node in graph.nodes].count("placeholder") != 1:
        raise CannotFollow("a module of several inputs")
    for node in graph.nodes:
        _check(node, module)
    return Plan(module, graph, {id(p): name for name, p in model.named_parameters()})


def _check(node: fx.Node, module: Module) -> None:
    """Raise unless there is a rule for a node."""
    if node.op == "output" and not isinstance(node.args[0], fx.Node):
        raise CannotFollow("a module of several outputs")
    if node.op == "call_module":
        layer = module.get_submodule(str(node.target))
        if type(layer) not in LAYERS or len(node.args) != 1 or node.kwargs:
            raise CannotFollow(f"a layer {type(layer).__name__}")
    if node.op in ("call_function", "call_method") and node.target not in FUNCTIONS:
        name = getattr(node.target, "__name__", str(node.target))
        raise CannotFollow(f"a call of {name}")
    if node.op == "get_attr":
        raise CannotFollow(f"the parameter {node.target} outside a layer")


def _options(node: fx.Node) -> dict[str, Any]:
    """Return the keyword arguments of a call but for `inplace`, which no rule obeys."""
    return {key: value for key, value in node.kwargs.items() if key != "inplace"}


def _nothing(x: Value, *_: Any, **__: Any) -> Value:
    return x


def _then(first: Step, second: Step) -> Step:
    return lambda x, *rest, **options: second(first(x, *rest, **options))
