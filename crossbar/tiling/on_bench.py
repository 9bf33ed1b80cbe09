"""A torch model on one array, tile after tile: programmed, calibrated, driven with the batch."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from crossbar.backend import Array, DataError
from crossbar.crossbar import Crossbar
from crossbar.offload import MIN_INPUTS
from crossbar.tiling.convert import replaced
from crossbar.tiling.cost import CALIBRATION, room_of, spread
from crossbar.tiling.cutting import cut

Told = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much there is."""
Keep = Callable[[str, Callable[[], Array]], Array]
"""``keep(name, make)``: the product of a tile, made or, after an interrupt, from the record."""


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def _made(name: str, make: Callable[[], Array]) -> Array:
    """Keep nothing."""
    return make()


def multiplexed(
    model: nn.Module, crossbar: Crossbar, *, told: Told = _silent, keep: Keep = _made
) -> nn.Module:
    """Return a copy of a model whose Linear and Conv2d run on one crossbar, tile after tile.

    Each call programs every tile anew, calibrates it with inputs of the call, and multiplies with
    all of them before the next tile is programmed: a large batch costs as much programming as a
    small one. `crossbar.tiling.cost_of` says beforehand how much.

    Parameters
    ----------
    model
        As for `crossbar.tiling.to_crossbars`; in evaluation mode.
    crossbar
        On any bench.
    told
        Told of tiles, and of the cells of the one that is being programmed.
    keep
        What makes an interrupted call go on where it was; by default nothing is kept.

    Raises
    ------
    DataError
        As `to_crossbars`; when called, also if a gradient is asked for.
    """

    def build(name: str, weights: Tensor) -> nn.Module:
        return _OnBench(name, weights, crossbar, told, keep)

    return replaced(model, build)


class _OnBench(nn.Module):
    """One matrix on a crossbar that holds one tile at a time."""

    def __init__(
        self, name: str, weights: Tensor, crossbar: Crossbar, told: Told, keep: Keep
    ) -> None:
        super().__init__()
        self.name, self.crossbar, self.told, self.keep = name, crossbar, told, keep
        rows = cut((weights.shape[0], weights.shape[1]), room_of(crossbar))
        self.tiles = [tile for row in rows for tile in row]

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return products, partial sums digital; each tile is programmed first."""
        if torch.is_grad_enabled() and x.requires_grad:
            raise DataError(
                "a crossbar has no gradient: call it under torch.no_grad(), or detach its inputs"
            )
        inputs = x.detach().cpu().double()
        matrix = weights.detach().cpu().double().numpy()
        total = np.zeros((len(inputs), matrix.shape[1]))
        largest = float(inputs.abs().max()) or 1.0
        for k, tile in enumerate(self.tiles):
            self.told(f"tiles of {self.name}", k, len(self.tiles))
            rows = inputs[:, tile.inputs]
            part = matrix[tile.inputs, tile.outputs]

            def make(rows: Tensor = rows, part: Array = part) -> Array:
                return self._product(rows, part, largest)

            total[:, tile.outputs] += self.keep(f"tile/{self.name}/{k}", make)
        self.told(f"tiles of {self.name}", len(self.tiles), len(self.tiles))
        return torch.from_numpy(total).to(x)

    def _product(self, rows: Tensor, part: Array, largest: float) -> Array:
        def cells(done: int, of: int) -> None:
            self.told("cells of this pass", done, of)

        self.crossbar.program(part, progress=cells)
        few = spread(rows, CALIBRATION).numpy()
        if len(few) >= MIN_INPUTS:
            self.crossbar.calibrate(0, few, input_range=largest)
        return self.crossbar.matmul(rows.numpy(), input_range=largest).values
