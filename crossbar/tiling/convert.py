"""A torch model with its matrices on tiles."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from crossbar.backend import DataError
from crossbar.device_errors import DeviceErrors
from crossbar.memsim.profile import DeviceProfile
from crossbar.offload import spread_over
from crossbar.tiling.bank import Bank
from crossbar.tiling.chance import Chance
from crossbar.tiling.layers import Build, MatrixConv2d, MatrixLayer, MatrixLinear
from crossbar.tiling.settings import TileDevice, TileSettings

ROWS = 4096
"""Inputs of a layer that a calibration looks at, spread over those that arrive."""

NO_MATRIX = 2
"""A parameter of fewer axes is a scale or a shift, which stays digital."""


def to_crossbars(
    model: nn.Module,
    tile: tuple[int, int] = (128, 128),
    device: TileDevice | DeviceErrors | DeviceProfile | None = None,
    bits: int | tuple[int | None, int | None] | None = 8,
    *,
    inputs: Tensor,
    coding: str = "amplitude",
    seed: int = 0,
) -> nn.Module:
    """Return a copy of a model whose Linear and Conv2d run on simulated tiles, calibrated.

    Weights are cut into tiles, every one programmed with errors of its own; biases, partial sums,
    and whatever else the model has stay digital. In training mode products follow the weights
    through converters, noise and the errors that were drawn, with a gradient (straight through
    rounding); in evaluation mode they are those of what was programmed. After a training,
    `crossbar.tiling.layers.MatrixLayer.program` programs a layer anew.

    Parameters
    ----------
    model
        Any torch module without embeddings or recurrent layers; never changed.
    tile
        Word lines and bit lines of an array; an output takes two bit lines.
    device
        What cells and wires are; None for ideal ones.
    bits
        Of inputs and of bit-line currents, sign included; None is exact.
    inputs
        Typical inputs of the model, from which ranges are chosen, and gains and offsets measured.
    coding
        Key of `crossbar.tiling.settings.CODINGS`.
    seed
        Of programming errors and of read noise.

    Raises
    ------
    DataError
        If the model has a matrix that is not in a Linear or a Conv2d, or none at all.
    CapacityError
        If a tile has no room for a weight.
    """
    dac, adc = (bits if isinstance(bits, tuple) else (bits, bits))[:2]
    settings = TileSettings(tile=tile, dac_bits=dac, adc_bits=adc, coding=coding)
    cells, chance = _device(device), Chance(seed)

    def build(name: str, weights: Tensor) -> nn.Module:
        return Bank(weights, cells, settings, chance)

    converted = replaced(model, build)
    calibrate(converted, inputs)
    return converted


def replaced(model: nn.Module, build: Build) -> nn.Module:
    """Return a copy of a model, each Linear and Conv2d replaced by one whose matrices `build` made.

    Raises
    ------
    DataError
        If the model has a matrix that is not in a Linear or a Conv2d, or none at all.
    """
    for name, module in model.named_modules():
        if type(module) in (nn.Linear, nn.Conv2d):
            continue
        for own, parameter in module.named_parameters(recurse=False):
            if parameter.ndim >= NO_MATRIX:
                where = f"{name or 'the model'} ({type(module).__name__})"
                raise DataError(
                    f"{where} multiplies with its {own} by itself; what runs on tiles is Linear "
                    "and Conv2d"
                )
    twin = copy.deepcopy(model)
    made: dict[nn.Module, nn.Module] = {}

    def layer(name: str, module: nn.Module) -> nn.Module | None:
        if type(module) is nn.Linear:
            return MatrixLinear(module, name, build)
        if type(module) is nn.Conv2d:
            return MatrixConv2d(module, name, build)
        return None

    if (root := layer(type(twin).__name__, twin)) is not None:
        return root
    for path, parent in list(twin.named_modules()):
        for key, child in list(parent._modules.items()):
            if child is None:
                continue
            # A layer that occurs twice is one set of tiles.
            if child not in made:
                new = layer(f"{path}.{key}" if path else key, child)
                if new is None:
                    continue
                made[child] = new
            parent._modules[key] = made[child]
    if not made:
        raise DataError(f"{type(model).__name__} has no Linear and no Conv2d")
    return twin


def layers_of(model: nn.Module) -> Iterator[tuple[str, MatrixLayer]]:
    """Yield the converted layers of a model, with their names; each once."""
    for name, module in model.named_modules():
        if isinstance(module, MatrixLayer):
            yield name or type(module).__name__, module


def calibrate(model: nn.Module, inputs: Tensor) -> None:
    """Choose every layer's ranges from inputs, and measure its tiles' gains and offsets anew.

    Layer by layer: a layer is calibrated with what reaches it through those before it, which are
    calibrated already.

    Parameters
    ----------
    model
        From `to_crossbars`.
    inputs
        Typical inputs of the model.
    """
    was = model.training
    model.eval()
    try:
        for _, layer in layers_of(model):
            arriving = arriving_at(model, layer, inputs)
            for bank, matrix, x in split(layer, arriving):
                bank.calibrate(x, matrix)
    finally:
        model.train(was)


def arriving_at(model: nn.Module, layer: MatrixLayer, inputs: Tensor) -> Tensor:
    """Return what reaches a layer while the model runs with these inputs.

    Raises
    ------
    DataError
        If nothing does.
    """
    layer.seen = []
    try:
        with torch.no_grad():
            model(inputs)
        seen = layer.seen
    finally:
        layer.seen = None
    if not seen:
        raise DataError("the model never uses one of its layers with these inputs")
    return torch.cat(seen)


def split(layer: MatrixLayer, x: Tensor) -> Iterator[tuple[Bank, Tensor, Tensor]]:
    """Yield a layer's banks, each with its matrix and with up to `ROWS` of its inputs.

    Parameters
    ----------
    layer
        Of a converted model.
    x
        What reaches it.
    """
    for bank, matrix, rows in zip(layer.banks, layer.matrices(), layer.rows(x), strict=True):
        if isinstance(bank, Bank):
            chosen = torch.from_numpy(spread_over(len(rows), ROWS))
            yield bank, matrix.detach(), rows[chosen]


def _device(device: TileDevice | DeviceErrors | DeviceProfile | None) -> TileDevice:
    if isinstance(device, TileDevice):
        return device
    if isinstance(device, DeviceProfile):
        device = DeviceErrors.from_profile(device)
    return TileDevice(errors=device)
