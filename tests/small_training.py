"""Trainings that take no time, and what they start from."""

import numpy as np
import torch
from torch import Tensor, nn

from crossbar.data import Points, moons, standardise
from crossbar.device_errors import DeviceErrors
from crossbar.mapping import Window
from crossbar.training_settings import NoiseSettings, TrainingSettings

DEVICE = DeviceErrors.lognormal(0.4, Window(2e-6, 40e-6))
NOISE = NoiseSettings(draws=4, device=DEVICE)
SHORT = TrainingSettings(epochs=30, warmup=5, restarts=2, selection_draws=8, noise=NOISE)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def standard_moons(n: int, seed: int) -> Points:
    points = moons(n, 0.12, np.random.default_rng(seed))
    return standardise(points)(points)


def problem() -> tuple[nn.Module, Tensor, Tensor]:
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator(1))
    points = standard_moons(60, 1)
    return model, torch.tensor(points.inputs), torch.tensor(points.labels).double()
