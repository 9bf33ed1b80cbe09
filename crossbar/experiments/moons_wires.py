"""What the wires of an array cost a network: from the conductances that were read, by the circuit.

Two arrays that differ in nothing but their wires do not exist, on a bench least of all. So the
conductances of the array are read after each draw, and the network is computed twice from them:
with lines without resistance, and with the exact circuit of lines that have some. What the two
differ by is what the wires cost; noise and relaxation are in both alike.
"""

from collections.abc import Mapping

import numpy as np

from crossbar.backend import Array, Ohm
from crossbar.crossbar import Crossbar
from crossbar.network import ACTIVATIONS, Network, with_bias
from crossbar.offload import HardwareNetwork, spread_over
from crossbar.store import Arrays
from crossbar.wires import Lines, effective, losses

MULTIPLES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Of the line resistance asked for: where wires begin to hurt is worth knowing too."""

MAP_INPUTS = 200
"""Test points over which lost voltages are averaged."""

READS = 4


def measure(
    crossbar: Crossbar, hardware: HardwareNetwork, inputs: Array, segment: Ohm
) -> dict[str, Array]:
    """Read the array, and return what wires of several resistances make of the network on it.

    Parameters
    ----------
    crossbar
        That holds the network.
    hardware
        The network on it.
    inputs
        Test points, shape ``(batch, n_in)``.
    segment
        Line resistance asked for, ohm; `MULTIPLES` of it are computed.

    Returns
    -------
    dict
        ``ohms``, shape ``(n,)``; ``scores`` without noise for each, ``(n, batch, n_out)``;
        ``lost_k``, voltage taken from each cell while layer k is driven, mean over inputs and over
        the drives of its blocks, V, at the resistance asked for; ``driven_k``, the voltage of the
        cell's word line on the same mean, V; ``conductances``, as read, S.
    """
    # What reads below nothing conducts nothing: that is noise.
    G = np.maximum(crossbar.read(READS).value, 0.0)
    ohms = segment * np.array(MULTIPLES)
    scores = [
        _scores(hardware.network, crossbar.matrices_of(effective(G, Lines(ohm))), inputs)
        for ohm in ohms.tolist()
    ]
    found = {"ohms": ohms, "scores": np.array(scores), "conductances": G}
    chosen = spread_over(len(inputs), MAP_INPUTS)
    arriving = hardware.network.activations(inputs[chosen])[:-1]
    for k, (layer, x) in enumerate(zip(hardware.layers, arriving, strict=True)):
        biased = with_bias(x)
        volts = crossbar.voltages(biased, k, input_range=layer.reach(biased))
        drives = volts.reshape(-1, volts.shape[-1])
        found[f"lost_{k}"] = losses(G, Lines(segment), drives)
        found[f"driven_{k}"] = np.abs(drives).mean(axis=0)
    return found


def _scores(network: Network, matrices: tuple[Array, ...], inputs: Array) -> Array:
    values = inputs
    for layer, matrix in zip(network.layers, matrices, strict=True):
        values = ACTIVATIONS[layer.activation](with_bias(values) @ matrix)
    return values


def summarise(draws: Mapping[str, list[Arrays]], labels: Array) -> dict[str, object] | None:
    """Return accuracies by line resistance and lost voltages; None if wires were not looked at.

    Parameters
    ----------
    draws
        Of each training.
    labels
        Of the test points.
    """
    with_wires = {name: [d for d in found if "wires_ohms" in d] for name, found in draws.items()}
    with_wires = {name: found for name, found in with_wires.items() if found}
    if not with_wires:
        return None
    rows: list[dict[str, object]] = []
    for name, found in with_wires.items():
        right = np.array([(d["wires_scores"][:, :, 0] > 0) == labels for d in found])
        accuracy = right.mean(axis=2)  # draws by resistances
        lost = accuracy[:, 0] - accuracy[:, 1]
        share = [_share(d) for d in found]
        rows.append(
            {
                "training": name,
                "draws": len(found),
                "ohms": [float(v) for v in found[0]["wires_ohms"]],
                "accuracy": [float(v) for v in accuracy.mean(axis=0)],
                "accuracy_sd": [float(v) for v in accuracy.std(axis=0, ddof=1)]
                if len(found) > 1
                else None,
                "lost_points": 100 * float(lost.mean()),
                "lost_points_sd": 100 * float(lost.std(ddof=1)) if len(found) > 1 else None,
                "lost_voltage_mean": float(np.mean([mean for mean, _ in share])),
                "lost_voltage_largest": float(np.max([most for _, most in share])),
            }
        )
    return {
        "segment_ohm": float(next(iter(with_wires.values()))[0]["wires_ohms"][1]),
        "rows": rows,
        "convention": "computed from the conductances read after each draw, without noise: lines "
        "without resistance against the exact circuit of lines with it; lost voltage as a "
        "fraction of the word line's, mean magnitude over test points",
    }


def share_lost(draw: Arrays, layer: int) -> Array:
    """Return the part of its word line's voltage that each cell loses; NaN on idle word lines."""
    driven = draw[f"wires_driven_{layer}"]
    part: Array = np.full(draw[f"wires_lost_{layer}"].shape, np.nan)
    used = driven > 0
    part[used] = draw[f"wires_lost_{layer}"][used] / driven[used, None]
    return part


def _share(draw: Arrays) -> tuple[float, float]:
    """Return mean and largest part of the voltage lost by a cell that is driven, of all layers."""
    layers = [share_lost(draw, k) for k in range(2)]
    return float(np.nanmean(layers)), float(np.nanmax(layers))
