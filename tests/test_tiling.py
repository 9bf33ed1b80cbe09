import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crossbar.backend import CapacityError, DataError
from crossbar.device_errors import DeviceErrors
from crossbar.memsim.profile import DeviceProfile
from crossbar.tiling import TileDevice, layer_errors, to_crossbars
from crossbar.tiling.bank import Bank
from crossbar.tiling.chance import Chance
from crossbar.tiling.convert import layers_of
from crossbar.tiling.converters import best_range, planes, quantised
from crossbar.tiling.settings import WINDOW, TileSettings
from crossbar.wires import Lines, effective


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, shape))


def linear(n_in: int, n_out: int, seed: int = 0, bias: bool = True) -> nn.Linear:
    made = nn.Linear(n_in, n_out, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        made.weight.copy_(seeded(n_out, n_in, seed=seed))
        if bias:
            made.bias.copy_(seeded(n_out, seed=seed + 1))
    return made


def convolutions() -> list[nn.Conv2d]:
    double = torch.float64
    return [
        nn.Conv2d(2, 5, 3, dtype=double),
        nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), bias=False, dtype=double),
        nn.Conv2d(2, 4, 3, padding="same", dilation=2, dtype=double),
        nn.Conv2d(2, 4, 3, padding=1, groups=2, dtype=double),
        nn.Conv2d(2, 3, 3, padding=2, padding_mode="reflect", dtype=double),
    ]


def mlp() -> nn.Module:
    return nn.Sequential(linear(23, 11), nn.ReLU(), linear(11, 4, seed=5)).eval()


def spread(given: Tensor, wanted: Tensor) -> float:
    return float(((given - wanted).std() / wanted.std()).detach())


