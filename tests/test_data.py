from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.data import MIN_POINTS, Points, moons, read_csv, split, standardise


def write(folder: Path, lines: list[str]) -> Path:
    path = folder / "points.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(count: int = 30, delimiter: str = ",", classes: tuple[str, str] = ("0", "1")) -> list[str]:
    """Lines with the line's number, its half, and the two classes in turn."""
    return [delimiter.join([f"{k}", f"{k / 2}", classes[k % 2]]) for k in range(count)]


def test_moons_are_balanced_and_repeat_for_the_same_generator() -> None:
    first = moons(100, 0.1, np.random.default_rng(1))
    again = moons(100, 0.1, np.random.default_rng(1))
    assert np.array_equal(first.inputs, again.inputs)
    assert first.inputs.shape == (100, 2)
    assert first.labels.sum() == 50


def test_moons_without_noise_lie_on_two_half_circles_of_radius_one() -> None:
    points = moons(50, 0.0, np.random.default_rng(1))
    centres = np.where(points.labels[:, None] == 1, [1.0, 0.5], [0.0, 0.0])
    assert np.allclose(np.linalg.norm(points.inputs - centres, axis=1), 1.0)


def test_two_calls_with_one_generator_give_different_moons() -> None:
    rng = np.random.default_rng(1)
    assert not np.array_equal(moons(50, 0.1, rng).inputs, moons(50, 0.1, rng).inputs)


@pytest.mark.parametrize(("n", "noise"), [(1, 0.1), (10, -0.1), (10, np.nan), (10, np.inf)])
def test_moons_refuse_impossible_arguments(n: int, noise: float) -> None:
    with pytest.raises(DataError):
        moons(n, noise, np.random.default_rng(0))


def test_points_refuse_what_is_not_two_finite_features_and_a_class() -> None:
    inputs, labels = np.zeros((3, 2)), np.array([0, 1, 0])
    with pytest.raises(DataError, match="shape"):
        Points(np.zeros((3, 3)), labels)
    with pytest.raises(DataError, match="do not fit"):
        Points(inputs, labels[:2])
    with pytest.raises(DataError, match="0 and 1"):
        Points(inputs, np.array([0, 1, 2]))
    with pytest.raises(DataError, match="NaN"):
        Points(np.full((3, 2), np.nan), labels)


def test_split_keeps_every_point_once_and_each_class_in_proportion() -> None:
    labels = np.array([0] * 60 + [1] * 20)
    points = Points(np.arange(160.0).reshape(80, 2), labels)
    training, test = split(points, 0.25, np.random.default_rng(3))
    both = np.concatenate([training.inputs, test.inputs])
    assert np.array_equal(np.sort(both[:, 0]), points.inputs[:, 0])
    assert np.bincount(test.labels).tolist() == [15, 5]
    assert np.bincount(training.labels).tolist() == [45, 15]


def test_split_refuses_a_part_without_one_of_the_classes() -> None:
    points = Points(np.zeros((10, 2)), np.array([0] * 8 + [1] * 2))
    with pytest.raises(DataError, match="class 1 has 2 points"):
        split(points, 0.2, np.random.default_rng(0))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, np.nan])
