"""A predictor as a file that a person can read: TOML, with the record of its training."""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from crossbar.backend import BenchError, DataError, Second, Siemens, Volt
from crossbar.network import Layer, Network
from crossbar.programming.predictor.dense import DenseMap
from crossbar.programming.predictor.monotone import MonotoneMap
from crossbar.programming.predictor.predictor import Predictor, TrainingRecord, Way, WidthMap
from crossbar.tables import build

FORMAT = "crossbar predictor 1"

COMMENTS: Mapping[str, str] = {
    "format": "Which pulse takes a cell from one conductance to another (crossbar.programming).",
    "record": "What it was made from.",
    "set": "SET pulses: V, 1/V, then the map from two conductances (S) to a width (s).",
    "reset": "RESET pulses; voltages without their sign.",
}
"""What is said of a table, above it."""

PER_LINE = 4


@dataclass(frozen=True, slots=True)
class MonotoneTable:
    """`MonotoneMap` in a file."""

    knots: tuple[Siemens, ...]
    times: tuple[Second, ...]

    def map(self) -> WidthMap:
        """Return the map."""
        return MonotoneMap(self.knots, self.times)


@dataclass(frozen=True, slots=True)
class LayerTable:
    """A `Layer` in a file; the weights of one input after those of the other."""

    inputs: int
    activation: str
    weights: tuple[float, ...]
    biases: tuple[float, ...]

    def layer(self) -> Layer:
        """Return the layer."""
        if self.inputs < 1 or len(self.weights) != self.inputs * len(self.biases):
            raise DataError(
                f"{len(self.weights)} weights are not {self.inputs} inputs times "
                f"{len(self.biases)} outputs"
            )
        weights = np.reshape(self.weights, (self.inputs, len(self.biases)))
        return Layer(weights, np.array(self.biases), self.activation)


@dataclass(frozen=True, slots=True)
class DenseTable:
    """`DenseMap` in a file."""

    low: Siemens
    high: Siemens
    layers: tuple[LayerTable, ...]

    def map(self) -> WidthMap:
        """Return the map."""
        network = Network(tuple(table.layer() for table in self.layers))
        if (network.widths[0], network.widths[-1]) != (2, 1):
            raise DataError(f"a network of {network.widths} does not go from 2 inputs to 1 output")
        return DenseMap(network, self.low, self.high)


@dataclass(frozen=True, slots=True)
class WayTable:
    """`Way` in a file; it has one of the two maps."""

    amplitude: Volt
    amplitude_min: Volt
    amplitude_max: Volt
    per_volt: float
    monotone: MonotoneTable | None = None
    dense: DenseTable | None = None

    def way(self) -> Way:
        """Return the polarity."""
        tables = [table for table in (self.monotone, self.dense) if table is not None]
        if len(tables) != 1:
            raise DataError(f"{len(tables)} maps of one polarity; it has one, monotone or dense")
        ends = self.amplitude_min, self.amplitude_max
        return Way(self.amplitude, *ends, self.per_volt, tables[0].map())


@dataclass(frozen=True, slots=True)
class PredictorTable:
    """`Predictor` in a file."""

    format: str
    record: TrainingRecord
    set: WayTable
    reset: WayTable


def save_predictor(predictor: Predictor, path: Path | str) -> None:
    """Write a predictor to a TOML file, whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written, or a map is of a kind that no file has.
    """
    path = Path(path)
    text = predictor_text(predictor)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as problem:
        partial.unlink(missing_ok=True)
        raise DataError(f"predictor {path} cannot be written: {problem}") from problem


def load_predictor(path: Path | str) -> Predictor:
    """Return the predictor that `save_predictor` wrote.

    Raises
    ------
    DataError
        If the file cannot be read or is not a predictor, naming what is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as problem:
        raise DataError(f"predictor {path} cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise DataError(f"predictor {path} is not text: {problem}") from problem
    return parse_predictor(text, str(path))


def parse_predictor(text: str, where: str) -> Predictor:
    """Return the predictor in a text.

    Raises
    ------
    DataError
        As `load_predictor`.
    """
    try:
        table = build(PredictorTable, tomllib.loads(text), where)
        if table.format != FORMAT:
            raise DataError(f"its format is {table.format!r}, not {FORMAT!r}")
        return Predictor(table.set.way(), table.reset.way(), table.record)
    except tomllib.TOMLDecodeError as problem:
        raise DataError(f"predictor {where} is not TOML: {problem}") from problem
    except BenchError as problem:
        raise DataError(str(problem)) from problem
    except DataError as problem:
        raise DataError(f"predictor {where}: {problem}") from problem


def predictor_text(predictor: Predictor) -> str:
    """Return the TOML of a predictor, comments included.

    Raises
    ------
    DataError
        If a map is of a kind that no file has.
    """
    lines = [f"# {COMMENTS['format']}", f"format = {_value(FORMAT)}"]
    lines += ["", f"# {COMMENTS['record']}", "[record]"]
    lines += [f"{name} = {_value(value)}" for name, value in asdict(predictor.record).items()]
    for name, way in (("set", predictor.set), ("reset", predictor.reset)):
        lines += ["", f"# {COMMENTS[name]}", f"[{name}]"]
        keys = ("amplitude", "amplitude_min", "amplitude_max", "per_volt")
        lines += [f"{key} = {_value(getattr(way, key))}" for key in keys]
        lines += _map_lines(name, way.map)
    return "\n".join(lines) + "\n"


def _map_lines(name: str, chosen: WidthMap) -> list[str]:
    if isinstance(chosen, MonotoneMap):
        ends = f"knots = {_value(chosen.knots)}", f"times = {_value(chosen.times)}"
        return ["", f"[{name}.monotone]", *ends]
    if not (isinstance(chosen, DenseMap) and isinstance(chosen.network, Network)):
        raise DataError(f"a map of {type(chosen).__name__} cannot be saved")
    lines = ["", f"[{name}.dense]", f"low = {_value(chosen.low)}", f"high = {_value(chosen.high)}"]
    for layer in chosen.network.layers:
        lines += ["", f"[[{name}.dense.layers]]", f"inputs = {len(layer.weights)}"]
        lines += [f"activation = {_value(layer.activation)}"]
        lines += [f"weights = {_value(tuple(layer.weights.ravel().tolist()))}"]
        lines += [f"biases = {_value(tuple(layer.biases.tolist()))}"]
    return lines


def _value(value: object) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, tuple):
        parts = [_value(part) for part in value]
        rows = [", ".join(parts[k : k + PER_LINE]) for k in range(0, len(parts), PER_LINE)]
        return "[\n" + "".join(f"  {row},\n" for row in rows) + "]"
    if isinstance(value, str):
        # TOML's strings are JSON's, but for one control character that JSON lets pass.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    # repr gives the digits that a number needs to come back the same.
    return repr(float(value)) if isinstance(value, float) else str(value)
