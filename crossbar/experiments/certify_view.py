"""What a person sees of a certificates' run: who voted, what is certified, and a figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from crossbar.experiments.captioned import captioned
from crossbar.experiments.certify_summary import CERTIFIED
from crossbar.store import Arrays, RunRecord

PERCENT = 100.0
SHOWN = 8
"""Rows of the trinomial table."""


def heading(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return the line that says what is certified."""
    s = run.settings
    name = s["network"] or f"2-{s['hidden']}-1, {s['training']} training"
    data = s["data"] or f"moons, noise {s['noise']:g}"
    return f"Certificates of {name}: {summary['points']} points of {data}"


def note(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return what made the numbers, their seed and how sure they are, in one line."""
    return (
        f"software only, seed {run.seed}, run {run.id}; ± 95 % interval of a share of points "
        f"(Clopper-Pearson); each certificate holds with {PERCENT * (1 - summary['alpha']):g} %: "
        f"at most {summary['wrong_certificates_expected_at_most']:.2g} wrong ones expected"
    )


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return the votes and both certificates as tables of at most 80 columns."""
    shown: list[RenderableType] = [
        Text(f"certified: {CERTIFIED}"),
        _votes(run, summary),
        _drift(run, summary),
    ]
    if summary["trinomial"] is not None:
        shown.append(_trinomial(summary))
    return [*shown, Text(note(run, summary))]


def _votes(run: RunRecord, summary: Mapping[str, Any]) -> RenderableType:
    made = captioned(
        heading(run, summary),
        ("noise", "votes", "vote right", "abstained", "one copy right"),
        f"in % of the points; without noise {PERCENT * summary['software_accuracy']:.1f} are "
        "right; a vote abstains where it does not show a majority; one copy: mean ± standard "
        "deviation over noisy copies",
    )
    for law, name in (("log-normal", "smoothing"), ("trinomial", "p1")):
        found = summary[law]
        if found is None:
            continue
        size = f"{found['p1']:g}, {found['p2']:g}" if name == "p1" else f"{found[name]:g}"
        made.add_row(
            f"{law} {size}",
            str(found["votes"]),
            _share(found["vote_accuracy"]),
            _share(found["abstained"]),
            _spread(found["one_noisy_copy"]),
        )
    return made


def _drift(run: RunRecord, summary: Mapping[str, Any]) -> RenderableType:
    found = summary["log-normal"]
    limits = found["largest_drift_if_unanimous"]
    kind = run.settings["allotment"]
    made = captioned(
        f"certified against log-normal drift of all {summary['parameters']} parameters, %",
        ("drift σ", "typical", "and right", "95 % of draws", "and right", "one chip right"),
        "typical: no drift changes the vote that is no longer than half of the random draws of "
        "this σ are; 95 %: than 95 % of them. Length: in units of the voting noise, which is "
        f"{kind} (smoothing {found['smoothing']:g}), without a factor common to the last layer. "
        f"{found['votes']} votes that all agree certify up to σ = {limits['typical']:.3f} "
        f"(95 %: {limits['most']:.3f}). One chip: a drifted copy, counted; nothing is proved "
        "of it",
    )
    for row in found["rows"]:
        made.add_row(
            f"{row['drift']:g}",
            *(
                _share(row[name][key])
                for name in ("typical", "most")
                for key in ("certified", "certified_and_right")
            ),
            _spread(row["one_chip"]) if "one_chip" in row else "-",
        )
    return made


def _trinomial(summary: Mapping[str, Any]) -> RenderableType:
    found = summary["trinomial"]
    verdict = "holds" if found["equation_2_sound"] else "does not hold"
    made = captioned(
        f"certified under trinomial noise p1 = {found['p1']:g}, p2 = {found['p2']:g}, %",
        ("changed in any way", "others as they are", "others halved or not", "equation 2"),
        "of how many parameters the vote is certified whatever becomes of them; exact bounds "
        "(Neyman-Pearson), the first alone, the second with any number of the others halved, "
        f"which is what equation 2 claims. Equation 2: {found['equation_2']}: here its step "
        f"{verdict}",
    )
    for row in found["rows"][:SHOWN]:
        made.add_row(
            f"{row['changed']} or more",
            *(_share(row[name]) for name in ("exact", "exact_halved", "equation_2")),
        )
    if len(found["rows"]) > SHOWN:
        made.add_row(f"... up to {found['rows'][-1]['changed'] - 1}: --json", "", "", "")
    return made


def _share(value: Mapping[str, Any]) -> str:
    """Return a share in percent with the longer arm of its interval."""
    share, (low, high) = value["share"], value["ci95"]
    return f"{PERCENT * share:.1f} ± {PERCENT * max(share - low, high - share):.1f}"


def _spread(value: Mapping[str, Any]) -> str:
    mean = f"{PERCENT * value['mean']:.1f}"
    return mean if value["sd"] is None else f"{mean} ± {PERCENT * value['sd']:.1f}"


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of a certificates' record into a file."""
    # Matplotlib takes most of a second to import; commands without a figure do not wait for it.
    from crossbar.figures.certify import certify_figure
    from crossbar.figures.style import save

    save(certify_figure(results, summary, heading(run, summary), note(run, summary)), path)
