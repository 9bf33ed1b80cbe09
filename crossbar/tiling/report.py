"""How far each layer on tiles is from what it should give."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from crossbar.tiling.bank import Bank, Clipped
from crossbar.tiling.convert import arriving_at, layers_of


@dataclass(frozen=True, slots=True)
class LayerError:
    """One layer's error and what has a part in it.

    Parameters
    ----------
    name
        In the model.
    tiles
        Arrays that hold it.
    relative
        Root mean square of its outputs' error, for the inputs that reach it on the tiles, as a
        fraction of the outputs' standard deviation.
    bits
        Effective: what a quantiser of as many bits would do to the same outputs, from `relative`.
    accumulated
        Likewise of the error against the whole model in software, earlier layers' errors included.
    inputs_clipped, currents_clipped
        Parts of inputs and of bit-line currents at the end of their converter's range.
    """

    name: str
    tiles: int
    relative: float
    bits: float
    accumulated: float
    inputs_clipped: float
    currents_clipped: float


def layer_errors(converted: nn.Module, model: nn.Module, inputs: Tensor) -> list[LayerError]:
    """Return the errors of every layer of a converted model, in the order of its modules.

    Parameters
    ----------
    converted
        From `crossbar.tiling.to_crossbars`.
    model
        What it was made of, in evaluation mode.
    inputs
        Of the model; not those that it was calibrated with.
    """
    found = []
    outputs = _outputs(model, [name for name, _ in layers_of(converted)], inputs)
    was = converted.training
    converted.eval()
    try:
        for name, layer in layers_of(converted):
            x = arriving_at(converted, layer, inputs)
            banks = [bank for bank in layer.banks if isinstance(bank, Bank)]
            for bank in banks:
                bank.clipped = Clipped()
            with torch.no_grad():
                given, wanted = layer(x), layer.digital(x)
            relative = _relative(given, wanted)
            counts = [bank.clipped for bank in banks]
            found.append(
                LayerError(
                    name=name,
                    tiles=sum(bank.count for bank in banks),
                    relative=relative,
                    # A quantiser over ± 2 standard deviations errs by 4 / (2^b sqrt(12)) of one.
                    bits=float("inf") if relative == 0 else _bits(relative),
                    accumulated=_relative(given, outputs.get(name, wanted)),
                    inputs_clipped=_part(
                        sum(c.inputs_beyond for c in counts), sum(c.inputs for c in counts)
                    ),
                    currents_clipped=_part(
                        sum(c.currents_beyond for c in counts), sum(c.currents for c in counts)
                    ),
                )
            )
    finally:
        converted.train(was)
    return found


def _bits(relative: float) -> float:
    return math.log2(4 / (12**0.5 * relative))


def _outputs(model: nn.Module, names: list[str], inputs: Tensor) -> dict[str, Tensor]:
    """Return what the named layers of a model give in software."""
    kept: dict[str, list[Tensor]] = {name: [] for name in names}
    modules, handles = dict(model.named_modules()), []
    for name in names:
        module = modules.get(name, model)

        def keep(_module: nn.Module, _x: object, output: Tensor, name: str = name) -> None:
            kept[name].append(output.detach())

        handles.append(module.register_forward_hook(keep))
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(parts) for name, parts in kept.items() if parts}


def _relative(given: Tensor, wanted: Tensor) -> float:
    spread = float(wanted.double().std())
    error = float(((given - wanted).double() ** 2).mean() ** 0.5)
    return error / spread if spread > 0 else (0.0 if error == 0 else float("inf"))


def _part(some: int, of: int) -> float:
    return some / of if of else 0.0
