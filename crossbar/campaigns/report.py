"""A campaign as one HTML file: nothing outside it is needed to read it, now or in ten years."""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from crossbar.backend import DataError
from crossbar.campaigns.adviser import Adviser, Proposal
from crossbar.campaigns.campaign import Campaign
from crossbar.campaigns.definition import Definition
from crossbar.campaigns.drawing import figures
from crossbar.campaigns.knowledge import Knowledge
from crossbar.campaigns.records import Made, State, Telling
from crossbar.provenance import provenance

CANDIDATES = 10
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60em; margin: 2em auto;
  padding: 0 1em; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2em; }
table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25em .8em .25em 0; border-bottom: 1px solid #ddd;
  vertical-align: top; } th { border-bottom: 2px solid #888; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
img { max-width: 100%; height: auto; } .quiet { color: #777; } .best { font-weight: bold; }
pre { background: #f5f5f5; padding: 1em; overflow-x: auto; font-size: 13px; }
"""


def write_report(campaign: Campaign, path: Path) -> None:
    """Write a campaign as one HTML file, whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    text = report(campaign.definition, campaign.state(), campaign.text, campaign.database)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as problem:
        raise DataError(f"report {path} cannot be written: {problem}") from problem


def report(definition: Definition, state: State, text: str, database: str) -> str:
    """Return a campaign as an HTML page.

    Parameters
    ----------
    definition, state
        What is asked, and what is known.
    text
        Of the campaign's TOML file when it was begun.
    database
        Where it is kept, for people.
    """
    adviser = Adviser(definition, state)
    parts = [_head(definition, state, database)]
    knows = adviser.knows
    if knows.told:
        parts.append(_leading(definition, knows))
        ranking = adviser.ranking(CANDIDATES)
        parts += [_image(name, figure) for name, figure in figures(definition, state)]
        parts.append(_candidates(definition, ranking))
    parts += [_recipes(definition, state, knows), _history(state), _definition(text)]
    title = escape(f"campaign {definition.name}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _head(definition: Definition, state: State, database: str) -> str:
    o = definition.objective
    goal = f"hit {o.target:g}" if o.target is not None else "maximise"
    names = ("told", "failed", "pending", "withdrawn")
    counts = ", ".join(f"{len(state.of(name))} {name}" for name in names)  # type: ignore[arg-type]
    versions = provenance()["versions"]
    made = ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, dict) else ""
    lines = [
        escape(definition.about),
        escape(f"Goal: {goal} {o.quantity}, which lies between {o.low:g} and {o.high:g}."),
        escape(f"Recipes: {counts}."),
        escape(f"Begun {state.made} by {state.by}; kept in {database}."),
        escape(f"This page: {datetime.now(UTC).isoformat(timespec='seconds')}; {made}."),
    ]
    return "<p>" + "<br>\n".join(line for line in lines if line) + "</p>"


def _leading(definition: Definition, knows: Knowledge) -> str:
    best = knows.told[knows.leader]
    expected = float(knows.expected[knows.leader])
    told = f"told {best.value:.3f}" if best.value is not None else ""
    return (
        f'<p class="best">Best so far: recipe {best.number}, '
        f"{escape(definition.in_words(best.recipe))}; {told}, expected {expected:.3f} "
        "in view of all others.</p>"
    )


def _image(name: str, figure: Figure) -> str:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    encoded = base64.b64encode(data.getvalue()).decode()
    return f'<p><img alt="{escape(name)}" src="data:image/png;base64,{encoded}"></p>'


def _candidates(definition: Definition, ranking: Sequence[Proposal]) -> str:
    rows = [
        [
            str(k + 1),
            definition.in_words(one.recipe),
            f"{one.mean:.3f} ± {one.sd:.3f}",
            f"{100 * one.better:.0f} %",
            f"{one.gain:.2g}",
            f"{one.teaches[0]:.3f} to {one.teaches[1]:.3f}",
            "; ".join(f"{n} ({100 * alike:.0f} %)" for n, _, alike in one.nearest),
        ]
        for k, one in enumerate(ranking)
    ]
    names = ["", "recipe", "expected", "better", "gain", "leading known to ±", "most alike"]
    return (
        "<h2>Next candidates</h2>\n<p>Were one made next. Expected: mean and standard deviation; "
        "better: probability that it beats the best so far; gain: expected improvement on it.</p>\n"
        + _table(names, rows)
    )


def _recipes(definition: Definition, state: State, knows: Knowledge) -> str:
    best = knows.told[knows.leader].number if knows.told else None
    names = ["", *(f"{t.name} {t.unit}".strip() for t in definition.variables)]
    names += [definition.objective.quantity, "sd", "expected", "origin", "put down"]
    rows, marked = [], []
    for made in state.recipes:
        rows.append([str(made.number), *_values(definition, made), *_outcome(made)])
        marked.append(made.number == best)
    return "<h2>Recipes</h2>\n" + _table(names, rows, marked)


def _values(definition: Definition, made: Made) -> list[str]:
    found = [made.recipe[table.name] for table in definition.variables]
    return [value if isinstance(value, str) else f"{value:g}" for value in found]


def _outcome(made: Made) -> list[str]:
    said = made.current
    value = made.status if made.value is None else f"{made.value:.3f}"
    sd = "" if said is None or said.sd is None else f"{said.sd:.3f}"
    expected = ""
    if made.advice and made.advice.get("nearest"):
        expected = f"{made.advice['mean']:.3f} ± {made.advice['sd']:.3f}"
    return [value, sd, expected, made.origin, f"{made.made} {made.by}"]


def _history(state: State) -> str:
    """Return everything that was ever said, what was corrected too."""
    rows = [
        [str(made.number), str(k), *_said(telling)]
        for made in state.recipes
        for k, telling in enumerate(made.tellings)
    ]
    names = ["recipe", "revision", "status", "value", "sd", "when", "by", "note", "from"]
    return "<h2>Everything that was told</h2>\n" + _table(names, rows)


def _said(telling: Telling) -> list[str]:
    value = "" if telling.value is None else f"{telling.value:.4f}"
    sd = "" if telling.sd is None else f"{telling.sd:.4f}"
    source: Mapping[str, Any] = telling.source or {}
    where = str(source.get("from", ""))
    if "files" in source:
        files = ", ".join(f"{f['file']} ({f['sha256'][:12]})" for f in source["files"])
        where = f"{files}; form {source['form']}"
    return [telling.status, value, sd, telling.made, telling.by, telling.note, where]


def _definition(text: str) -> str:
    return f"<h2>What was asked</h2>\n<pre>{escape(text)}</pre>"


def _table(
    names: Sequence[str], rows: Sequence[Sequence[str]], marked: Sequence[bool] | None = None
) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    lines = []
    for k, row in enumerate(rows):
        cells = "".join(f"<td{_kind(text)}>{escape(text)}</td>" for text in row)
        best = ' class="best"' if marked and marked[k] else ""
        lines.append(f"<tr{best}>{cells}</tr>")
    return f"<table>\n<tr>{head}</tr>\n" + "\n".join(lines) + "\n</table>"


def _kind(text: str) -> str:
    """Return what sets numbers in columns."""
    return ' class="n"' if text[:1].isdigit() and " " not in text else ""
