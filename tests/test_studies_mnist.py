from pathlib import Path

import numpy as np
import pytest
import torch

from crossbar.backend import DataError
from crossbar.studies.mnist import TASK, load
from crossbar.studies.task import NO_CLAIM
from idx_files import digits, idx_bytes, write_mnist
from shared_data import shared


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_idx_files_are_read_and_named(tmp_path: Path, zipped: bool) -> None:
    write_mnist(tmp_path, zipped=zipped)
    data = load(tmp_path, rng(), None)
    assert data.sentence.startswith("MNIST, 120 + 40 handwritten digits of 28 x 28 pixels")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [100, 20, 40]
    assert data.shape == (1, 28, 28)
    assert len(data.origin) == 4
    assert all(len(line.split()[1]) == 64 for line in data.origin)


def test_labels_stay_with_their_images(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    data = load(tmp_path, rng(), None)
    for part in (data.train, data.validation, data.test):
        brightest = part.inputs[:, 0].mean(-1).argmax(-1)
        torch.testing.assert_close(brightest, 4 + 2 * part.labels)


def test_no_image_is_in_two_parts(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    data = load(tmp_path, rng(), None)
    both = torch.cat([data.train.inputs, data.validation.inputs])
    assert len({image.numpy().tobytes() for image in both}) == 120


def test_the_scale_is_that_of_the_training_part(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    inputs = load(tmp_path, rng(), 60).train.inputs.double()
    assert inputs.mean().item() == pytest.approx(0, abs=1e-4)
    assert inputs.std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_more_examples_than_there_are_are_refused_with_the_most(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    with pytest.raises(DataError, match="more than the 120 there are; 100 is the most"):
        load(tmp_path, rng(), 101)


def test_images_and_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(digits(119, 1)[1]))
    with pytest.raises(DataError, match="119 labels"):
        load(tmp_path, rng(), None)


def test_labels_beyond_nine_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(40, 10, np.uint8)))
    with pytest.raises(DataError, match="holds label 10; 0 to 9 are possible"):
        load(tmp_path, rng(), None)


def test_an_empty_folder_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds neither"):
        load(tmp_path, rng(), None)


def test_digits_stand_in_and_say_so() -> None:
    data = load(None, rng(), None)
    assert "scikit-learn's digits, 8 x 8 pixels, 1797 images, in place of MNIST" in data.sentence
    assert sum(len(part) for part in (data.train, data.validation, data.test)) <= 1797
    assert data.shape == (1, 28, 28)
    assert data.origin == ()
    assert "no claim" in NO_CLAIM


def test_enlarged_digits_are_blocks_of_three() -> None:
    inputs = load(None, rng(), 100).train.inputs[0, 0]
    inner = inputs[2:26, 2:26]
    blocks = inner.reshape(8, 3, 8, 3)
    assert torch.equal(blocks, blocks[:, :1, :, :1].expand(8, 3, 8, 3))
    margin = torch.cat([inputs[:2].flatten(), inputs[26:].flatten()])
    assert margin.min() == margin.max()


def test_networks_have_the_published_sizes() -> None:
    data = load(None, rng(), 100)
    counts = {
        name: sum(p.numel() for p in build(data, torch.Generator()).parameters())
        for name, build in TASK.networks.items()
    }
    convolutions = (25 + 1) * 6 + (6 * 25 + 1) * 16 + (16 * 16 + 1) * 120
    assert counts == {
        "mlp": 785 * 192 + 193 * 32 + 33 * 10,
        "lenet5": convolutions + 121 * 84 + 85 * 10,
    }


def test_the_real_files_are_those_that_everybody_has() -> None:
    data = load(shared("mnist"), rng(), 50_000)
    assert data.sentence.startswith("MNIST, 60000 + 10000 handwritten digits")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [50000, 10000, 10000]
    # Counts of the ten digits in the test files, as published with them.
    assert torch.bincount(data.test.labels).tolist() == [
        *(980, 1135, 1032, 1010, 982),
        *(892, 958, 1028, 974, 1009),
    ]
