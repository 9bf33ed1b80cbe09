from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crossbar.backend import Array, DataError
from crossbar.bench import open_bench
from crossbar.crossbar import Crossbar
from crossbar.tiling import cost_of, multiplexed, rehearse
from crossbar.tiling.convert import layers_of


@pytest.fixture
def ideal() -> Iterator[Crossbar]:
    with open_bench("ideal", seed=0) as bench:
        yield bench.crossbar()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(14, 7), nn.ReLU(), nn.Linear(7, 2)).double().eval()


def images() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).double()


def points(count: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, (count, *shape)))


def test_a_network_larger_than_the_array_runs_on_it(ideal: Crossbar) -> None:
    model, x = network(), points(20, 14)
    assert ideal.backend.shape == (10, 10)
    with torch.no_grad():
        found = multiplexed(model, ideal)(x)
        torch.testing.assert_close(found, model(x), rtol=0.02, atol=0.02)
        pictures = points(5, 1, 4, 4)
        on_bench = multiplexed(images(), ideal)(pictures)
        torch.testing.assert_close(on_bench, images()(pictures), rtol=0.02, atol=0.02)


def test_the_cost_is_what_is_done(ideal: Crossbar) -> None:
    model, x = network(), points(80, 14)
    cost = cost_of(model, ideal, x)
    # 14 inputs and 7 outputs on 10 x 5, then 7 and 2.
    assert [(n, t) for n, _, t, _ in cost.layers] == [("0", 4), ("2", 1)]
    assert cost.cells == 2 * (14 * 7 + 7 * 2)
    assert cost.drives == 5 * (80 + 64)
    assert cost.pulses is None
    programmed: list[int] = []
    driven: list[int] = []
    program, matmul, calibrate = ideal.program, ideal.matmul, ideal.calibrate

    def counted(*matrices: Array, **given: object) -> object:
        programmed.append(2 * matrices[0].size)
        return program(*matrices, **given)  # type: ignore[arg-type]

    def multiplied(inputs: Array, *args: object, **given: object) -> object:
        driven.append(len(inputs))
        return matmul(inputs, *args, **given)  # type: ignore[arg-type]

    def calibrated(layer: int, inputs: Array, **given: object) -> object:
        driven.append(len(inputs))
        return calibrate(layer, inputs, **given)  # type: ignore[arg-type]

    ideal.program, ideal.matmul, ideal.calibrate = counted, multiplied, calibrated  # type: ignore[method-assign, assignment]
    with torch.no_grad():
        multiplexed(model, ideal)(x)
    assert (sum(programmed), len(programmed)) == (cost.cells, cost.tiles)
    assert sum(driven) == cost.drives


def test_a_rehearsal_foretells_pulses_and_time() -> None:
    model, x = network(), points(40, 14)
    with open_bench("sim", seed=3) as bench:
        crossbar = bench.crossbar()
        rehearsal = rehearse(crossbar, np.random.default_rng(0), "sim, 10x10")
        cost = cost_of(model, crossbar, x, rehearsal)
        begin = bench.backend.now
        with torch.no_grad():
            multiplexed(model, crossbar)(x)
        took = bench.backend.now - begin
    assert cost.seconds is not None
    assert cost.seconds == pytest.approx(took, rel=0.15)
    assert "rehearsed on sim, 10x10" in str(cost)
    assert "min" in str(cost)
    assert "pulses" not in str(cost_of(model, crossbar, x))


def test_what_was_done_before_an_interrupt_is_not_done_again(ideal: Crossbar) -> None:
    model, x = network(), points(20, 14)
    record: dict[str, Array] = {}
    made: list[str] = []

    def keep(name: str, make: Callable[[], Array]) -> Array:
        if name not in record:
            if len(made) == 3:
                raise KeyboardInterrupt
            made.append(name)
            record[name] = make()
        return record[name]

    with torch.no_grad(), pytest.raises(KeyboardInterrupt):
        multiplexed(model, ideal, keep=keep)(x)
    assert made == ["tile/0/0", "tile/0/1", "tile/0/2"]
    made.clear()
    with torch.no_grad():
        found = multiplexed(model, ideal, keep=keep)(x)
    assert made == ["tile/0/3", "tile/2/0"]
    torch.testing.assert_close(found, model(x), rtol=0.02, atol=0.02)


def test_progress_is_told_of_tiles_and_cells(ideal: Crossbar) -> None:
    told: list[tuple[str, int, int]] = []
    with torch.no_grad():
        multiplexed(network(), ideal, told=lambda *what: told.append(what))(points(9, 14))
    assert ("tiles of 0", 0, 4) in told
    assert ("tiles of 2", 1, 1) in told
    assert any(what == "cells of this pass" for what, _, _ in told)


def test_a_gradient_is_refused(ideal: Crossbar) -> None:
    on_bench = multiplexed(network(), ideal)
    with pytest.raises(DataError, match="no gradient"):
        on_bench(points(9, 14).requires_grad_())
    assert len(list(layers_of(on_bench))) == 2
