"""Points in a plane with two classes: made, read from a person's file, split and standardised."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossbar.backend import Array, DataError
from crossbar.network import Labels, check_inputs

MIN_POINTS = 20
"""Fewer say nothing about an accuracy: one point of 20 is already 5 percent."""

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points with two features and one of two classes each.

    Parameters
    ----------
    inputs
        Shape ``(n, 2)``, finite.
    labels
        0 or 1, shape ``(n,)``.
    class_names
        What class 0 and class 1 are called where the points come from.

    Raises
    ------
    DataError
        If the shapes do not fit, an input is not finite, or a label is neither 0 nor 1.
    """

    inputs: Array
    labels: Labels
    class_names: tuple[str, str] = ("0", "1")

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", check_inputs(self.inputs, 2))
        labels = np.asarray(self.labels)
        if labels.shape != (len(self.inputs),):
            raise DataError(f"labels of shape {labels.shape} do not fit {len(self.inputs)} points")
        if not np.all((labels == 0) | (labels == 1)):
            raise DataError("labels other than 0 and 1 are not possible")
        object.__setattr__(self, "labels", labels.astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Standardisation:
    """Shift and scale per feature, found on training points and kept for the record.

    Parameters
    ----------
    mean
        Of each feature, in the data's own units.
    std
        Of each feature, in the data's own units; above 0.
    """

    mean: tuple[float, float]
    std: tuple[float, float]

    def __call__(self, points: Points) -> Points:
        """Return the points as ``(inputs - mean) / std``."""
        inputs = (points.inputs - self.mean) / self.std
        return Points(inputs, points.labels, points.class_names)


def standardise(training: Points) -> Standardisation:
    """Return what brings the training points to mean 0 and standard deviation 1.

    Apply the same value to training and test points: test points must not shape the inputs.

    Raises
    ------
    DataError
        If a feature has the same value at every point, or its variance overflows.
    """
    # Values whose square is no float64 any more are refused below, not warned about.
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = training.inputs.mean(axis=0), training.inputs.std(axis=0)
    for column in range(2):
        values = training.inputs[:, column]
        if values.min() == values.max():
            raise DataError(f"column {column + 1} is {values[0]} at every point: nothing to learn")
        if not std[column] < np.inf:
            raise DataError(f"column {column + 1} goes to {np.abs(values).max()}: rescale it")
    return Standardisation(
        mean=(float(mean[0]), float(mean[1])), std=(float(std[0]), float(std[1]))
    )


def moons(n: int, noise: float, rng: np.random.Generator) -> Points:
    """Return two interleaved half circles.

    Parameters
    ----------
    n
        Number of points of both classes together.
    noise
        Standard deviation of the points about the half circles, whose radius is 1.

    Raises
    ------
    DataError
        If there are fewer than 2 points, or `noise` is negative or not finite.
    """
    from sklearn.datasets import make_moons  # here, because it takes seconds to import

    if n < 2:
        raise DataError(f"{n} points are too few: two classes need at least 2")
    if not 0 <= noise < np.inf:
        raise DataError(f"noise = {noise} is not a finite number of at least 0")
    inputs, labels = make_moons(n, noise=noise, random_state=int(rng.integers(2**31)))
    return Points(inputs, labels)


def split(points: Points, test_fraction: float, rng: np.random.Generator) -> tuple[Points, Points]:
    """Return training points and test points with the same share of each class.

    Raises
    ------
    DataError
        If the fraction is not between 0 and 1, or a class would be missing in either part.
    """
    if not 0 < test_fraction < 1:
        raise DataError(f"test fraction {test_fraction} is not between 0 and 1")
    in_test = np.zeros(len(points), dtype=np.bool_)
    for label, name in enumerate(points.class_names):
        members = rng.permutation(np.flatnonzero(points.labels == label))
        count = round(test_fraction * len(members))
        if not 0 < count < len(members):
            raise DataError(
                f"class {name} has {len(members)} points: a test fraction of {test_fraction} "
                f"leaves none for training or none for testing"
            )
        in_test[members[:count]] = True
    training, test = (
        Points(points.inputs[chosen], points.labels[chosen], points.class_names)
        for chosen in (~in_test, in_test)
    )
    return training, test


def read_csv(path: Path | str) -> Points:
    """Return a person's own points: two feature columns and a label column.

    Columns are separated by commas, semicolons or tabs; a first line without numbers is a header.
    Labels are any two distinct values, in order: by number if both are numbers, otherwise as text.

    Raises
    ------
    DataError
        If the file cannot be read, or a line is not two finite numbers and a label, or there are
        not exactly two classes, or fewer than `MIN_POINTS` points.
    """
    rows = _rows(_text(path), path)
    # A line with a decimal comma is not a header: skipping it would hide the mistake.
    if rows and not any(
        _is_float(text) or _DECIMAL_COMMA.fullmatch(text) for text in rows[0][1][:2]
    ):
        rows = rows[1:]
    inputs, labels = [], []
    for line, fields in rows:
        where = f"{path}, line {line}"
        inputs.append([_number(fields[k], f"{where}, column {k + 1}") for k in range(2)])
        labels.append(_label(fields[2], f"{where}, column 3"))
    if len(inputs) < MIN_POINTS:
        raise DataError(f"{path} holds {len(inputs)} points; at least {MIN_POINTS} are needed")
    names, numbers = _classes(labels, path)
    return Points(np.array(inputs), numbers, names)


def _text(path: Path | str) -> str:
    try:
        # utf-8-sig, because spreadsheets write a byte-order mark before the first field.
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file in UTF-8") from error
    if not text.strip():
        raise DataError(f"{path} is empty")
    return text


def _rows(text: str, path: Path | str) -> list[tuple[int, list[str]]]:
    """Return line number and three stripped fields of each line that is not blank."""
    first = text.lstrip().splitlines()[0]
    delimiter = next((mark for mark in "\t;" if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        for raw in reader:
            fields = [field.strip() for field in raw]
            if not any(fields):
                continue
            if len(fields) != 3:
                raise DataError(_wrong_count(fields, reader.line_num, delimiter, path))
            rows.append((reader.line_num, fields))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from error
    return rows


def _wrong_count(fields: list[str], line: int, delimiter: str, path: Path | str) -> str:
    """Return the message for a line that does not have three columns."""
    separated = {",": "commas", ";": "semicolons", "\t": "tabs"}[delimiter]
    noun = "column" if len(fields) == 1 else "columns"
    message = (
        f"{path}, line {line}: {len(fields)} {noun} separated by {separated}; "
        f"two features and a label are 3"
    )
    if delimiter == "," and len(fields) in (4, 5):
        message += " (a decimal comma? Write 1.5, not 1,5)"
    return message


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, where: str) -> float:
    if _DECIMAL_COMMA.fullmatch(text):
        raise DataError(f"{where}: {text!r} has a decimal comma; write {text.replace(',', '.')}")
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(f"{where}: {text!r} is not a number") from error
    # Python reads 1_000 as a number; a person who typed it may have meant something else.
    if not np.isfinite(value) or "_" in text:
        raise DataError(f"{where}: {text!r} is not a finite number")
    return value


def _label(text: str, where: str) -> str:
    """Return the text of a label; what stands for a missing value is not one."""
    missing = not text or (_is_float(text) and not np.isfinite(float(text)))
    if missing:
        raise DataError(f"{where}: {text!r} is not a label")
    return text


def _classes(labels: list[str], path: Path | str) -> tuple[tuple[str, str], Labels]:
    """Return the names of the two classes in order, and 0 or 1 for each label."""
    numeric = all(_is_float(label) for label in labels)
    # By number, so that 1 and 1.0 are one class and 10 comes after 9; the text decides only
    # where there are no numbers.
    keys = [(float(label), "") if numeric else (0.0, label) for label in labels]
    name = dict(zip(reversed(keys), reversed(labels), strict=True))
    distinct = sorted(name)
    if len(distinct) != 2:
        shown = ", ".join(name[key] for key in distinct[:5])
        more = ", ..." if len(distinct) > 5 else ""
        noun = "class" if len(distinct) == 1 else "classes"
        raise DataError(f"{path} holds {len(distinct)} {noun} ({shown}{more}); two are needed")
    numbers = np.array([distinct.index(key) for key in keys], dtype=np.int64)
    return (name[distinct[0]], name[distinct[1]]), numbers
