"""Networks larger than one array: layers cut into tiles, partial sums digital.

`to_crossbars` turns a torch model into one whose matrices lie on simulated tiles, `multiplexed`
into one that a single array on any bench computes tile by tile, after `cost_of` has said what that
takes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossbar.tiling.convert import calibrate, to_crossbars
    from crossbar.tiling.cost import Cost, Rehearsal, cost_of, rehearse
    from crossbar.tiling.on_bench import multiplexed
    from crossbar.tiling.report import LayerError, layer_errors
    from crossbar.tiling.settings import CODINGS, TileDevice, TileSettings

__all__ = [
    "CODINGS",
    "Cost",
    "LayerError",
    "Rehearsal",
    "TileDevice",
    "TileSettings",
    "calibrate",
    "cost_of",
    "layer_errors",
    "multiplexed",
    "rehearse",
    "to_crossbars",
]

_PARTS = {
    "convert": ("calibrate", "to_crossbars"),
    "cost": ("Cost", "Rehearsal", "cost_of", "rehearse"),
    "on_bench": ("multiplexed",),
    "report": ("LayerError", "layer_errors"),
    "settings": ("CODINGS", "TileDevice", "TileSettings"),
}


def __getattr__(name: str) -> Any:
    """Return a name of this package when it is first used: torch is imported for it only then."""
    for part, names in _PARTS.items():
        if name in names:
            return getattr(import_module(f"crossbar.tiling.{part}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
