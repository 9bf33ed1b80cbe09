import numpy as np
import pytest
import torch

from crossbar.backend import DataError
from crossbar.tiling.exact import effective_all
from crossbar.wires import Lines, effective


def arrays(count: int, n: int, m: int) -> torch.Tensor:
    drawn = np.random.default_rng(0).uniform(1e-6, 1e-3, (count, n, m))
    return torch.from_numpy(drawn)


@pytest.mark.parametrize("shape", [(1, 1), (4, 7), (7, 4), (20, 20)])
@pytest.mark.parametrize("lines", [Lines(10.0), Lines(5.0, 200.0, 30.0), Lines(0.0)])
def test_row_by_row_elimination_is_the_other_solver(shape: tuple[int, int], lines: Lines) -> None:
    G = arrays(3, *shape)
    found = effective_all(G, lines)
    for k in range(3):
        expected = effective(G[k].numpy(), lines)
        np.testing.assert_allclose(found[k], expected, rtol=1e-10, atol=1e-18)


def test_gradients_are_exact() -> None:
    G = (1e3 * arrays(2, 3, 4)).requires_grad_()

    def scaled(values: torch.Tensor) -> torch.Tensor:
        # In mS, so that the check's own steps are of the size of the values.
        return 1e3 * effective_all(values * 1e-3, Lines(100.0, 50.0, 20.0))

    assert torch.autograd.gradcheck(scaled, (G,), eps=1e-5, atol=1e-6, rtol=1e-5)


def test_what_is_not_solved_here_is_refused() -> None:
    with pytest.raises(DataError, match="row of arrays"):
        effective_all(torch.ones(3, 3), Lines(1.0))
    with pytest.raises(DataError, match="behind ends"):
        effective_all(arrays(1, 2, 2), Lines(0.0, 1.0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same() -> None:
    G = arrays(2, 8, 8)
    found = effective_all(G.cuda(), Lines(3.0)).cpu()
    torch.testing.assert_close(found, effective_all(G, Lines(3.0)), rtol=1e-9, atol=1e-18)
