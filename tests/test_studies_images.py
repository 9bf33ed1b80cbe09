from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crossbar.backend import DataError
from crossbar.studies.image_files import CIFAR_RECORD, SIDE, read_pictures
from crossbar.studies.images import load
from crossbar.studies.textures import PATTERNS, textures

COLOURS = {"blue": (10, 20, 200), "green": (10, 200, 20), "red": (200, 10, 20)}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def write_folder(folder: Path, each: int, *, ending: str = "png") -> None:
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for k in range(each):
            image = Image.new("RGB", (40 + k, 50), colour)
            image.save(folder / name / f"{k}.{ending}")


def write_cifar(folder: Path, batches: int = 2, each: int = 60, tests: int = 40) -> None:
    chance = rng(5)
    for name, count in (
        *((f"data_batch_{k + 1}.bin", each) for k in range(batches)),
        ("test_batch.bin", tests),
    ):
        records = chance.integers(0, 256, (count, CIFAR_RECORD)).astype(np.uint8)
        records[:, 0] = chance.integers(10, size=count)
        # The red plane says the label, the first row of the blue one its place in a plane.
        records[:, 1 : 1 + SIDE * SIDE] = 20 * records[:, :1]
        records[:, 1 + 2 * SIDE * SIDE : 1 + 2 * SIDE * SIDE + SIDE] = np.arange(SIDE)
        (folder / name).write_bytes(records.tobytes())


def test_a_folder_per_class_is_read_with_its_names(tmp_path: Path) -> None:
    write_folder(tmp_path, 4)
    found = read_pictures(tmp_path, None, rng())
    assert found.classes == ("blue", "green", "red")
    assert found.images.shape == (12, 3, SIDE, SIDE)
    assert found.tests == 0
    for image, label in zip(found.images, found.labels, strict=True):
        colour = COLOURS[found.classes[label]]
        np.testing.assert_array_equal(
            image, np.broadcast_to(np.reshape(colour, (3, 1, 1)), image.shape)
        )


def test_train_and_test_folders_stay_apart(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", 40)
    write_folder(tmp_path / "test", 10)
    data = load(tmp_path, rng(), 60)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [60, 12, 30]
    assert data.sentence.startswith("150 images of 3 classes in folder")
    assert "in place of" not in data.sentence


def test_a_folder_without_a_test_part_is_divided(tmp_path: Path) -> None:
    write_folder(tmp_path, 30, ending="jpg")
    data = load(tmp_path, rng(), None)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [52, 10, 26]
    assert data.classes == 3


def test_no_more_images_are_read_than_are_asked_for(tmp_path: Path) -> None:
    write_folder(tmp_path, 30)
    found = read_pictures(tmp_path, 34, rng())
    assert len(found.images) == len(found.labels) == 34
    assert found.origin[0].startswith("34 images as read")


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, 3)
    (tmp_path / "red" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    with pytest.raises(DataError, match=r"1\.png cannot be read as an image"):
        read_pictures(tmp_path, None, rng())


@pytest.mark.parametrize("case", ["no folder", "nothing in it", "one class", "no image"])
def test_a_folder_that_is_none_of_images_is_refused(tmp_path: Path, case: str) -> None:
    folder, message = tmp_path, "one per class is needed"
    if case == "no folder":
        folder, message = tmp_path / "nothing", "is no folder"
    elif case == "one class":
        (tmp_path / "a").mkdir()
    elif case == "no image":
        message = "holds no image"
        for name in "ab":
            (tmp_path / name).mkdir()
            (tmp_path / name / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match=message):
        read_pictures(folder, None, rng())


def test_a_class_without_test_images_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", 2)
    (tmp_path / "test" / "blue").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "test" / "blue" / "0.png")
    with pytest.raises(DataError, match="has no subfolder green"):
        read_pictures(tmp_path, None, rng())


def test_cifar_planes_and_labels_are_where_they_belong(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    found = read_pictures(tmp_path, None, rng())
    assert found.images.shape == (160, 3, SIDE, SIDE)
    assert found.tests == 40
    np.testing.assert_array_equal(found.images[:, 0, 7, 9], 20 * found.labels)
    np.testing.assert_array_equal(found.images[3, 2, 0], np.arange(SIDE))
    assert len(found.origin) == 3


def test_cifar_is_named_in_the_sentence(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n\n")
    data = load(tmp_path, rng(), None)
    assert data.sentence.startswith("CIFAR-10's binary files (3 of them)")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [100, 20, 40]
    assert data.classes == 10


@pytest.mark.parametrize("case", ["truncated", "empty", "label", "no test"])
def test_damaged_cifar_files_are_refused(tmp_path: Path, case: str) -> None:
    write_cifar(tmp_path)
    path = tmp_path / "data_batch_2.bin"
    if case == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
        message = "not a multiple of 3073"
    elif case == "empty":
        path.write_bytes(b"")
        message = "has 0 bytes"
    elif case == "label":
        path.write_bytes(b"\x0a" + bytes(CIFAR_RECORD - 1))
        message = "holds label 10"
    else:
        (tmp_path / "test_batch.bin").unlink()
        message = r"no test_batch\.bin"
    with pytest.raises(DataError, match=message):
        read_pictures(tmp_path, None, rng())


def test_textures_stand_in_and_say_so() -> None:
    data = load(None, rng(), 100)
    assert data.sentence.startswith("generated textures of 8 kinds")
    assert "in place of CIFAR-10" in data.sentence


def test_kinds_of_textures_take_turns() -> None:
    images, kinds = textures(80, rng())
    assert np.bincount(kinds).tolist() == [10] * len(PATTERNS)
    assert images.min() >= 0
    assert images.max() <= 1


def test_colours_are_scaled_by_the_training_part() -> None:
    inputs = load(None, rng(), 100).train.inputs
    torch.testing.assert_close(inputs.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(inputs.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
