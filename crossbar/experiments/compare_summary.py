"""What the record of a comparison of write policies says, policy by policy."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from crossbar.backend import Array
from crossbar.programming.report import Status
from crossbar.store import Arrays

Results = Mapping[str, Arrays]
PREFIX = "program/"


def measured(results: Results) -> bool:
    """Return whether anything was programmed yet."""
    return any(name.startswith(PREFIX) for name in results)


def programmings(results: Results) -> dict[str, list[Arrays]]:
    """Return the reports of each policy, in the order they were made."""
    found: dict[str, list[Arrays]] = {}
    for name, arrays in results.items():
        if name.startswith(PREFIX):
            found.setdefault(name.split("/")[1], []).append(arrays)
    return found


def summarise(results: Results) -> dict[str, Any]:
    """Return the figures of every policy as plain values, in SI units.

    Cells that are stuck are left out of the errors, and counted. Pulses and energy are of all
    cells; spreads are standard deviations over programmings.
    """
    if not measured(results):
        return {"policies": [], "window_S": [], "tolerance_S": None, "widths_adapted": []}
    window = results["asked"]["window"]
    return {
        "window_S": window.tolist(),
        "tolerance_S": float(results["asked"]["tolerance"]),
        "widths_adapted": results["asked"]["adapted"].tolist(),
        "policies": [
            {"policy": name} | _figures(reports, results["asked"])
            for name, reports in programmings(results).items()
        ],
    }


def _figures(reports: list[Arrays], asked: Arrays) -> dict[str, Any]:
    span, tolerance = float(np.ptp(asked["window"])), float(asked["tolerance"])
    each = [_of_one(report, span, tolerance) for report in reports]
    scalars = [key for key, value in each[0].items() if np.isscalar(value)]
    found: dict[str, Any] = {"programmings": len(reports)}
    for key in scalars:
        values = np.array([one[key] for one in each], dtype=np.float64)
        spread = float(values.std(ddof=1)) if len(values) > 1 else None
        found[key] = {"mean": float(values.mean()), "sd": spread}
    found["rereads"] = [
        {
            "delay_s": float(delay),
            "in_band": float(np.mean([one["rereads"][k]["in_band"] for one in each])),
            "within_1_percent": float(np.mean([one["rereads"][k]["near"] for one in each])),
            "within_5_percent": float(np.mean([one["rereads"][k]["wide"] for one in each])),
            "error_sd_S": float(np.mean([one["rereads"][k]["sd"] for one in each])),
            "effective_bits": float(np.mean([one["rereads"][k]["bits"] for one in each])),
        }
        for k, delay in enumerate(reports[0]["delays"].tolist())
    ]
    return found


def _of_one(report: Arrays, span: float, tolerance: float) -> dict[str, Any]:
    status, target = report["status"], report["target"]
    held = (status >= 0) & (status != Status.STUCK)
    pulses = report["pulses"][held]

    def of_read(conductance: Array) -> dict[str, float]:
        error = (conductance - target)[held]
        sd = float(np.sqrt(np.mean(error**2)))
        return {
            "in_band": float(np.mean(np.abs(error) <= tolerance)),
            "near": float(np.mean(np.abs(error) <= 0.01 * span)),
            "wide": float(np.mean(np.abs(error) <= 0.05 * span)),
            "sd": sd,
            "bits": float(np.log2(span / (2 * 1.96 * sd))) if sd else np.inf,
        }

    return {
        "pulses": float(pulses.mean()),
        "pulses_median": float(np.median(pulses)),
        "pulses_p95": float(np.percentile(pulses, 95)),
        "reads": float(report["reads"][held].mean()),
        "reversals": float(report["reversals"][held].mean()),
        "energy_J": float(report["energy"][held].mean()),
        "seconds": float(report["elapsed"][held].mean()),
        "in_band_at_verify": of_read(report["verified"])["in_band"],
        "in_band_at_end": of_read(report["ended"])["in_band"],
        "stuck": float(np.sum(status == Status.STUCK)),
        "rereads": [of_read(read) for read in report["rereads"]],
    }
