"""What one programming of a network dissipates: cells read, inputs run, power layer by layer."""

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import Array
from crossbar.blocks import Placed
from crossbar.crossbar import Crossbar
from crossbar.energy.array import MeasuredLaw, dissipation
from crossbar.network import Labels, with_bias
from crossbar.offload import HardwareNetwork
from crossbar.store import Arrays

READS = 4
"""Of every cell, averaged."""


def dissipated(
    crossbar: Crossbar,
    hardware: HardwareNetwork,
    inputs: Array,
    labels: Labels | None,
    law_points: int,
) -> Arrays:
    """Read every cell, run inputs layer by layer, and return what was dissipated.

    Parameters
    ----------
    crossbar, hardware
        The array, and the network that was programmed into it.
    inputs, labels
        As they reach the network, shape ``(n, n_in)``; their classes, None where nobody knows.
    law_points
        Read voltages, up to that of a multiply, that show the cells' I-V law.

    Returns
    -------
    dict
        For each layer ``cells_K``, W, of the array's shape, mean over the inputs; ``own_K`` and
        ``idle_K``, W, of its devices and of other cells on its word lines for each input; how many
        drives, word lines, bit lines and devices it takes. Conductances, the law, the accuracy and
        the bench's own time of a read beside them.
    """
    read_voltage = crossbar.settings.read_voltage
    steps = read_voltage * np.arange(1, law_points + 1) / law_points
    conductances = np.array([crossbar.read(READS, float(step)).value for step in steps])
    law = MeasuredLaw.of(steps, conductances)
    arrays: dict[str, ArrayLike] = {
        "conductance": conductances[-1],
        "law_voltages": law.voltages,
        "law_ratio": law.ratio,
        "read_voltage": read_voltage,
    }
    values, began = inputs, crossbar.backend.now
    for k, (layer, placed) in enumerate(zip(hardware.layers, hardware.report.placed, strict=True)):
        arriving = with_bias(values)
        reach = layer.reach(arriving)
        voltages = crossbar.voltages(arriving, layer.index, input_range=reach)
        arrays |= _layer(k, conductances[-1], voltages, law, placed)
        values, _ = layer.run(values)
    drives = len(inputs) * sum(len(placed.blocks) for placed in hardware.report.placed)
    arrays["bench_read_time"] = (crossbar.backend.now - began) / drives
    arrays["accuracy"] = accuracy(values, labels)
    return {name: np.asarray(value) for name, value in arrays.items()}


def _layer(
    k: int, conductances: Array, voltages: Array, law: MeasuredLaw, placed: Placed
) -> dict[str, ArrayLike]:
    """Return the power of a layer's own devices and of the idle cells on its word lines."""
    cells = np.zeros(conductances.shape)
    own, idle = np.zeros(voltages.shape[1]), np.zeros(voltages.shape[1])
    words = bits = devices = 0
    # Every block is a drive of its own, as long as the others.
    for block, driven in zip(placed.blocks, voltages, strict=True):
        mine = np.zeros(conductances.shape, dtype=np.bool_)
        lines = np.union1d(block.plus, block.minus)
        mine[np.ix_(block.words, lines)] = True
        words, bits = words + len(block.words), bits + len(lines)
        devices += len(block.words) * len(lines)
        ours = dissipation(np.where(mine, conductances, 0.0), driven, law)
        others = dissipation(np.where(mine, 0.0, conductances), driven, law)
        cells += ours.cells + others.cells
        own, idle = own + ours.inputs, idle + others.inputs
    return {
        # Of all drives together: an input that drives twice is converted twice.
        f"drives_{k}": len(placed.blocks),
        f"words_{k}": words,
        f"bits_{k}": bits,
        f"devices_{k}": devices,
        f"cells_{k}": cells,
        f"own_{k}": own,
        f"idle_{k}": idle,
    }


def accuracy(scores: Array, labels: Labels | None) -> float:
    """Return the share of inputs whose class is right; NaN where nobody knows it."""
    if labels is None:
        return float("nan")
    classes = scores[:, 0] > 0 if scores.shape[1] == 1 else scores.argmax(axis=1)
    return float(np.mean(classes == labels))
