"""A network on many draws of a device, all together beside one after the other.

``python benchmarks/bench_memsim.py [--json]``. The moons network (2-4-1, 1,000 test points) on
1,000 draws of a device of usability 0.5, on one core. The loop is what one writes first: perturb,
evaluate, repeat. Both are timed in turn in the same run and give the same accuracies. Weights are
drawn, not trained: it is the time that is measured here, not the accuracy.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from rows import Row, arguments, show
from torch import Tensor, nn

from crossbar.backend import Array
from crossbar.data import moons
from crossbar.memsim import DeviceProfile
from crossbar.memsim.levels import sweep
from crossbar.memsim.perturb import perturb

DRAWS, POINTS, USABILITY, SEED = 1000, 1000, 0.5, 0
TURNS = 7
ALLOWED = 1.0
"""Seconds for all draws."""
CLOSE = 1e-6
"""Between accuracies of the same draw, either way."""


def network(rng: np.random.Generator) -> nn.Module:
    """Return a 2-4-1 network in double precision, as moons' networks are trained."""
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    return model


def timed(work: Callable[[], Array]) -> tuple[float, Array]:
    """Return how long something takes, s, and what comes out."""
    start = time.perf_counter()
    values = work()
    return time.perf_counter() - start, values


def rows() -> Iterator[Row]:
    """Measure, and yield what was found."""
    rng = np.random.default_rng(SEED)
    model, points = network(rng), moons(POINTS, 0.12, rng)
    inputs, labels = torch.from_numpy(points.inputs), torch.from_numpy(points.labels)
    profile = DeviceProfile.at(USABILITY)

    def accuracy(module: nn.Module) -> Tensor:
        right: Tensor = (module(inputs)[:, 0] > 0) == labels
        return right.double().mean()

    def together() -> Array:
        result = sweep(model, [profile], accuracy, DRAWS, SEED)
        assert not result.looped, result.looped  # noqa: S101
        return np.asarray(result.values[0])

    def one_by_one() -> Array:
        chance = np.random.default_rng(SEED)
        with torch.no_grad():
            return np.array(
                [float(accuracy(perturb(model, profile, chance))) for _ in range(DRAWS)]
            )

    together()  # torch loads parts of itself when they are first used
    batched, loop, apart = [], [], 0.0
    for _ in range(TURNS):
        seconds, values = timed(together)
        batched.append(seconds)
        seconds, same = timed(one_by_one)
        loop.append(seconds)
        apart = max(apart, float(np.abs(values - same).max()))
    # Of each turn, because both then had the same machine.
    ratios = [slow / fast for slow, fast in zip(loop, batched, strict=True)]
    what = f"{DRAWS} draws of 2-4-1 on {POINTS} points"
    median = statistics.median(batched)
    target = f"below {ALLOWED:g} s on one core"
    spread = statistics.stdev(batched)
    yield Row(f"{what}, together", median, spread, "s", target, median < ALLOWED)
    yield Row(f"{what}, one by one", statistics.median(loop), statistics.stdev(loop), "s")
    yield Row("one by one / together", statistics.median(ratios), statistics.stdev(ratios), "x")
    target = f"at most {CLOSE:g}"
    yield Row("largest difference of an accuracy", apart, None, "", target, apart <= CLOSE)
    sd = float(values.std(ddof=1))
    yield Row(f"accuracy at usability {USABILITY:g}, weights drawn", float(values.mean()), sd, "")


def main() -> None:
    """Measure and print."""
    chosen = arguments(str(__doc__).splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    title = f"draws of a device (medians of {TURNS} turns, seed {SEED}, one thread)"
    show(rows(), as_json=chosen.json, title=title)


if __name__ == "__main__":
    main()
