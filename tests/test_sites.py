import pytest
from torch import nn

from crossbar.backend import DataError
from crossbar.double_weights import doubled
from crossbar.sites import is_bias, noisy_parameters, site_of, sites
from memsim_modules import Odd, Tied, made


def test_sites_are_the_modules_that_own_parameters_in_order() -> None:
    inner = nn.Linear(3, 3)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Sequential(inner, nn.ReLU()))
    assert list(sites(model)) == ["0", "2.0"]
    assert sites(model)["2.0"] is inner
    assert list(sites(made("convolution and batch norm")[0])) == ["0", "1", "4"]
    assert list(sites(nn.Linear(2, 2))) == [""]
    assert not sites(nn.Tanh())


def test_a_doubled_layer_is_one_site() -> None:
    model = doubled(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))
    assert list(sites(model)) == ["0", "2"]
    assert {site_of(name) for name, _ in model.named_parameters()} == {"0", "2"}


def test_layers_that_share_a_parameter_are_two_sites() -> None:
    assert list(sites(Tied())) == ["embedding", "output"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bias", True),
        ("0.bias", True),
        ("gru.bias_ih_l0", True),
        ("attention.in_proj_bias", True),
        ("0.parametrizations.bias.original1", True),
        ("0.weight", False),
        ("bias_free.weight", False),
        ("0.parametrizations.weight.original0", False),
    ],
)
def test_a_bias_is_known_by_its_own_name(name: str, expected: bool) -> None:
    assert is_bias(name) is expected


def test_noise_acts_on_real_floating_point_parameters() -> None:
    model = Odd()
    assert list(noisy_parameters(model, perturb_bias=True)) == ["linear.weight", "linear.bias"]
    assert list(noisy_parameters(model, perturb_bias=False)) == ["linear.weight"]
    assert list(noisy_parameters(Tied(), perturb_bias=True)) == ["embedding.weight"]
    with pytest.raises(DataError, match="Tanh has no parameter that noise can act on"):
        noisy_parameters(nn.Tanh(), perturb_bias=True)
