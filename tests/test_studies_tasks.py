"""What every task has to be, and each network of each: one suite for all lines of the table."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from crossbar.backend import DataError
from crossbar.deployment import LogNormal, deployed_sets
from crossbar.fitting import FitSettings, fit
from crossbar.memsim.many import scores_of_draws
from crossbar.studies import READERS, TASKS, named
from crossbar.studies.initial import initialised
from crossbar.studies.task import Dataset, dealt, sizes

TRAININGS = {
    ("mnist", "lenet5"): (600, 6),
    ("mnist", "mlp"): (300, 6),
    ("images", "alexnet"): (600, 10),
    ("images", "resnet"): (300, 6),
    ("images", "resnext"): (300, 6),
    ("images", "mobilenet"): (400, 8),
    ("pillars", "pillars"): (120, 12),
    ("antibody", "cnn"): (600, 10),
    ("glycans", "graph"): (400, 8),
    ("connector", "linear"): (300, 6),
}
"""Examples and epochs that take about a second and lead above chance."""

EVERY = sorted(TRAININGS)


@cache
def data_of(task: str, size: int = 40, seed: int = 0) -> Dataset:
    return named(task).load(None, np.random.default_rng(seed), size)


def network_of(task: str, network: str, seed: int = 0) -> nn.Module:
    return named(task).networks[network](data_of(task), Generator().manual_seed(seed))


def scores(model: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(inputs)
    return found


def test_every_network_of_the_table_is_tested_here() -> None:
    found = {(task, network) for task in TASKS for network in named(task).networks}
    assert found == set(EVERY)


def test_a_task_that_there_is_not_is_refused() -> None:
    with pytest.raises(DataError, match="task 'luck' is not one of mnist, images"):
        named("luck")


@pytest.mark.parametrize("task", TASKS)
def test_a_task_says_what_stands_in_for_its_data(task: str) -> None:
    data = data_of(task)
    assert named(task).name == task
    assert "in place of" in data.sentence
    assert not data.sentence.endswith(".")
    counts = f"{len(data.train)} to train, {len(data.validation)} to validate"
    assert counts in data.sentence


@pytest.mark.parametrize("task", TASKS)
def test_an_example_is_one_finite_tensor(task: str) -> None:
    data = data_of(task)
    for part in (data.train, data.validation, data.test):
        assert part.inputs.dtype == torch.float32
        assert tuple(part.inputs.shape[1:]) == data.shape
        assert torch.isfinite(part.inputs).all()
        assert part.labels.dtype == torch.int64
        assert 0 <= int(part.labels.min()) <= int(part.labels.max()) < data.classes


@pytest.mark.parametrize("task", TASKS)
def test_data_follow_from_their_seed(task: str) -> None:
    load = named(task).load
    again, other = (load(None, np.random.default_rng(seed), 40) for seed in (0, 1))
    assert again.fingerprint() == data_of(task).fingerprint()
    assert other.fingerprint() != data_of(task).fingerprint()


@pytest.mark.parametrize("task", sorted(set(TASKS) - set(READERS)))
def test_a_task_that_reads_nothing_refuses_a_folder(task: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"task {task} generates its data"):
        named(task).load(tmp_path, np.random.default_rng(0), None)


@pytest.mark.parametrize("task", TASKS)
def test_too_few_examples_are_refused(task: str) -> None:
    with pytest.raises(DataError, match="at least 20 are needed"):
        named(task).load(None, np.random.default_rng(0), 19)


@pytest.mark.parametrize(("task", "network"), EVERY)
def test_a_network_follows_from_its_generator_and_leaves_torchs_alone(
    task: str, network: str
) -> None:
    state = torch.default_generator.get_state()
    first, again, other = (network_of(task, network, seed) for seed in (3, 3, 4))
    assert torch.equal(state, torch.default_generator.get_state())
    for (name, value), same, else_ in zip(
        first.named_parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.isfinite(value).all()
        assert torch.equal(value, same)
        constant = value.min() == value.max()  # of a normalisation
        assert bool(constant) or not torch.equal(value, else_), name


@pytest.mark.parametrize(("task", "network"), EVERY)
def test_a_score_is_of_its_own_example_alone(task: str, network: str) -> None:
    model, inputs = network_of(task, network), data_of(task).test.inputs[:6]
    torch.testing.assert_close(scores(model, inputs)[:2], scores(model, inputs[:2]))


@pytest.mark.parametrize(("task", "network"), EVERY)
def test_draws_of_a_network_are_those_of_a_plain_loop(task: str, network: str) -> None:
    model, inputs = network_of(task, network), data_of(task).test.inputs[:4]
    sets = deployed_sets(model, LogNormal(0.5), 2, Generator().manual_seed(1))
    found = list(scores_of_draws(model, inputs, 2, lambda _: sets, device="cpu"))
    for draw, seen in enumerate(found):
        one = {name: values[draw] for name, values in sets.items()}
        with torch.no_grad():
            expected = torch.func.functional_call(model, one, (inputs,))
        torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("task", "network"), EVERY)
def test_a_short_training_leads_above_chance(task: str, network: str) -> None:
    about, (size, epochs) = named(task), TRAININGS[task, network]
    data, measure = data_of(task, size), about.measures[0]
    fitted = fit(
        about.networks[network](data, Generator().manual_seed(0)),
        data.train,
        data.validation,
        "erm",
        about.loss,
        measure.of,
        FitSettings(epochs=epochs, batch=16, learning_rate=about.learning_rate, validation_draws=1),
        Generator().manual_seed(0),
        deployment=LogNormal(0.0),
    )
    reached = measure.of(scores(fitted.model, data.test.inputs), data.test.labels).item()
    assert reached > measure.chance(data.test.labels) + 0.15


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"size": 100, "usual": 60}, (100, 20, 50)),
        ({"size": None, "usual": 60}, (60, 12, 30)),
        ({"size": None, "usual": 600, "pool": 170}, (100, 20, 50)),
        ({"size": None, "usual": 600, "pool": 120, "tests": 30}, (100, 20, 30)),
        ({"size": 50, "usual": 600, "pool": 120, "tests": 80}, (50, 10, 25)),
    ],
    ids=["asked for", "usual", "what there is", "a test part", "less than there is"],
)
def test_sizes_are_one_a_fifth_and_a_half(
    given: dict[str, int | None], expected: tuple[int, int, int]
) -> None:
    assert sizes(**given) == expected  # type: ignore[arg-type]


def test_more_than_there_is_of_a_common_pool_is_refused_with_the_most() -> None:
    with pytest.raises(DataError, match="half for the test are more than the 170 there are; 100"):
        sizes(101, 60, 170)


def test_parts_are_dealt_in_order() -> None:
    parts = dealt(np.arange(6.0)[:, None], np.arange(6), (3, 1, 2))
    assert [part.labels.tolist() for part in parts] == [[0, 1, 2], [3], [4, 5]]
    assert [part.inputs[:, 0].tolist() for part in parts] == [[0, 1, 2], [3], [4, 5]]


def test_the_fingerprint_tells_where_a_number_is() -> None:
    data = data_of("glycans")
    swapped = Dataset(data.validation, data.train, data.test, data.sentence, data.classes)
    assert swapped.fingerprint() != data.fingerprint()


def test_weights_begin_within_one_over_the_root_of_the_inputs() -> None:
    layer = initialised(lambda: nn.Conv2d(4, 64, 5), Generator().manual_seed(0))
    bound = (4 * 25) ** -0.5
    for values in (layer.weight, layer.bias):
        assert values is not None
        assert values.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_a_normalisation_begins_as_one_that_changes_nothing_more() -> None:
    layer = initialised(lambda: nn.GroupNorm(2, 4), Generator())
    assert layer.weight.tolist() == [1] * 4
    assert layer.bias.tolist() == [0] * 4
