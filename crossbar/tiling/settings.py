"""What simulated tiles are made of, and how they are driven and read."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from crossbar.backend import DataError, Volt
from crossbar.device_errors import DeviceErrors
from crossbar.mapping import Window
from crossbar.wires import Lines

WINDOW = Window(2e-6, 8e-5)  # assumed: that of the simulated benches
"""Conductances that a cell is programmed to, where no device says otherwise."""

NO_RESISTANCE = Lines(0.0)

CODINGS: Mapping[str, str] = MappingProxyType(
    {
        "amplitude": "an input is a voltage between 0 and the read voltage; one drive per input",
        "bit-serial": "an input is a row of bits, each driven at the read voltage or at 0 V; one "
        "drive and one conversion per bit, which a nonlinear I-V does not bend",
    }
)
"""How inputs become voltages."""


@dataclass(frozen=True, slots=True)
class TileDevice:
    """The cells and the wires of a tile.

    Parameters
    ----------
    errors
        What becomes of conductances when they are programmed, and their window; None for cells
        that take any conductance of `WINDOW` exactly.
    read_noise
        Standard deviation of a cell's conductance from read to read, as a fraction of it.
    lines
        Resistance of the tile's lines.
    nonlinearity
        b of I = G sinh(bV)/b, 1/V; 0 is ohmic.
    read_voltage
        At the end of the input range, V.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or cells that are not ohmic are to be on
        lines with resistance: such a tile is no matrix.
    """

    errors: DeviceErrors | None = None
    read_noise: float = 0.0
    lines: Lines = NO_RESISTANCE
    nonlinearity: float = 0.0
    read_voltage: Volt = 0.2  # assumed

    def __post_init__(self) -> None:
        for name in ("read_noise", "nonlinearity"):
            if not 0 <= getattr(self, name) < np.inf:
                raise DataError(f"{name} = {getattr(self, name)} is not a number of at least 0")
        if not 0 < self.read_voltage < np.inf:
            raise DataError(f"read_voltage = {self.read_voltage} V is not above 0")
        for name in ("segment", "source", "sense"):
            if not 0 <= getattr(self.lines, name) < np.inf:
                ohm = getattr(self.lines, name)
                raise DataError(f"{name} resistance {ohm} ohm is not zero or more")
        if self.nonlinearity and self.wired:
            raise DataError(
                "cells that are not ohmic on lines with resistance are no matrix: the backends "
                "solve them, tiles do not; take nonlinearity = 0 or lines without resistance"
            )

    @property
    def wired(self) -> bool:
        """Whether the lines have resistance."""
        return max(self.lines.segment, self.lines.source, self.lines.sense) > 0

    @property
    def window(self) -> Window:
        """Conductances that weights are mapped to."""
        return WINDOW if self.errors is None else self.errors.window


@dataclass(frozen=True, slots=True)
class TileSettings:
    """How large tiles are, and how they are driven and read.

    Parameters
    ----------
    tile
        Word lines and bit lines of an array; every output takes two bit lines.
    dac_bits, adc_bits
        Resolution of inputs and of bit-line currents, sign included; None is exact.
    coding
        Key of `CODINGS`.

    Raises
    ------
    DataError
        If a number of bits or of lines is impossible, or the coding unknown.
    """

    tile: tuple[int, int] = (128, 128)
    dac_bits: int | None = 8
    adc_bits: int | None = 8
    coding: str = "amplitude"

    def __post_init__(self) -> None:
        if len(self.tile) != 2 or self.tile[0] < 1 or self.tile[1] < 2:
            raise DataError(f"a tile of {self.tile} lines holds no weight, which takes 1 x 2")
        for name in ("dac_bits", "adc_bits"):
            bits = getattr(self, name)
            if bits is not None and not 2 <= bits <= 24:
                raise DataError(f"{name} = {bits} is not 2 to 24: a sign and a magnitude need 2")
        if self.coding not in CODINGS:
            raise DataError(f"coding {self.coding!r} is not one of {', '.join(CODINGS)}")
        if self.coding == "bit-serial" and self.dac_bits is None:
            raise DataError("bit-serial coding needs a number of bits")

    @property
    def room(self) -> tuple[int, int]:
        """Inputs and outputs that a tile has room for."""
        return self.tile[0], self.tile[1] // 2