@pytest.mark.parametrize("tile", [(64, 64), (10, 10), (7, 5), (1, 2)])
def test_exact_tiles_of_every_size_are_the_model(tile: tuple[int, int]) -> None:
    model, x = mlp(), seeded(40, 23, seed=3)
    on_tiles = to_crossbars(model, tile, bits=None, inputs=x)
    torch.testing.assert_close(on_tiles(3 * x), model(3 * x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("k", range(5))
def test_exact_tiles_are_every_kind_of_convolution(k: int) -> None:
    model, x = convolutions()[k], seeded(6, 2, 9, 8, seed=k)
    on_tiles = to_crossbars(model, (10, 10), bits=None, inputs=x)
    torch.testing.assert_close(on_tiles(x), model(x), rtol=1e-9, atol=1e-9)


def test_the_model_itself_is_never_changed() -> None:
    model, x = mlp(), seeded(40, 23)
    before = copy.deepcopy(model.state_dict())
    on_tiles = to_crossbars(model, (10, 10), inputs=x)
    (on_tiles(x) ** 2).sum().backward()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_layer_used_twice_is_one_set_of_tiles() -> None:
    shared = linear(6, 6)
    model, x = nn.Sequential(shared, nn.Tanh(), shared), seeded(30, 6)
    on_tiles = to_crossbars(model, bits=None, inputs=x)
    assert len({id(layer) for _, layer in layers_of(on_tiles)}) == 1
    torch.testing.assert_close(on_tiles(x), model(x))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 2)), r"0 \(Embedding\)"),
        (nn.LSTM(3, 2), "LSTM"),
        (nn.MultiheadAttention(4, 2), "MultiheadAttention"),
        (nn.Sequential(nn.Conv1d(2, 2, 3)), "Conv1d"),
        (nn.Sequential(nn.ReLU()), "no Linear"),
    ],
)
def test_what_cannot_run_on_tiles_is_refused_by_name(model: nn.Module, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_crossbars(model, inputs=torch.zeros(4, 3))


def test_normalisations_stay_digital() -> None:
    model = nn.Sequential(linear(5, 4), nn.LayerNorm(4, dtype=torch.float64), linear(4, 2))
    x = seeded(30, 5)
    torch.testing.assert_close(to_crossbars(model, bits=None, inputs=x)(x), model(x))


def test_each_output_of_a_layer_with_errors_is_better_calibrated_than_not() -> None:
    model, x = linear(60, 8), seeded(400, 60)
    device = TileDevice(errors=DeviceErrors.lognormal(0.3, WINDOW))
    on_tiles = to_crossbars(model, (128, 128), device, None, inputs=x)
    after = spread(on_tiles(x), model(x))
    bank = next(iter(layers_of(on_tiles)))[1].banks[0]
    assert isinstance(bank, Bank)
    bank.correction[0].fill_(1.0)
    bank.correction[1].fill_(0.0)
    assert after < spread(on_tiles(x), model(x))


def test_more_bits_err_less_and_by_what_quantisers_err() -> None:
    model, x = mlp(), seeded(300, 23, seed=3)
    errors = [
        spread(to_crossbars(model, (64, 64), bits=bits, inputs=x)(x), model(x))
        for bits in (4, 6, 8, 12)
    ]
    assert all(a > 2 * b for a, b in pairwise(errors))
    assert errors[-1] < 2e-3


def test_read_noise_is_that_of_every_cell_drawn_by_itself() -> None:
    weights, sigma = seeded(6, 3, seed=2), 0.05
    device, settings = TileDevice(read_noise=sigma), TileSettings(dac_bits=None, adc_bits=None)
    bank = Bank(weights, device, settings, Chance(1)).eval()
    x = seeded(1, 6, seed=4).repeat(20_000, 1)
    given = bank.multiply(x, weights)
    G, rng = bank.matrix.numpy(), np.random.default_rng(5)
    cells = G * (1 + sigma * rng.standard_normal((20_000, *G.shape)))
    currents = np.einsum("i,nij->nj", 0.2 * x[0].numpy(), cells)
    scale = bank.scales(weights)[0].numpy()
    drawn = (currents[:, 0::2] - currents[:, 1::2]) / (0.2 * scale)
    np.testing.assert_allclose(given.std(dim=0), drawn.std(axis=0), rtol=0.03)
    np.testing.assert_allclose(given.mean(dim=0), x[0] @ weights, atol=5 * drawn.std() / 141)
    # Anew for every read, and independent from output to output.
    correlation = np.corrcoef(given.numpy().T) - np.eye(3)
    assert np.abs(correlation).max() < 0.04
    again = bank.multiply(x, weights)
    assert not torch.equal(again, given)


def test_bits_in_series_are_not_bent_by_a_nonlinear_law_and_amplitudes_are() -> None:
    model, x = linear(20, 6, bias=False), seeded(400, 20, seed=6)
    bent = TileDevice(nonlinearity=8.0)
    errors = {
        coding: spread(
            to_crossbars(model, (64, 64), bent, (8, None), inputs=x, coding=coding)(x), model(x)
        )
        for coding in ("amplitude", "bit-serial")
    }
    assert errors["amplitude"] > 0.05
    # What is left is the rounding of the inputs.
    assert errors["bit-serial"] < 0.01


def test_bits_add_up_to_the_codes() -> None:
    x = seeded(1000, seed=7)
    total = sum(weight * plane for weight, plane in planes(x, 0.8, 6))
    torch.testing.assert_close(0.8 * torch.as_tensor(total), quantised(x, 0.8, 6))
    assert all(set(p.tolist()) <= {-1.0, 0.0, 1.0} for _, p in planes(x, 0.8, 6))


def test_a_range_is_chosen_that_errs_least() -> None:
    x = torch.cat([seeded(2000, seed=8), torch.tensor([20.0])])
    found = best_range(x, 4)
    assert 1.0 <= found < 20.0
    errors = [float(((quantised(x, r, 4) - x) ** 2).mean()) for r in (20.0, found)]
    assert errors[1] < errors[0]
    assert best_range(x, None) == 20.0
    assert best_range(torch.zeros(3), 8) == 1.0


def test_wires_are_those_of_the_whole_tile() -> None:
    weights, lines = seeded(5, 3, seed=9), Lines(20.0, 100.0, 10.0)
    settings = TileSettings(tile=(8, 8), dac_bits=None, adc_bits=None)
    bank = Bank(weights, TileDevice(lines=lines), settings, Chance(0))
    whole = np.full((8, 8), WINDOW.low)
    whole[3:, :6] = bank.asked(weights).numpy()
    np.testing.assert_allclose(bank.matrix, effective(whole, lines)[3:, :6], rtol=1e-12)


def test_wires_cost_less_after_calibration_and_more_on_large_tiles() -> None:
    model, x = linear(96, 40), seeded(400, 96)
    device = TileDevice(lines=Lines(5.0))
    small, large = (
        spread(to_crossbars(model, tile, device, None, inputs=x)(x), model(x))
        for tile in ((16, 16), (96, 96))
    )
    assert 0 < small < large


def test_cells_that_are_not_ohmic_on_real_wires_are_refused() -> None:
    with pytest.raises(DataError, match="no matrix"):
        TileDevice(nonlinearity=1.0, lines=Lines(1.0))


@pytest.mark.parametrize("coding", ["amplitude", "bit-serial"])
def test_training_on_tiles_learns_what_they_do(coding: str) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(400, 10, generator=rng, dtype=torch.float64)
    y = torch.tanh(x @ seeded(10, 2, seed=3))
    model = nn.Sequential(linear(10, 16), nn.Tanh(), linear(16, 2, seed=4))
    device = TileDevice(errors=DeviceErrors.lognormal(0.2, WINDOW), read_noise=0.01)
    on_tiles = to_crossbars(model, (8, 8), device, 8, inputs=x, coding=coding).train()
    optimiser = torch.optim.Adam(on_tiles.parameters(), lr=0.01)
    losses = []
    for _ in range(150):
        optimiser.zero_grad()
        loss = ((on_tiles(x) - y) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    # In evaluation mode the old conductances are there until the layers are programmed again.
    on_tiles.eval()
    before = float(((on_tiles(x) - y) ** 2).mean().detach())
    for _, layer in layers_of(on_tiles):
        layer.program()
    assert float(((on_tiles(x) - y) ** 2).mean().detach()) < 0.5 * before


def test_a_gradient_is_that_of_the_model_where_tiles_are_exact() -> None:
    model, x = mlp(), seeded(30, 23)
    on_tiles = to_crossbars(model, (10, 10), bits=None, inputs=x).train()
    (model(x) ** 3).sum().backward()
    (on_tiles(x) ** 3).sum().backward()
    expected = dict(model.named_parameters())
    for name, parameter in on_tiles.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad, rtol=1e-6, atol=1e-9)


def test_two_seeds_are_two_chips_and_one_seed_is_one() -> None:
    model, x = mlp(), seeded(30, 23)
    device = TileDevice(errors=DeviceErrors.lognormal(0.2, WINDOW), read_noise=0.05)
    one, same, other = (to_crossbars(model, device=device, inputs=x, seed=s)(x) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)


def test_a_copy_goes_on_with_the_same_noise() -> None:
    model, x = mlp(), seeded(30, 23)
    on_tiles = to_crossbars(model, device=TileDevice(read_noise=0.1), inputs=x)
    twin = copy.deepcopy(on_tiles)
    assert torch.equal(on_tiles(x), twin(x))


def test_devices_come_as_errors_as_profiles_or_as_they_are() -> None:
    model, x = mlp(), seeded(30, 23)
    errors = DeviceErrors.lognormal(0.1, WINDOW)
    by_errors, by_device = (
        to_crossbars(model, device=device, inputs=x)(x) for device in (errors, TileDevice(errors))
    )
    assert torch.equal(by_errors, by_device)
    profile = DeviceProfile.at(0.7)
    assert spread(to_crossbars(model, device=profile, inputs=x)(x), model(x)) > 0.05


def test_the_report_says_what_each_layer_does() -> None:
    model, x = mlp(), seeded(400, 23)
    on_tiles = to_crossbars(model, (10, 10), TileDevice(read_noise=0.02), 6, inputs=x[:200])
    first, second = layer_errors(on_tiles, model, x[200:])
    assert (first.name, first.tiles) == ("0", 3 * 3)
    assert (second.name, second.tiles) == ("2", 2 * 1)
    assert 0.01 < first.relative < 0.2
    assert first.relative == pytest.approx(first.accumulated)
    assert second.accumulated > second.relative
    assert first.bits == pytest.approx(np.log2(4 / (np.sqrt(12) * first.relative)))
    assert 0 <= first.inputs_clipped < 0.1
    exact = to_crossbars(model, (10, 10), bits=None, inputs=x)
    assert max(e.relative for e in layer_errors(exact, model, x)) < 1e-12
    assert all(e.inputs_clipped == e.currents_clipped == 0 for e in layer_errors(exact, model, x))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tile": (1, 1)}, "1 x 2"),
        ({"bits": 1}, "dac_bits = 1"),
        ({"coding": "morse"}, "amplitude"),
        ({"bits": None, "coding": "bit-serial"}, "number of bits"),
    ],
)
def test_impossible_tiles_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises((DataError, CapacityError), match=message):
        to_crossbars(mlp(), inputs=seeded(9, 23), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["read_noise", "nonlinearity", "read_voltage"])
def test_impossible_devices_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=name):
        TileDevice(**{name: -1.0})  # type: ignore[arg-type]
    with pytest.raises(DataError, match="sense"):
        TileDevice(lines=Lines(1.0, 0.0, -1.0))