def test_split_refuses_a_fraction_that_is_not_between_0_and_1(fraction: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        split(moons(20, 0.1, np.random.default_rng(0)), fraction, np.random.default_rng(0))


def test_standardised_training_points_have_mean_0_and_deviation_1() -> None:
    training = moons(200, 0.1, np.random.default_rng(0))
    done = standardise(training)(training)
    assert np.allclose(done.inputs.mean(axis=0), 0.0)
    assert np.allclose(done.inputs.std(axis=0), 1.0)


def test_test_points_are_standardised_by_the_training_points() -> None:
    rng = np.random.default_rng(0)
    training, test = moons(200, 0.1, rng), moons(50, 0.1, rng)
    scale = standardise(training)
    expected = (test.inputs - training.inputs.mean(axis=0)) / training.inputs.std(axis=0)
    assert np.allclose(scale(test).inputs, expected)


def test_standardise_refuses_a_constant_column_even_if_its_mean_rounds() -> None:
    inputs = np.column_stack([np.arange(30.0), np.full(30, 0.1)])
    with pytest.raises(DataError, match=r"column 2 is 0\.1 at every point"):
        standardise(Points(inputs, np.arange(30) % 2))


def test_standardise_refuses_values_whose_variance_overflows() -> None:
    inputs = np.column_stack([np.arange(30.0), np.linspace(-1e300, 1e300, 30)])
    with pytest.raises(DataError, match="column 2"):
        standardise(Points(inputs, np.arange(30) % 2))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("header", [True, False])
def test_csv_is_read_with_each_delimiter_with_and_without_header(
    tmp_path: Path, delimiter: str, header: bool
) -> None:
    lines = [delimiter.join(["x 1", "x 2", "class"])] * header + rows(30, delimiter)
    points = read_csv(write(tmp_path, lines))
    assert points.inputs.tolist() == [[k, k / 2] for k in range(30)]
    assert points.labels.tolist() == [k % 2 for k in range(30)]


def test_csv_labels_are_mapped_in_sorted_order_and_their_names_kept(tmp_path: Path) -> None:
    points = read_csv(write(tmp_path, rows(classes=("sick", "healthy"))))
    assert points.class_names == ("healthy", "sick")
    assert points.labels[:2].tolist() == [1, 0]


def test_csv_number_labels_are_sorted_as_numbers_and_compared_as_numbers(tmp_path: Path) -> None:
    lines = [*rows(classes=("10", "9")), "1,2,9.0"]
    points = read_csv(write(tmp_path, lines))
    assert points.class_names == ("9", "10")
    assert points.labels[:2].tolist() == [1, 0]
    assert points.labels[-1] == 0


def test_csv_from_a_spreadsheet_with_byte_order_mark_quotes_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    quoted = [f'"{k}";" {k / 2} ";"a;b {k % 2}"' for k in range(30)]
    path.write_bytes(("\ufeff" + "\r\n\r\n".join(quoted) + "\r\n;;\r\n").encode())
    points = read_csv(path)
    assert len(points) == 30
    assert points.class_names == ("a;b 0", "a;b 1")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2", "line 31: 2 columns separated by commas; two features and a label are 3"),
        ("1", "line 31: 1 column separated"),
        ("1,5,2,5,0", r"5 columns.*decimal comma\? Write 1\.5"),
        ("1,two,0", "line 31, column 2: 'two' is not a number"),
        ("nan,2,0", "line 31, column 1: 'nan' is not a finite number"),
        ("1,-inf,0", "line 31, column 2: '-inf' is not a finite number"),
        ("1,1e999,0", "line 31, column 2: '1e999' is not a finite number"),
        ("1_000,2,0", "line 31, column 1: '1_000' is not a finite number"),
        ("1,2,", "line 31, column 3: '' is not a label"),
        ("1,2,NaN", "line 31, column 3: 'NaN' is not a label"),
        ('1,"2,5",0', "line 31, column 2: '2,5' has a decimal comma; write 2.5"),
        ('1,"2,0', "line 31: "),
        ("1,2,7", r"holds 3 classes \(0, 1, 7\); two are needed"),
    ],
)
def test_csv_with_a_wrong_line_is_refused_with_its_place(
    tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, [*rows(30), line]))


def test_csv_with_decimal_commas_is_refused_and_not_taken_for_a_header(tmp_path: Path) -> None:
    lines = ["1,5;2,5;0", *rows(30, ";")]
    with pytest.raises(DataError, match=r"line 1, column 1: '1,5' has a decimal comma; write 1\.5"):
        read_csv(write(tmp_path, lines))


def test_csv_with_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds 1 class \(a\); two are needed"):
        read_csv(write(tmp_path, rows(classes=("a", "a"))))


@pytest.mark.parametrize("lines", [rows(MIN_POINTS - 1), ["x,y,label"], [",,"]])
def test_csv_with_too_few_points_is_refused(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(DataError, match="points; at least 20 are needed"):
        read_csv(write(tmp_path, lines))


def test_csv_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_csv(tmp_path / "missing.csv")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_csv(tmp_path)
    with pytest.raises(DataError, match="is empty"):
        read_csv(write(tmp_path, ["  ", ""]))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="not a text file"):
        read_csv(binary)
