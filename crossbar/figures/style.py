"""The look that all figures share, and how they are saved."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from crossbar.backend import DataError

# Okabe and Ito's palette: distinguishable with every common form of colour blindness.
INK = "#222222"
QUIET = "#8a8a8a"
COLOURS: Mapping[str, str] = MappingProxyType(
    {"erm": "#d55e00", "trinomial": "#0072b2", "lognormal": "#009e73", "device": "#cc79a7"}
)
OTHERS = ("#e69f00", "#56b4e9", "#222222")
CLASSES = ("#e69f00", "#56b4e9")

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.dpi": 150,
    "savefig.dpi": 150,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the house style inside the block, and leave matplotlib as it was."""
    with mpl.rc_context(_STYLE):
        yield


def colour(name: str, position: int) -> str:
    """Return the colour of a training objective; unknown ones take the next free one."""
    return COLOURS.get(name, OTHERS[position % len(OTHERS)])


def logarithmic(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers: 1, 2, 5, 10, as many as a few decades bear."""
    low, high = sorted(abs(end) for end in axis.get_view_interval())
    decades = np.log10(high / low) if low > 0 else 9.0
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def save(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written, or its ending is no format that can be drawn.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        figure.savefig(partial)
        partial.replace(path)
    except (OSError, ValueError) as problem:
        partial.unlink(missing_ok=True)
        raise DataError(f"figure {path} cannot be written: {problem}") from problem
