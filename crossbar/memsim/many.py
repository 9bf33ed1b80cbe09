"""A network's scores on many examples under many draws of its parameters, as fast as they come.

Draws are taken together where `crossbar.memsim.grouped` can follow the module, a portion of the
examples at a time that stays in a processor's cache; otherwise one after the other, in portions
too. Either way the scores are those of a plain loop but for rounding.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import Module

from crossbar.backend import DataError
from crossbar.draws import DrawSets, portions
from crossbar.memsim.draw_layers import CannotFollow
from crossbar.memsim.grouped import Bound, Plan, plan
from crossbar.memsim.perturb import copied

NUMBERS_TOGETHER, NUMBERS_ALONE = 2**22, 2**20
"""In the largest output of a layer, over the draws and examples that are taken at once: of draws
together and of one by one. Of 2**18 to 2**22 the fastest or near it on two cores, for LeNet-5 and
for AlexNet-, ResNet-, ResNeXt- and MobileNet-shaped networks: what is beyond a processor's cache
costs more than calls do. The larger of equals, because threads that wait for each other at every
call wait long on a busy machine."""
NUMBERS_ON_A_GPU = 2**26  # assumed
"""Either where no cache is to be spared."""
NUMBERS_DRAWN = 2**22
"""In the parameters of all draws that are taken together."""
DRAWS_AT_ONCE = 64
"""More gain nothing on networks as small as 2-4-1."""
WORTH_A_GPU = 2**28  # assumed
"""Numbers in the largest outputs of all examples and draws from which a GPU is worth the way."""
CLOSE = 1e-3
"""Relative to the largest score: rounding is far below, a module that was misread far above."""


def scores_of_draws(
    model: Module,
    inputs: Tensor,
    draws: int,
    sets: DrawSets,
    *,
    device: torch.device | str | None = None,
) -> Iterator[Tensor]:
    """Yield a module's outputs for all inputs, shape ``(n, ...)``, under one draw after the other.

    Parameters
    ----------
    model
        In the mode it is to be evaluated in; never changed.
    inputs
        Batch first; examples must not depend on each other.
    draws
        How many.
    sets
        Makes the parameters of several draws: by name, shape ``(draws, *parameter.shape)``.
    device
        Where to compute, and where the outputs are. If None that is where the inputs are; a GPU
        takes over from a processor where there is one and the work is worth it.

    Raises
    ------
    DataError
        If there is no input, or the module cannot be copied.
    """
    if not len(inputs):
        raise DataError("there are no inputs to evaluate a network on")
    numbers = _largest_output(model, inputs[:2])
    place = _place(inputs, len(inputs) * draws * numbers, device)
    # Parameters are drawn from the caller's own: a generator belongs to a device.
    here, examples = _own_copy(model).to(place), inputs.to(place)
    follower = _Follower(here, examples[:2])
    own = sum(parameter.numel() for parameter in model.parameters())
    together = max(1, min(DRAWS_AT_ONCE, NUMBERS_DRAWN // max(1, own)))
    for portion, made in portions(model, draws, sets):
        for start in range(0, portion, together):
            part = {name: v[start : start + together].to(place) for name, v in made.items()}
            count = min(together, portion - start)
            yield from _scores(here, examples, count, part, follower, numbers)


def obstacle(model: Module, inputs: Tensor, sets: dict[str, Tensor]) -> str:
    """Return why draws are evaluated one after the other; empty if they are taken together.

    Parameters
    ----------
    model, inputs
        As in `scores_of_draws`.
    sets
        Parameters of some draws.
    """
    follower = _Follower(_own_copy(model), inputs[:2])
    with torch.inference_mode():
        follower.bound(sets)
    return follower.obstacle


class _Follower:
    """A plan of a module, given up for good when it fails or gives other numbers."""

    def __init__(self, model: Module, probe: Tensor) -> None:
        self._model = model
        self._probe = probe
        self._plan: Plan | None = None
        self._checked = False
        self.obstacle = ""
        try:
            self._plan = plan(model)
        except CannotFollow as problem:
            self.obstacle = str(problem)

    def bound(self, sets: dict[str, Tensor]) -> Bound | None:
        """Return the plan with these draws, or None if they have to be taken one by one."""
        if self._plan is None or not sets:
            return None
        try:
            found = self._plan.bind(sets)
            if not self._checked:
                self._check(found, sets)
        # Whatever a layer does with values that are laid out differently.
        except (CannotFollow, RuntimeError, TypeError, ValueError) as problem:
            self._plan, self.obstacle = None, f"{type(problem).__name__}: {problem}"
            return None
        return found

    def _check(self, found: Bound, sets: dict[str, Tensor]) -> None:
        """Compare the first draw with what the module itself says of a few examples."""
        first = {name: values[0] for name, values in sets.items()}
        expected = functional_call(self._model, first, (self._probe,))
        seen = found(self._probe)[0]
        if seen.shape != expected.shape:
            raise CannotFollow(f"outputs of shape {tuple(seen.shape)}, not {tuple(expected.shape)}")
        reach = CLOSE * float(expected.abs().max())
        # Not finite numbers differ from themselves; two of the same kind do not.
        if not torch.allclose(seen, expected, rtol=0.0, atol=reach, equal_nan=True):
            raise CannotFollow("other numbers than the module's own")
        self._checked = True


@torch.inference_mode()
def _scores(
    model: Module,
    inputs: Tensor,
    draws: int,
    sets: dict[str, Tensor],
    follower: "_Follower",
    numbers: int,
) -> list[Tensor]:
    """Return the outputs under each draw; `numbers` has the largest output of one example."""
    gpu = inputs.device.type == "cuda"
    bound = follower.bound(sets)
    if bound is not None:
        size = max(1, (NUMBERS_ON_A_GPU if gpu else NUMBERS_TOGETHER) // (numbers * draws))
        parts = [bound(part) for part in torch.split(inputs, size)]
        return list(torch.cat(parts, dim=1))
    found, size = [], max(1, (NUMBERS_ON_A_GPU if gpu else NUMBERS_ALONE) // numbers)
    for draw in range(draws):
        one = {name: values[draw] for name, values in sets.items()}
        outputs = [functional_call(model, one, (part,)) for part in torch.split(inputs, size)]
        found.append(torch.cat(outputs))
    return found


def _largest_output(model: Module, inputs: Tensor) -> int:
    """Return how many numbers the largest output of a layer has, or an input, per example."""
    copy, sizes = _own_copy(model), [inputs.numel()]

    def note_size(module: Module, given: object, output: object) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.numel())

    for module in copy.modules():
        module.register_forward_hook(note_size)
    with torch.inference_mode():
        copy(inputs)
    return max(1, max(sizes) // len(inputs))


def _own_copy(model: Module) -> Module:
    """Return a copy of a module whose layers leave what they are given as it is."""
    copy = copied(model)
    for module in copy.modules():
        if "inplace" in vars(module):
            vars(module)["inplace"] = False
    return copy


def _place(inputs: Tensor, numbers: int, device: torch.device | str | None) -> torch.device:
    if device is not None:
        return torch.device(device)
    if torch.cuda.is_available() and numbers >= WORTH_A_GPU:
        return torch.device("cuda")
    return inputs.device
