"""Converters of tiles, differentiable, and their ranges, chosen from data."""

from collections.abc import Iterator

import torch
from torch import Tensor

SHARES = tuple(k / 20 for k in range(20, 3, -1))
"""Of the largest value: the ranges tried. The best one for 8 bits rarely is below a third."""


def quantised(values: Tensor, scale: Tensor | float, bits: int | None) -> Tensor:
    """Return values rounded to a converter's codes, those beyond ± `scale` at the end.

    The gradient is 1 inside the range and 0 beyond. A converter without a number of bits is exact,
    and has no end.

    Parameters
    ----------
    values
        Any shape.
    scale
        End of the range, in the unit of the values, broadcast to them.
    bits
        Sign included, mid-tread: ± `scale` and zero are codes; None returns the values.
    """
    if bits is None:
        return values
    if not (torch.is_grad_enabled() and values.requires_grad):
        # The same without the pieces that a gradient needs: half of the passes over the values.
        most = 2 ** (bits - 1) - 1
        codes: Tensor = (values * (most / scale)).round_().clamp_(-most, most)
        return codes.mul_(scale / most)
    part = (values / scale).clamp(-1.0, 1.0)
    largest = 2 ** (bits - 1) - 1
    part = part + (torch.round(part * largest) / largest - part).detach()
    converted: Tensor = part * scale
    return converted


def beyond(values: Tensor, scale: Tensor | float, bits: int | None) -> int:
    """Return how many values a converter clips."""
    return 0 if bits is None else int(torch.count_nonzero(values.abs() > scale))


def best_range(values: Tensor, bits: int | None) -> float:
    """Return the end of the range that converts these values with the least squared error.

    A range below the largest value clips a few and resolves the others better. Without a number of
    bits it is the largest value; it is 1 if all are 0.
    """
    largest = float(values.abs().max()) if values.numel() else 0.0
    if largest == 0.0:
        return 1.0
    if bits is None:
        return largest
    errors = {
        share: float(((quantised(values, share * largest, bits) - values) ** 2).mean())
        for share in SHARES
    }
    return largest * min(errors, key=lambda share: errors[share])


def planes(values: Tensor, scale: float, bits: int) -> Iterator[tuple[float, Tensor]]:
    """Yield the bits of values, each with its weight in units of `scale`: signed, 0 or ± 1.

    Parameters
    ----------
    values
        Any shape; those beyond the range are clipped.
    scale
        End of the range.
    bits
        Sign included.
    """
    largest = 2 ** (bits - 1) - 1
    codes = torch.round((values / scale).clamp(-1.0, 1.0) * largest)
    sign, magnitude = torch.sign(codes), codes.abs()
    for k in range(bits - 1):
        bit = torch.remainder(torch.floor(magnitude / 2**k), 2)
        yield 2**k / largest, sign * bit
