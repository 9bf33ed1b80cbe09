import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from crossbar import draws
from crossbar.draws import one_by_one, outputs, together
from memsim_modules import contents, made, same
from small_training import generator


def sets_of(model: nn.Module) -> draws.DrawSets:
    own = generator(5)

    def sets(count: int) -> dict[str, Tensor]:
        return {
            name: parameter
            * torch.rand((count, *parameter.shape), generator=own, dtype=parameter.dtype)
            for name, parameter in model.named_parameters()
        }

    return sets


@pytest.mark.parametrize("name", ["mlp", "convolution and batch norm", "recurrent"])
@pytest.mark.parametrize("count", [1, 3])
def test_outputs_are_those_of_one_call_for_each_draw(name: str, count: int) -> None:
    model, inputs = made(name)
    before = contents(model)
    found = outputs(model, inputs, count, sets_of(model))
    made_again = sets_of(model)(count)
    for k in range(count):
        one = {parameter: values[k] for parameter, values in made_again.items()}
        expected = functional_call(model, one, (inputs,))
        rows = found[k * len(inputs) : (k + 1) * len(inputs)]
        assert torch.allclose(rows, expected, atol=1e-6)
    assert same(before, model)


def test_small_dense_networks_are_evaluated_together_and_nothing_else() -> None:
    class Own(nn.Linear):
        """A layer that may do anything."""

    assert together(made("mlp")[0], 8)
    assert not together(made("mlp")[0], 1)
    assert not together(made("convolution and batch norm")[0], 8)
    assert not together(nn.Sequential(Own(2, 2)), 8)
    assert not together(nn.Sequential(nn.Linear(2, 2), nn.Dropout()), 8)
    assert not together(nn.Linear(784, 25), 8)


def test_draws_are_made_in_portions_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = made("mlp")
    asked: list[int] = []

    def sets(count: int) -> dict[str, Tensor]:
        asked.append(count)
        return {"value": torch.full((count, 2), float(len(asked)))}

    # 17 parameters each: three draws at a time.
    monkeypatch.setattr(draws, "NUMBERS_DRAWN", 60)
    values = [one["value"][0].item() for one in one_by_one(model, 7, sets)]
    assert asked == [3, 3, 1]
    assert values == [1, 1, 1, 2, 2, 2, 3]
