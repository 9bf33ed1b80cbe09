"""The figure of `xbar energy`: where the energy of an inference goes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.experiments.energy_summary import draws
from crossbar.figures.conductances import LABELLED
from crossbar.figures.style import INK, QUIET, styled
from crossbar.store import Arrays

PICO, FEMTO = 1e12, 1e15
SHADES = {"array": "#0072b2", "idle": "#56b4e9", "adc": "#d55e00", "dac": "#e69f00"}
LAYERS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9")


def energy_figure(
    results: Mapping[str, Arrays], summary: Mapping[str, Any], title: str, note: str
) -> Figure:
    """Return the figure of an energy record.

    Parameters
    ----------
    results
        The record's arrays, with at least one programming draw.
    summary
        From `crossbar.experiments.energy_summary.summarise`.
    title, note
        Above the figure, and below it: bench, device, seed, spreads.
    """
    with styled():
        figure = Figure(figsize=(10.8, 8.6), layout="constrained")
        (parts, times), (cells, inputs) = figure.subplots(2, 2)
        _parts(parts, summary)
        _times(times, summary)
        _cells(cells, results, summary)
        _inputs(inputs, results, summary)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(
            f"{note}\narray physics from measured conductances; read time hypothetical; converters "
            "published, on no bench; charging of lines not counted",
            fontsize=8,
            color=QUIET,
        )
    return figure


def _parts(axes: Axes, summary: Mapping[str, Any]) -> None:
    """Draw what each part of each layer takes, largest at the top of a logarithmic axis."""
    axes.set_title(f"One inference, reads of {summary['read_time_s'] * 1e9:g} ns")
    names, values, errors, shades = [], [], [], []
    for k, layer in enumerate(summary["layers"]):
        for kind, what in (("array", "energy_J"), ("idle", "idle_energy_J")):
            names.append(f"layer {k}\n{'devices' if kind == 'array' else 'idle cells'}")
            values.append(layer[what]["mean"])
            errors.append(layer[what]["sd"] or 0.0)
            shades.append(SHADES[kind])
    for kind in ("adc", "dac"):
        if summary[kind] is not None:
            names.append(f"{kind.upper()}\n{summary[kind]['name']}")
            values.append(sum(layer[f"{kind}_energy_J"] for layer in summary["layers"]))
            errors.append(0.0)
            shades.append(SHADES[kind])
    shown = PICO * np.array(values)
    axes.bar(range(len(names)), shown, color=shades, width=0.7)
    drawn = np.array(errors) > 0
    axes.errorbar(
        np.flatnonzero(drawn),
        shown[drawn],
        PICO * np.array(errors)[drawn],
        fmt="none",
        color=INK,
        capsize=3,
        lw=1,
    )
    for k, value in enumerate(shown):
        axes.annotate(
            f"{value:.3g}",
            (k, value + PICO * errors[k]),
            (0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_yscale("log")
    positive = shown[shown > 0]
    axes.set_ylim(positive.min() / 3, positive.max() * 3)
    axes.set_xticks(range(len(names)), names, fontsize=8 if len(names) < 8 else 6)
    axes.set_ylabel("energy (pJ)")


def _times(axes: Axes, summary: Mapping[str, Any]) -> None:
    """Draw the energy of an inference against the read time, array and converters apart."""
    axes.set_title("Energy against read time")
    whole, asked = summary["inference"], summary["read_time_s"]
    bench = summary["bench_read_time_s"]["mean"]
    ends = min(1e-9, asked / 10), max(1e-3, asked * 10, bench * 10)
    time = np.geomspace(*ends, 200)
    array = whole["array_energy_J"]["mean"] / asked * time
    driven = whole["driven_energy_J"]["mean"] / asked * time
    axes.plot(time, array, color=SHADES["array"], lw=1.8, label="array, own devices")
    axes.plot(time, driven, color=SHADES["idle"], lw=1.4, ls="--", label="and idle cells")
    if converters := whole["converter_energy_J"]:
        axes.axhline(converters, color=SHADES["adc"], lw=1.4, label="converters, constant")
        axes.plot(time, driven + converters, color=INK, lw=1.4, label="all")
    for value, text in ((asked, "asked"), (bench, "this bench")):
        axes.axvline(value, color=QUIET, lw=0.9, ls=":")
        axes.annotate(
            f"{text} ",
            (value, 0.02),
            xycoords=("data", "axes fraction"),
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=8,
            color=QUIET,
        )
    axes.set(xscale="log", yscale="log", xlabel="time of one read (s)", ylabel="energy (J)")
    axes.legend(fontsize=8, loc="upper left")


def _cells(axes: Axes, results: Mapping[str, Arrays], summary: Mapping[str, Any]) -> None:
    """Draw what each cell takes in an inference, mean over inputs and draws."""
    axes.set_title("Each cell in an inference, mean of draws")
    found = draws(results)
    names = [f"cells_{k}" for k in range(len(summary["layers"]))]
    power = np.mean([[d[name] for name in names] for d in found], axis=0).sum(axis=0)
    # Word lines that no layer drives are left empty.
    femto = np.where(power == 0, np.nan, FEMTO * summary["read_time_s"] * np.maximum(power, 0.0))
    high = float(np.nanmax(femto, initial=0.0)) or 1.0
    image = axes.imshow(femto, cmap="magma", vmin=0.0, vmax=high, aspect="equal")
    axes.set(xlabel="bit line", ylabel="word line")
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("energy (fJ)")
    bar.outline.set_visible(False)
    if max(femto.shape) > LABELLED:
        return
    axes.set_xticks(range(femto.shape[1]))
    axes.set_yticks(range(femto.shape[0]))
    axes.tick_params(length=0)
    for (word, bit), value in np.ndenumerate(femto):
        if np.isfinite(value):
            axes.text(
                bit,
                word,
                f"{value:.2g}" if value < 99.5 else f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if value / high < 0.6 else INK,
            )


def _inputs(axes: Axes, results: Mapping[str, Arrays], summary: Mapping[str, Any]) -> None:
    """Draw how the energy of each layer's devices spreads over the test inputs."""
    axes.set_title("Devices of each layer, over inputs")
    found, factor = draws(results), PICO * summary["read_time_s"]
    for k in range(len(summary["layers"])):
        energies = factor * np.concatenate([d[f"own_{k}"] for d in found])
        axes.hist(
            energies,
            bins=60,
            density=True,
            histtype="step",
            lw=1.5,
            color=LAYERS[k % len(LAYERS)],
            label=f"layer {k}: {energies.mean():.3g} ± {energies.std():.2g} pJ",
        )
    axes.set_xlabel("energy of one multiply (pJ)")
    axes.set_yticks([])
    axes.set_ylabel("density")
    axes.spines["left"].set_visible(False)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.2)
    axes.legend(fontsize=8, title="mean ± sd, all draws", title_fontsize=8)
