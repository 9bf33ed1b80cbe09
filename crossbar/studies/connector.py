"""A vision-language connector: one trained linear layer between two frozen random networks."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu

from crossbar.backend import Array
from crossbar.losses import cross_entropy
from crossbar.studies.initial import initialised
from crossbar.studies.metrics import ACCURACY, F1
from crossbar.studies.task import Build, Dataset, Task, dealt, no_folder, sizes

SIZE = 2000
SIDE = 16
SHAPES = ("square", "disc", "cross", "ring")
COLOURS = ((0.9, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.2, 0.9), (0.9, 0.8, 0.1))
"""Red, green, blue, yellow; 0 to 1."""

WORDS = len(SHAPES) + len(COLOURS)
NOISE = 0.1  # assumed
FEATURES, WIDTH = 256, 64
FROZEN = 2412
"""Seed of everything that is not trained: one and the same pretrained model in every study."""


def load(folder: Path | None, rng: np.random.Generator, size: int | None) -> Dataset:
    """Return generated pictures, each with a question; the answer is a word.

    Raises
    ------
    DataError
        If a folder is given, or the size is too small.
    """
    no_folder(folder, "connector")
    counts = sizes(size, SIZE)
    total = sum(counts)
    shapes, colours = rng.integers(len(SHAPES), size=total), rng.integers(len(COLOURS), size=total)
    about_colour = rng.random(total) < 0.5
    inputs = np.empty((total, 4, SIDE, SIDE), dtype=np.float32)
    for k in range(total):
        inputs[k, :3] = _picture(SHAPES[shapes[k]], np.array(COLOURS[colours[k]]), rng)
    inputs[:, 3] = about_colour[:, None, None]
    return Dataset(
        *dealt(inputs, np.where(about_colour, len(SHAPES) + colours, shapes), counts),
        sentence=f"generated pictures of one of {len(SHAPES)} shapes in one of {len(COLOURS)} "
        "colours with a question about either, in place of a vision-language benchmark, between "
        "frozen networks of random weights in place of pretrained ones: "
        f"{counts[0]} to train, {counts[1]} to validate, {counts[2]} to test",
        classes=WORDS,
    )


def _picture(shape: str, colour: Array, rng: np.random.Generator) -> NDArray[np.float32]:
    y, x = np.mgrid[:SIDE, :SIDE] - rng.uniform(6.0, SIDE - 7.0, (2, 1, 1))
    size = rng.uniform(3.0, 5.0)
    radius, span = np.hypot(x, y), np.maximum(abs(x), abs(y))
    inside = {
        "square": span < 0.9 * size,
        "disc": radius < size,
        "cross": (span < size) & (np.minimum(abs(x), abs(y)) < 0.35 * size),
        "ring": (radius < size) & (radius > 0.6 * size),
    }[shape]
    image = 0.5 + 0.1 * rng.standard_normal(3)[:, None, None] + np.zeros((3, SIDE, SIDE))
    image[:, inside] = colour[:, None]
    return (image + NOISE * rng.standard_normal(image.shape)).astype(np.float32)


class Connected(nn.Module):
    """A frozen convolutional network, the linear connector, and a frozen network that answers.

    Buffers hold what is frozen: only the connector's parameters are trained, and only they are on
    a crossbar. The second network knows which words answer which question.
    """

    kernels: Tensor
    second_kernels: Tensor
    questions: Tensor
    mixing: Tensor
    words: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.connector = nn.Linear(FEATURES, WIDTH)

    def freeze(self, generator: Generator) -> None:
        """Draw everything that is not trained."""

        def drawn(*shape: int) -> Tensor:
            scale = float(np.prod(shape[1:])) ** -0.5
            return torch.randn(shape, generator=generator).mul(scale)

        words = drawn(WORDS, WIDTH) * WIDTH**0.5
        means = torch.stack([words[: len(SHAPES)].mean(0), words[len(SHAPES) :].mean(0)])
        for name, frozen in (
            ("kernels", 3.0 * drawn(32, 3, 3, 3)),
            ("second_kernels", 1.5 * drawn(FEATURES // 4, 32, 3, 3)),
            ("questions", 2.0 * means),
            ("mixing", drawn(WIDTH, WIDTH)),
            ("words", words),
        ):
            self.register_buffer(name, frozen)

    def forward(self, x: Tensor) -> Tensor:
        """Return the score of every word, of pictures with a plane that is 1 for colour."""
        picture, question = x[:, :3] - 0.5, x[:, 3, :1, 0]
        near = max_pool2d(relu(conv2d(picture, self.kernels, padding=1)), 2)
        far = relu(conv2d(near, self.second_kernels, padding=1))
        features = avg_pool2d(far, far.shape[-1] // 2).flatten(1)
        asked = self.questions[0] + question * (self.questions[1] - self.questions[0])
        token = self.connector(features) + asked
        token = token + torch.tanh(token @ self.mixing)
        scores: Tensor = token @ self.words.T / WIDTH**0.5
        return scores


def linear(data: Dataset, generator: Generator) -> nn.Module:
    """Return `Connected`, its connector drawn from the generator, all else always the same."""
    network = initialised(Connected, generator)
    network.freeze(Generator().manual_seed(FROZEN))
    return network


NETWORKS: Mapping[str, Build] = MappingProxyType({"linear": linear})

TASK = Task(
    name="connector",
    about="which word answers a question about a picture",
    load=load,
    networks=NETWORKS,
    loss=cross_entropy,
    measures=(ACCURACY, F1),
    seen=40_000,
    learning_rate=1e-2,
)
