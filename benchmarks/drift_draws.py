"""LeNet-5 on 10,000 images under 20 draws of log-normal drift, together beside a plain loop.

``python benchmarks/drift_draws.py [--json]``. The loop is what one writes first: draw, evaluate all
images, repeat; a second one takes the images 250 at a time. All are timed in turn in the same run,
with as many threads as torch has (set ``OMP_NUM_THREADS``), on the processor. Weights and images
are drawn, not trained and not read, and labels are what the network itself says without drift: it
is the time that is measured here, not the accuracy.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from rows import Row, arguments, show
from torch import Generator, Tensor, nn
from torch.func import functional_call

from crossbar.backend import Array
from crossbar.deployment import LogNormal, deployed_sets, evaluate
from crossbar.losses import accuracy
from crossbar.memsim.many import obstacle, scores_of_draws

DRAWS, IMAGES, SIGMA, SEED = 20, 10_000, 0.5, 0
TURNS = 3
ALLOWED = 8.0
"""Seconds on two cores."""
BATCH = 250
CLOSE = 2e-4
"""Between accuracies of the same draw: two images, where classes tie but for rounding."""


def lenet(activation: type[nn.Module]) -> nn.Module:
    """Return LeNet-5 for images of 28x28 in one channel, with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        return nn.Sequential(
            *(nn.Conv2d(1, 6, 5), activation(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), activation(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 120, 4), activation(), nn.Flatten()),
            *(nn.Linear(120, 84), activation(), nn.Linear(84, 10)),
        ).eval()


def timed(work: Callable[[], Array]) -> tuple[float, Array]:
    """Return how long something takes, s, and what comes out."""
    start = time.perf_counter()
    values = work()
    return time.perf_counter() - start, values


def rows_of(name: str, model: nn.Module) -> Iterator[Row]:
    """Yield the rows of one network."""
    images = torch.rand((IMAGES, 1, 28, 28), generator=Generator().manual_seed(SEED))
    deployment = LogNormal(SIGMA)

    def sets(draws: int) -> dict[str, Tensor]:
        return deployed_sets(model, deployment, draws, Generator().manual_seed(SEED))

    same = sets(DRAWS)
    assert not (why := obstacle(model, images, same)), why  # noqa: S101
    with torch.no_grad():
        labels = torch.cat([model(part).argmax(1) for part in torch.split(images, BATCH)])

    def together() -> Array:
        chance = Generator().manual_seed(SEED)
        return evaluate(model, images, labels, accuracy, deployment, DRAWS, chance, device="cpu")

    def loop(batch: int) -> Array:
        values = []
        with torch.no_grad():
            every = sets(DRAWS)
            for draw in range(DRAWS):
                one = {key: values_of[draw] for key, values_of in every.items()}
                parts = [functional_call(model, one, (x,)) for x in torch.split(images, batch)]
                values.append(float(accuracy(torch.cat(parts), labels)))
        return np.array(values)

    together()  # torch loads parts of itself when they are first used
    seconds: dict[str, list[float]] = {"together": [], "loop": [], "in batches": []}
    apart = 0.0
    for _ in range(TURNS):
        for key, work in (
            ("together", together),
            ("loop", lambda: loop(IMAGES)),
            ("in batches", lambda: loop(BATCH)),
        ):
            took, values = timed(work)
            seconds[key].append(took)
            if key == "together":
                found = values
            apart = max(apart, float(np.abs(values - found).max()))
    what = f"{name}: {DRAWS} draws x {IMAGES} images"
    target = f"at most {ALLOWED:g} s on two cores"
    yield _row(f"{what}, together", seconds["together"], "s", target, ALLOWED)
    yield _row(f"{what}, plain loop", seconds["loop"], "s")
    yield _row(f"{what}, loop in batches of {BATCH}", seconds["in batches"], "s")
    for key in ("loop", "in batches"):
        # Of each turn, because both then had the same machine.
        pairs = zip(seconds[key], seconds["together"], strict=True)
        yield _row(f"{name}: {key} / together", [slow / fast for slow, fast in pairs], "x")
    words = f"at most {CLOSE:g}"
    yield Row(f"{name}: largest difference of an accuracy", apart, None, "", words, apart <= CLOSE)
    yield _differing(name, model, images, same)


def _differing(name: str, model: nn.Module, images: Tensor, sets: dict[str, Tensor]) -> Row:
    """Return how many of all predictions are others than the module's own."""
    differ = 0
    with torch.no_grad():
        every = scores_of_draws(model, images, DRAWS, lambda _: sets, device="cpu")
        for draw, scores in enumerate(every):
            one = {key: values[draw] for key, values in sets.items()}
            parts = [functional_call(model, one, (x,)) for x in torch.split(images, BATCH)]
            differ += int((torch.cat(parts).argmax(1) != scores.argmax(1)).sum())
    total = DRAWS * len(images)
    return Row(f"{name}: predictions that differ, of {total}", differ, None, "")


def _row(
    name: str, values: list[float], unit: str, target: str | None = None, most: float = 0.0
) -> Row:
    middle = statistics.median(values)
    holds = middle <= most if target else None
    return Row(name, middle, statistics.stdev(values), unit, target, holds)


def main() -> None:
    """Measure and print."""
    chosen = arguments(str(__doc__).splitlines()[0]).parse_args()
    found = [
        *rows_of("LeNet-5, ReLU", lenet(nn.ReLU)),
        *rows_of("LeNet-5, tanh", lenet(nn.Tanh)),
    ]
    threads = torch.get_num_threads()
    title = (
        f"drift draws (medians of {TURNS} turns, sigma {SIGMA:g}, seed {SEED}, {threads} threads)"
    )
    show(found, as_json=chosen.json, title=title)


if __name__ == "__main__":
    main()
