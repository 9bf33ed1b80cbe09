"""Networks larger than one array: layers cut into tiles, partial sums digital.

`to_crossbars` turns a torch model into one whose matrices lie on simulated tiles, `multiplexed`
into one that a single array on any bench computes tile by tile, after `cost_of` has said what that
takes.
"""

from crossbar.tiling.convert import calibrate, to_crossbars
from crossbar.tiling.cost import Cost, Rehearsal, cost_of, rehearse
from crossbar.tiling.cutting import Tile, cut
from crossbar.tiling.multiplexed import multiplexed
from crossbar.tiling.report import LayerError, layer_errors
from crossbar.tiling.settings import CODINGS, TileDevice, TileSettings

__all__ = [
    "CODINGS",
    "Cost",
    "LayerError",
    "Rehearsal",
    "Tile",
    "TileDevice",
    "TileSettings",
    "calibrate",
    "cost_of",
    "cut",
    "layer_errors",
    "multiplexed",
    "rehearse",
    "to_crossbars",
]
