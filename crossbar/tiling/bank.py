"""All tiles of one matrix: programmed once, multiplied with, read through converters.

Tiles of one row of tiles share their inputs and are one product; rows of tiles are converted each
on its own, and added up digitally. Independent normal read noise of every cell is exact as a second
product: a sum of independent normal currents is normal, with the sum of their variances. On lines
with resistance it is approximate: there a cell counts by the matrix that the wires leave.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crossbar.backend import Array
from crossbar.calibration import fit_calibration
from crossbar.conductances import conductance_pair
from crossbar.offload import MIN_INPUTS
from crossbar.tiling.chance import Chance
from crossbar.tiling.converters import best_range, beyond, planes, quantised
from crossbar.tiling.cutting import cut
from crossbar.tiling.settings import TileDevice, TileSettings
from crossbar.wires import effective

HEADROOM = 4.0
"""Standard deviations of read noise that a range keeps above the currents that it was chosen by."""


@dataclass(slots=True)
class Clipped:
    """Values that converters were given, and those that they clipped, since the last reset."""

    inputs: int = 0
    inputs_beyond: int = 0
    currents: int = 0
    currents_beyond: int = 0


class Bank(nn.Module):
    """The tiles of one matrix of weights.

    Parameters
    ----------
    weights
        Shape ``(n_in, n_out)``; what is programmed.
    device, settings
        What the tiles are.
    chance
        Of programming and of reads.
    """

    gain: Tensor
    shift: Tensor
    wires: Tensor
    matrix: Tensor
    adc: Tensor
    correction: Tensor

    def __init__(
        self, weights: Tensor, device: TileDevice, settings: TileSettings, chance: Chance
    ) -> None:
        super().__init__()
        self.device, self.settings, self.chance = device, settings, chance
        n_in, n_out = weights.shape
        self.tiles = cut((n_in, n_out), settings.room)
        self.input_range, self.ranged = 1.0, False
        self.clipped = Clipped()
        rows, like = len(self.tiles), weights.detach()
        for name in ("gain", "shift", "wires", "matrix"):
            self.register_buffer(name, like.new_zeros(n_in, 2 * n_out))
        self.register_buffer("adc", like.new_full((rows, 2 * n_out), torch.inf))
        # Gain and offset of each row of tiles and output; offsets in units of the product.
        correction = torch.stack([like.new_ones(rows, n_out), like.new_zeros(rows, n_out)])
        self.register_buffer("correction", correction)
        self.program(weights)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what a state has beside its tensors."""
        return {"input_range": self.input_range, "ranged": self.ranged}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take over what a state has beside its tensors."""
        self.input_range, self.ranged = float(state["input_range"]), bool(state["ranged"])

    @property
    def count(self) -> int:
        """Arrays that hold the matrix."""
        return sum(len(row) for row in self.tiles)

    def program(self, weights: Tensor) -> None:
        """Program the tiles anew: errors are drawn, ranges and calibration stay.

        Parameters
        ----------
        weights
            Shape ``(n_in, n_out)``.
        """
        asked = self.asked(weights.detach())
        self.gain, self.shift = self._drawn(asked)
        conductances = self.gain * asked + self.shift
        self.matrix = self._wired(conductances)
        self.wires = self.matrix - conductances

    def asked(self, weights: Tensor) -> Tensor:
        """Return the conductances that weights ask for, S, outputs and partners in turn.

        Every tile has a scale of its own, so that its largest weight uses the whole window.
        """
        plus, minus = conductance_pair(weights, self.scales(weights), self.device.window)
        return torch.stack([plus, minus], dim=2).flatten(1)

    def scales(self, weights: Tensor) -> Tensor:
        """Return the conductance difference that stands for a weight of 1, S, weight by weight."""
        largest = torch.empty_like(weights)
        for row in self.tiles:
            for tile in row:
                size = weights[tile.inputs, tile.outputs].detach().abs().max()
                largest[tile.inputs, tile.outputs] = torch.where(size > 0, size, 1.0)
        return self.device.window.span / largest

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return the products of inputs with the matrix, as the tiles give them.

        Parameters
        ----------
        x
            Shape ``(batch, n_in)``.
        weights
            As programmed; in training mode the products follow them, and have a gradient to them.
        """
        total: Tensor | None = None
        for k, part in enumerate(self._partial(x, weights)):
            product = (part - self.correction[1, k]) / self.correction[0, k]
            total = product if total is None else total + product
        assert total is not None  # noqa: S101 - there is no matrix without a tile
        return total

    def calibrate(self, x: Tensor, weights: Tensor) -> None:
        """Choose ranges from inputs, then measure and correct each tile's gain and offset.

        Parameters
        ----------
        x
            Typical inputs, shape ``(batch, n_in)``.
        weights
            As programmed.
        """
        with torch.no_grad():
            bits = self.settings.dac_bits
            self.input_range = best_range(x, bits)
            self.correction[0].fill_(1.0)
            self.correction[1].fill_(0.0)
            self.adc.fill_(torch.inf)
            self.ranged = False
            for k, row in enumerate(self.tiles):
                currents, sigma = self._range_currents(x, k)
                for tile in row:
                    lines = slice(2 * tile.outputs.start, 2 * tile.outputs.stop)
                    reach = best_range(currents[:, lines], self.settings.adc_bits)
                    self.adc[k, lines] = reach + HEADROOM * float(sigma[:, lines].max())
            self.ranged = True
            if len(x) < MIN_INPUTS:
                return
            for k, part in enumerate(self._partial(x, weights)):
                rows = self.tiles[k][0].inputs
                digital = (x[:, rows] @ weights[rows]).double().cpu().numpy()
                raw = part.double().cpu().numpy()
                found = fit_calibration(raw, digital, np.zeros(raw.shape, np.bool_))
                self.correction[0, k] = torch.from_numpy(found.gain)
                self.correction[1, k] = torch.from_numpy(found.offset)
            self.clipped = Clipped()

    def _partial(self, x: Tensor, weights: Tensor) -> list[Tensor]:
        """Return the products of each row of tiles, before any correction."""
        scales = self.scales(weights)
        matrix = self.matrix
        if self.training:
            matrix = self.gain * self.asked(weights) + self.shift + self.wires
        self.clipped.inputs += x.numel()
        self.clipped.inputs_beyond += beyond(x, self.input_range, self.settings.dac_bits)
        parts = []
        for k, row in enumerate(self.tiles):
            rows = row[0].inputs
            # Outputs of one row of tiles may have different scales, but all inputs of a tile one.
            scale = scales[rows.start]
            currents = self._currents(x[:, rows], matrix[rows], k)
            difference = currents[:, 0::2] - currents[:, 1::2]
            parts.append(difference * (self.input_range / (self._full * scale)))
        return parts

    def _currents(self, x: Tensor, matrix: Tensor, k: int) -> Tensor:
        """Return converted bit-line currents, A, of one row of tiles."""
        volt, bits = self.device.read_voltage, self.settings.dac_bits
        if self.settings.coding == "amplitude":
            inputs = quantised(x, self.input_range, bits) / self.input_range
            return self._converted(self._effective(inputs * volt), matrix, k)
        assert bits is not None  # noqa: S101 - bit-serial settings have one
        total = torch.zeros(len(x), matrix.shape[1], dtype=x.dtype, device=x.device)
        for weight, plane in planes(x, self.input_range, bits):
            total = total + weight * self._converted(self._effective(plane * volt), matrix, k)
        if torch.is_grad_enabled() and x.requires_grad:
            # Bits have no slope; the product that they stand for has.
            part = (x / self.input_range).clamp(-1.0, 1.0)
            smooth = part * self._full @ matrix
            total = total + smooth - smooth.detach()
        return total

    def _converted(self, effective: Tensor, matrix: Tensor, k: int) -> Tensor:
        current = effective @ matrix
        if self.device.read_noise:
            # The noise has no gradient: how it grows with weights is no reason to shrink them.
            with torch.no_grad():
                sigma = (effective.square() @ matrix.square()).sqrt_()
                noise = sigma.mul_(self.chance.normal(current)).mul_(self.device.read_noise)
            current = current + noise
        self.clipped.currents += current.numel()
        self.clipped.currents_beyond += beyond(current, self.adc[k], self.settings.adc_bits)
        if not self.ranged:
            return current
        return quantised(current, self.adc[k], self.settings.adc_bits)

    def _effective(self, volts: Tensor) -> Tensor:
        """Return f(V), V, of the cells' law."""
        b = self.device.nonlinearity
        return volts if b == 0 else torch.sinh(b * volts) / b

    @property
    def _full(self) -> float:
        """Value of f at the read voltage, V: what an input at the end of its range stands for."""
        b, volt = self.device.nonlinearity, self.device.read_voltage
        return volt if b == 0 else float(np.sinh(b * volt) / b)

    def _range_currents(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Return the currents that a range is chosen by, without noise, and the noise's sigma."""
        rows = self.tiles[k][0].inputs
        matrix, volt = self.matrix[rows], self.device.read_voltage
        if self.settings.coding == "amplitude":
            inputs = quantised(x[:, rows], self.input_range, self.settings.dac_bits)
            driven = [inputs / self.input_range]
        else:
            bits = self.settings.dac_bits or 2
            driven = [plane for _, plane in planes(x[:, rows], self.input_range, bits)]
        f = self._effective(torch.cat(driven) * volt)
        return f @ matrix, self.device.read_noise * torch.sqrt(f**2 @ matrix**2)

    def _drawn(self, asked: Tensor) -> tuple[Tensor, Tensor]:
        errors = self.device.errors
        if errors is None:
            return torch.ones_like(asked), torch.zeros_like(asked)
        response = errors.response(asked.cpu().double().numpy(), self.chance.numpy)
        shift = np.broadcast_to(response.shift, response.gain.shape).copy()
        return torch.from_numpy(response.gain).to(asked), torch.from_numpy(shift).to(asked)

    def _wired(self, conductances: Tensor) -> Tensor:
        """Return what the tiles' lines make of conductances; unused cells are at the low end.

        A tile's part of the matrix lies where its terminals are: on the first bit lines and the
        last word lines.
        """
        if not self.device.wired:
            return conductances.clone()
        G = conductances.double().cpu().numpy()
        found: Array = np.empty(G.shape)
        n_word, n_bit = self.settings.tile
        for row in self.tiles:
            for tile in row:
                lines = slice(2 * tile.outputs.start, 2 * tile.outputs.stop)
                part = G[tile.inputs, lines]
                whole = np.full((n_word, n_bit), self.device.window.low)
                whole[n_word - len(part) :, : part.shape[1]] = part
                made = effective(whole, self.device.lines)
                found[tile.inputs, lines] = made[n_word - len(part) :, : part.shape[1]]
        return torch.from_numpy(found).to(conductances)
