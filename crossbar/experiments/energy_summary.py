"""The figures of an energy run, made from its record alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from crossbar.backend import Array
from crossbar.energy.array import CONVENTIONS, efficiency, operations
from crossbar.energy.converters import Converter
from crossbar.energy.papers import checks
from crossbar.experiments.moons_summary import spread
from crossbar.store import Arrays


def draws(results: Mapping[str, Arrays]) -> list[Arrays]:
    """Return the programming draws of a record, in order, as many as there are."""
    found: list[Arrays] = []
    while (name := f"draw/{len(found)}") in results:
        found.append(results[name])
    return found


def measured(results: Mapping[str, Arrays]) -> bool:
    """Return whether any programming draw was finished."""
    return "draw/0" in results


def summarise(results: Mapping[str, Arrays]) -> dict[str, Any]:
    """Return energies as plain values: per layer, per inference, and what each part takes.

    A spread is the standard deviation over programming draws; ``inputs`` is the one over the test
    inputs, mean of the draws.
    """
    found = draws(results)
    papers = [
        {"paper": f.paper, "figure": f.what, "value": f.value, "unit": f.unit, "kind": f.kind}
        for f in checks()
    ]
    if not found:
        return {"papers": papers}
    asked, network = results["asked"], results["network"]
    read_time = float(asked["read_time"])
    layers = [
        _layer(k, found, network[f"matrix_{k}"].shape, asked, read_time)
        for k in range(len(network["activations"]))
    ]
    own_read_time = np.array([float(d["bench_read_time"]) for d in found])
    return {
        "read_time_s": read_time,
        "bench_read_time_s": spread(own_read_time),
        "read_voltage_V": float(found[0]["read_voltage"]),
        "law": _law(found),
        "inputs": int(network["inputs"]),
        "adc": _converter(asked, "adc"),
        "dac": _converter(asked, "dac"),
        "input_bits": int(asked["input_bits"]),
        "software_accuracy": _known(float(network["accuracy"])),
        "accuracy": _known_spread(np.array([float(d["accuracy"]) for d in found])),
        "layers": layers,
        "inference": _inference(found, layers, read_time, own_read_time),
        "conventions": {
            **{f"per {name}": text for name, text in CONVENTIONS.items()},
            "own": "cells of the layer's own matrix",
            "idle": "other cells on the word lines that the layer drives, their bit lines grounded",
            "power": "sum of |V| |f(V)| G over cells, mean over the test inputs; f from reads",
            "read_time": "hypothetical; one read per input and block of a layer's cells",
            "not_counted": "charging of lines, amplifiers, drivers, activations, memory",
        },
        "papers": papers,
    }


def _layer(
    k: int, found: list[Arrays], shape: tuple[int, ...], asked: Arrays, read_time: float
) -> dict[str, Any]:
    """Return the figures of one layer."""
    own, idle = (np.array([d[f"{name}_{k}"] for d in found]) for name in ("own", "idle"))
    words, bits, devices = (int(found[0][f"{name}_{k}"]) for name in ("words", "bits", "devices"))
    count = operations(shape[0], shape[1], devices)
    adc, dac = _kept(asked, "adc"), _kept(asked, "dac")
    drives = int(found[0][f"drives_{k}"])
    # A DAC of fewer bits than an input has converts it piece by piece.
    pieces = -(-int(asked["input_bits"]) // dac.bits) if dac else 0
    return {
        "inputs": shape[0],
        "outputs": shape[1],
        "devices": devices,
        "drives": drives,
        "operations": count,
        "power_W": spread(own.mean(axis=1)),
        "power_sd_over_inputs_W": float(own.std(axis=1).mean()),
        "idle_power_W": spread(idle.mean(axis=1)),
        "energy_J": spread(own.mean(axis=1) * read_time),
        "idle_energy_J": spread(idle.mean(axis=1) * read_time),
        "tops_per_watt": _efficiencies(count, own.mean(axis=1) * read_time),
        "adc_conversions": bits if adc else 0,
        "dac_conversions": words * pieces,
        "adc_energy_J": bits * adc.energy if adc else 0.0,
        "dac_energy_J": words * pieces * dac.energy if dac else 0.0,
        "adcs_needed": adc.needed(bits, drives * read_time) if adc else None,
    }


def _inference(
    found: list[Arrays], layers: list[dict[str, Any]], read_time: float, bench_time: Array
) -> dict[str, Any]:
    """Return the figures of all layers together, array only and with converters."""
    own, idle = (
        np.array([sum(d[f"{name}_{k}"] for k in range(len(layers))) for d in found])
        for name in ("own", "idle")
    )
    converters = sum(layer["adc_energy_J"] + layer["dac_energy_J"] for layer in layers)
    count = {name: sum(layer["operations"][name] for layer in layers) for name in CONVENTIONS}
    array = own.mean(axis=1) * read_time
    driven = (own + idle).mean(axis=1) * read_time
    return {
        "devices": sum(layer["devices"] for layer in layers),
        "reads": sum(layer["drives"] for layer in layers),
        "operations": count,
        "array_energy_J": spread(array),
        "array_energy_sd_over_inputs_J": float(own.std(axis=1).mean() * read_time),
        "array_energy_range_over_inputs_J": [
            float(np.mean(edge) * read_time) for edge in np.quantile(own, [0.025, 0.975], axis=1)
        ],
        "driven_energy_J": spread(driven),
        "converter_energy_J": converters,
        "total_energy_J": spread(driven + converters),
        "array_energy_at_bench_read_time_J": spread(own.mean(axis=1) * bench_time),
        "tops_per_watt": {
            "array": _efficiencies(count, array),
            "with_idle_cells": _efficiencies(count, driven),
            "with_converters": _efficiencies(count, driven + converters),
        },
    }


def _efficiencies(count: Mapping[str, int], energies: Array) -> dict[str, Any]:
    """Return TOPS/W by both conventions, over the draws."""
    return {
        name: spread(np.array([efficiency(number, energy) for energy in energies]))
        for name, number in count.items()
    }


def _law(found: list[Arrays]) -> dict[str, Any]:
    """Return the measured law: conductance at each voltage relative to that at the last."""
    ratios = np.array([d["law_ratio"] for d in found])
    return {"voltages_V": found[0]["law_voltages"].tolist(), "ratio": ratios.mean(axis=0).tolist()}


def _kept(asked: Arrays, kind: str) -> Converter | None:
    """Return the converter whose numbers are in the record; None where none was asked for."""
    if kind not in asked:
        return None
    _, architecture, source = asked[kind].tolist()
    bits, rate, power, node = asked[f"{kind}_numbers"].tolist()
    return Converter(architecture, int(bits), rate, power, node, source)


def _converter(asked: Arrays, kind: str) -> dict[str, Any] | None:
    kept = _kept(asked, kind)
    if kept is None:
        return None
    return {
        "name": str(asked[kind][0]),
        "architecture": kept.architecture,
        "bits": kept.bits,
        "rate_Hz": kept.rate,
        "power_W": kept.power,
        "node_m": kept.node,
        "energy_J": kept.energy,
        "source": kept.source,
    }


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _known_spread(values: Array) -> dict[str, object] | None:
    return spread(values) if np.isfinite(values).all() else None
