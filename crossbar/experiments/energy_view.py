"""What a person sees of an energy run: layers, one inference, the papers' arithmetic, a figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from crossbar.experiments.captioned import captioned
from crossbar.experiments.cell_view import MICRO, number, provenance_note, spread
from crossbar.store import Arrays, RunRecord

PERCENT = 100.0
PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))


def prefixed(value: float, unit: str) -> tuple[float, str]:
    """Return the factor and the unit that bring a number to 1 or more, below 1000."""
    scale, prefix = next((p for p in PREFIXES if abs(value) >= p[0]), PREFIXES[-1])
    return 1 / scale, f"{prefix}{unit}"


def heading(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return the line that says what ran where."""
    s = run.settings
    widths = [summary["layers"][0]["inputs"] - 1, *(x["outputs"] for x in summary["layers"])]
    name = s["network"] or f"{s['training']} network"
    return f"Energy of {name} {'-'.join(map(str, widths))}, {s['mapping']} mapping"


def note(run: RunRecord) -> str:
    """Return bench, device, seed and the meaning of the spreads, in one line."""
    draws = run.settings["repeats"]
    if draws == 1:
        return f"{provenance_note(run)}, 1 programming draw"
    return f"{provenance_note(run)}, {draws} programming draws; ± is their standard deviation"


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return layers, one inference and the papers' arithmetic as tables of at most 80 columns."""
    return [
        _layers(run, summary),
        _inference(summary),
        Text(_remarks(summary)),
        _papers(summary),
        Text(note(run)),
    ]


def _layers(run: RunRecord, summary: Mapping[str, Any]) -> RenderableType:
    factor, unit = prefixed(max(x["energy_J"]["mean"] for x in summary["layers"]), "J")
    shown = captioned(
        heading(run, summary),
        ("layer", "devices", "power (µW)", f"energy ({unit})", f"idle ({unit})", "TOPS/W"),
        f"one multiply in {_time(summary['read_time_s'])}, a hypothetical read time, with "
        f"{number(summary['read_voltage_V'])} V for the largest input, mean of "
        f"{summary['inputs']} test inputs; idle: other cells on the driven word lines, whose bit "
        "lines are grounded; TOPS/W of the devices: 2 operations per device, then 2 per pair",
    )
    for k, x in enumerate(summary["layers"]):
        shown.add_row(
            f"{k}: {x['inputs']}x{x['outputs']}",
            str(x["devices"]),
            spread(x["power_W"], MICRO),
            spread(x["energy_J"], factor),
            spread(x["idle_energy_J"], factor),
            _both(x["tops_per_watt"]),
        )
    return shown


def _inference(summary: Mapping[str, Any]) -> RenderableType:
    whole = summary["inference"]
    factor, unit = prefixed(whole["total_energy_J"]["mean"], "J")
    shown = captioned(
        "one inference",
        ("counted", f"energy ({unit})", "TOPS/W per device", "per pair"),
        "each row counts what stands above it too; over the test inputs the devices' energy has sd "
        f"{number(whole['array_energy_sd_over_inputs_J'], factor, 2)} {unit}",
    )
    for name, energy, key in (
        ("array, own devices", whole["array_energy_J"], "array"),
        ("and idle cells", whole["driven_energy_J"], "with_idle_cells"),
        (f"and {_converters(summary)}", whole["total_energy_J"], "with_converters"),
    ):
        if key == "with_converters" and not whole["converter_energy_J"]:
            continue
        rates = whole["tops_per_watt"][key]
        shown.add_row(name, spread(energy, factor), spread(rates["device"]), spread(rates["pair"]))
    return shown


def _remarks(summary: Mapping[str, Any]) -> str:
    """Return what the numbers are worth, and what is not in them."""
    whole, bench = summary["inference"], summary["bench_read_time_s"]
    at_bench = whole["array_energy_at_bench_read_time_J"]
    factor, unit = prefixed(at_bench["mean"], "J")
    lines = [
        "Array physics at the read voltage, from measured conductances. Charging of lines, "
        "amplifiers, drivers and memory are not counted.",
        f"This bench's own read takes {_time(bench['mean'])}: an inference at that pace dissipates "
        f"{spread(at_bench, factor)} {unit} in its devices.",
    ]
    for kind, counted in (("adc", "bit line"), ("dac", "driven word line")):
        if (c := summary[kind]) is not None:
            lines.append(
                f"{kind.upper()} {c['name']}: {_bits(c['bits'])}, "
                f"{number(c['energy_J'], 1e12)} pJ a conversion, "
                f"{number(c['node_m'], 1e9)} nm ({c['source']}); "
                f"{_conversions(summary, kind)} per {counted} and read."
            )
    if summary["adc"] is not None:
        count = max(layer["adcs_needed"] for layer in summary["layers"])
        lines.append(
            f"{count} of this ADC {'keeps' if count == 1 else 'keep'} up with reads of "
            f"{_time(summary['read_time_s'])}."
        )
    if summary["adc"] is not None or summary["dac"] is not None:
        lines.append(
            "Converters are published ones, on no bench: their energy is added, their precision "
            "is not simulated."
        )
    if (accuracy := summary["accuracy"]) is not None:
        lines.append(
            f"accuracy {spread(accuracy, PERCENT)} % on the array, "
            f"{number(summary['software_accuracy'], PERCENT)} % in software"
        )
    ratio = summary["law"]["ratio"][0]
    if len(summary["law"]["ratio"]) > 1:
        lines.append(
            f"I-V law from reads: conductance at {number(summary['law']['voltages_V'][0])} V is "
            f"{number(ratio)} of that at {number(summary['read_voltage_V'])} V"
        )
    return "\n".join(lines)


def _conversions(summary: Mapping[str, Any], kind: str) -> str:
    if kind == "adc" or summary["dac"]["bits"] >= summary["input_bits"]:
        return "one"
    pieces = -(-summary["input_bits"] // summary["dac"]["bits"])
    inputs = f"inputs of {_bits(summary['input_bits'])} come in pieces"
    return f"{pieces} ({inputs}; that each piece is a read of its own is not counted)"


def _bits(count: int) -> str:
    return "1 bit" if count == 1 else f"{count} bits"


def _converters(summary: Mapping[str, Any]) -> str:
    kinds = [kind.upper() for kind in ("adc", "dac") if summary[kind] is not None]
    return " and ".join(kinds)


def _papers(summary: Mapping[str, Any]) -> RenderableType:
    shown = captioned(
        "the papers' arithmetic: no figure here is ours",
        ("figure", "value", "kind"),
        "printed: in the paper; other source: its code, or what a V100's maker states; follows: "
        "from the others",
    )
    last = ""
    for row in summary["papers"]:
        if row["paper"] != last:
            shown.add_row(f"[bold]{row['paper']}[/bold]")
        last = row["paper"]
        value = f"{number(row['value'], 1.0, 5)} {row['unit']}".rstrip()
        shown.add_row(f"  {row['figure']}", value, row["kind"])
    return shown


def _both(rates: Mapping[str, Any]) -> str:
    return ", ".join(number(rates[name]["mean"]) for name in ("device", "pair"))


def _time(seconds: float) -> str:
    factor, unit = prefixed(seconds, "s")
    return f"{number(seconds, factor)} {unit}"


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of an energy record into a file."""
    # Matplotlib takes most of a second to import; commands without a figure do not wait for it.
    from crossbar.figures.energy import energy_figure
    from crossbar.figures.style import save

    save(energy_figure(results, summary, heading(run, summary), note(run)), path)
