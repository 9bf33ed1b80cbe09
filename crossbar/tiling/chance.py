"""All chance of a converted model, in one place that can be copied with it."""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Chance:
    """Random numbers of programming and of reads.

    Parameters
    ----------
    seed
        Of both.
    """

    def __init__(self, seed: int) -> None:
        self.numpy = np.random.default_rng(seed)
        self._seed = seed
        self._torch: dict[torch.device, torch.Generator] = {}

    def normal(self, like: Tensor) -> Tensor:
        """Return standard normal numbers in the shape, type and place of a tensor."""
        generator = self._torch.get(like.device)
        if generator is None:
            generator = torch.Generator(device=like.device).manual_seed(self._seed)
            self._torch[like.device] = generator
        return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Chance":
        twin = Chance(self._seed)
        twin.numpy = copy.deepcopy(self.numpy, memo)
        for device, generator in self._torch.items():
            twin._torch[device] = torch.Generator(device=device)
            twin._torch[device].set_state(generator.get_state())
        return twin
