"""Networks of a study on tiles of crossbars: every draw of a level is a chip."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Module

from crossbar.device_errors import DeviceErrors
from crossbar.memsim.profile import DeviceProfile
from crossbar.tiling import TileDevice, TileSettings, to_crossbars
from crossbar.tiling.settings import WINDOW
from crossbar.wires import Lines

CALIBRATED = 256
"""Training examples that ranges, gains and offsets of every chip are found with."""

BATCH = 500
"""Examples that run through a chip at once."""


@dataclass(frozen=True, slots=True)
class TilePlan:
    """What the tiles are, beside the errors of a level's device.

    Parameters
    ----------
    settings
        Size, converters, coding.
    read_noise
        As of `crossbar.tiling.TileDevice`.
    lines
        Likewise.
    """

    settings: TileSettings
    read_noise: float
    lines: Lines

    def __str__(self) -> str:
        """Return the tiles in words."""
        s = self.settings
        bits = ", ".join(
            f"{name} {'exact' if n is None else f'{n} bit'}"
            for name, n in (("inputs", s.dac_bits), ("currents", s.adc_bits))
        )
        return (
            f"tiles of {s.tile[0]}x{s.tile[1]} lines, {bits}, {s.coding} coding, read noise "
            f"{self.read_noise:g}, {self.lines.segment:g} ohm per segment"
        )

    def device(self, level: DeviceProfile) -> TileDevice:
        """Return the tiles' cells at a level."""
        errors = DeviceErrors.from_profile(level, WINDOW)
        return TileDevice(errors=errors, read_noise=self.read_noise, lines=self.lines)


def scores_on_tiles(
    model: Module, plan: TilePlan, level: DeviceProfile, inputs: Tensor, typical: Tensor, seed: int
) -> Tensor:
    """Return the scores of a network on one chip.

    Parameters
    ----------
    model
        Trained, in evaluation mode; never changed.
    plan, level
        What the chip is made of.
    inputs
        Examples.
    typical
        Others, of the training: the chip is calibrated with some of them.
    seed
        Of the chip.

    Raises
    ------
    DataError
        If the network has matrices that cannot be on tiles.
    """
    chip = to_crossbars(
        model,
        plan.settings.tile,
        plan.device(level),
        (plan.settings.dac_bits, plan.settings.adc_bits),
        inputs=typical[:CALIBRATED],
        coding=plan.settings.coding,
        seed=seed,
    )
    with torch.no_grad():
        return torch.cat([chip(inputs[k : k + BATCH]) for k in range(0, len(inputs), BATCH)])
