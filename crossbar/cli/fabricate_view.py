"""What a person sees of a campaign: recipes in a line each, reasons, tables of 80 columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from crossbar.backend import DataError
from crossbar.cli.output import console

if TYPE_CHECKING:
    from crossbar.campaigns.campaign import Campaign, Propose
    from crossbar.campaigns.definition import Definition
    from crossbar.campaigns.records import Made, State

Facts = Mapping[str, Any]


def proposing(definition: "Definition", count: int) -> "Propose":
    """Return what proposes recipes to a campaign."""
    from crossbar.campaigns.adviser import Adviser, advised

    return lambda state: advised(Adviser(definition, state).propose(count))


def recipe_of(definition: "Definition", values: Sequence[str]) -> dict[str, float | str]:
    """Return the recipe of NAME=VALUE pairs.

    Raises
    ------
    DataError
        If one is no pair, or a number is none.
    """
    choices = {table.name for table in definition.variables if table.choices}
    found: dict[str, float | str] = {}
    for pair in values:
        name, sign, text = (part.strip() for part in pair.partition("="))
        if not sign or name in found:
            raise DataError(f"{pair!r} is not NAME=VALUE, each name once")
        try:
            found[name] = text if name in choices else float(text)
        except ValueError:
            raise DataError(f"{name} = {text!r} is no number") from None
    return found


def recipe_facts(made: "Made") -> dict[str, Any]:
    """Return everything of a recipe as plain values."""
    return {
        "number": made.number,
        "recipe": dict(made.recipe),
        "status": made.status,
        "value": made.value,
        "sd": made.current.sd if made.current else None,
        "origin": made.origin,
        "made": made.made,
        "by": made.by,
        "advice": None if made.advice is None else dict(made.advice),
        "tellings": [
            {
                "status": told.status,
                "value": told.value,
                "sd": told.sd,
                "source": dict(told.source or {}),
                "note": told.note,
                "made": told.made,
                "by": told.by,
            }
            for told in made.tellings
        ],
    }


def facts(campaign: "Campaign", state: "State") -> dict[str, Any]:
    """Return everything of a campaign as plain values."""
    o = campaign.definition.objective
    told = [made for made in state.of("told") if made.value is not None]
    best = None
    if told:
        worth = [m.value if o.target is None else -abs(m.value - o.target) for m in told]  # type: ignore[operator]
        best = recipe_facts(told[max(range(len(told)), key=lambda k: worth[k])])  # type: ignore[arg-type, return-value]
    return {
        "campaign": campaign.definition.name,
        "database": campaign.database,
        "quantity": o.quantity,
        "goal": o.goal,
        "target": o.target,
        "begun": state.made,
        "by": state.by,
        "counts": {s: len(state.of(s)) for s in ("told", "pending", "failed", "withdrawn")},
        "earlier": len(state.earlier),
        "size": campaign.definition.space.size,
        "best": best,
        "recipes": [recipe_facts(made) for made in state.recipes],
    }


def ranking(definition: "Definition", state: "State", count: int) -> list[dict[str, Any]]:
    """Return the best candidates, were one made next; none while nothing was told."""
    if not count or not state.of("told"):
        return []
    from crossbar.campaigns.adviser import Adviser

    found = Adviser(definition, state).ranking(count)
    return [{"recipe": dict(one.recipe), **one.plain()} for one in found]


def recipe_line(definition: "Definition", row: Facts) -> str:
    """Return the number of a recipe, and the recipe."""
    return f"recipe {row['number']}: {definition.in_words(row['recipe'])}"


def print_begun(found: Facts, file: Path) -> None:
    """Say that a campaign was begun, and how to go on."""
    size = "no end of" if found["size"] is None else f"{found['size']:,}"
    console.print(
        f"campaign {found['campaign']}: {size} recipes, {found['counts']['told']} told from "
        f"before, kept in {found['database']}",
        markup=False,
    )
    again = "" if file.name == "campaign.toml" else f" -c {file}"
    console.print(f"what to make: xbar fabricate ask{again}", markup=False)


def print_proposals(definition: "Definition", rows: Sequence[Facts]) -> None:
    """Print recipes to make, each with what is expected of it and why."""
    quantity = definition.objective.quantity
    for row in rows:
        console.print(recipe_line(definition, row), markup=False, style="bold")
        advice = row["advice"]
        if not advice["nearest"]:
            console.print("  nothing was told yet: from the middle, or by earlier campaigns")
            continue
        lines = [f"expected {quantity} {advice['mean']:.3f} ± {advice['sd']:.3f} (sd)"]
        lines[0] += f"; better than the best so far: {100 * advice['better']:.0f} %"
        if advice["feasible"] < 1:
            lines.append(f"a device at all: {100 * advice['feasible']:.0f} %")
        now, after = advice["teaches"]
        lines.append(f"teaches: leading recipes are known to ± {now:.3f}, then to ± {after:.3f}")
        lines.append("most alike: " + "; ".join(_near(near) for near in advice["nearest"]))
        for line in lines:
            console.print(f"  {line}", markup=False)


def _near(near: Sequence[Any]) -> str:
    number, value, alike = near
    gave = "failed" if value is None else f"gave {value:.3g}"
    return f"recipe {number} {gave} ({100 * alike:.0f} % alike)"


def print_told(definition: "Definition", row: Facts, before: int) -> None:
    """Say what was told, and what it had been expected to be."""
    told, quantity = row["tellings"][-1], definition.objective.quantity
    what = told["status"]
    if told["value"] is not None:
        spread = "" if told["sd"] is None else f" ± {told['sd']:.3f} (sd)"
        what = f"{quantity} {told['value']:.3f}{spread}"
    corrected = f", correcting what was told {before} time(s) before" if before else ""
    console.print(f"recipe {row['number']}: {what}{corrected}", markup=False)
    source = told["source"]
    if "devices" in source:
        console.print(
            f"  {source['value']}, {len(source['devices'])} device(s) in {len(source['files'])} "
            f"file(s); form {source['form']}, of {source['of']}",
            markup=False,
        )
    advice = row["advice"]
    if advice and advice["nearest"] and told["value"] is not None:
        console.print(f"  expected {advice['mean']:.3f} ± {advice['sd']:.3f}", markup=False)


def print_status(definition: "Definition", found: Facts, candidates: Sequence[Facts]) -> None:
    """Print every recipe, and the best candidates."""
    counts = ", ".join(f"{count} {name}" for name, count in found["counts"].items() if count)
    goal = "maximise" if found["target"] is None else f"hit {found['target']:g}"
    console.print(
        f"campaign {found['campaign']}, {goal} {found['quantity']}: {counts or 'nothing yet'}; "
        f"begun {found['begun']} by {found['by']}",
        markup=False,
    )
    table = _table("recipes", ("", "recipe", found["quantity"], "expected"))
    for row in found["recipes"]:
        best = found["best"] is not None and row["number"] == found["best"]["number"]
        table.add_row(
            str(row["number"]),
            definition.in_words(row["recipe"]),
            _gave(row) + (" *" if best else ""),
            _expected(row["advice"]),
        )
    table.caption = "*: the best so far; c: corrected; ±: standard deviation"
    table.caption_justify = "left"
    console.print(table)
    if candidates:
        console.print(candidate_table(definition, candidates))


def candidate_table(definition: "Definition", candidates: Sequence[Facts]) -> Table:
    """Return the best candidates, were one made next."""
    table = _table("next candidates", ("", "recipe", "expected", "better", "gain"))
    for k, one in enumerate(candidates):
        table.add_row(
            str(k + 1),
            definition.in_words(one["recipe"]),
            f"{one['mean']:.3f} ± {one['sd']:.3f}",
            f"{100 * one['better']:.0f} %",
            f"{one['gain']:.2g}",
        )
    table.caption = "better: probability; gain: expected improvement on the best so far"
    table.caption_justify = "left"
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        if name == "recipe":
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    return table


def _gave(row: Facts) -> str:
    if row["value"] is None:
        return str(row["status"])
    spread = "" if row["sd"] is None else f" ± {row['sd']:.3f}"
    return f"{row['value']:.3f}{spread}" + (" c" if len(row["tellings"]) > 1 else "")


def _expected(advice: Facts | None) -> str:
    if not advice or not advice["nearest"]:
        return ""
    return f"{advice['mean']:.3f} ± {advice['sd']:.3f}"


def compared(known: Sequence[tuple["Definition", "State"]], figure: Path) -> list[dict[str, Any]]:
    """Draw several campaigns side by side, and return a row of plain values for each.

    Raises
    ------
    DataError
        If one was told nothing, or they are not of one quantity.
    """
    from crossbar.campaigns.analysis import course
    from crossbar.campaigns.knowledge import Knowledge
    from crossbar.figures.campaign import course_figure
    from crossbar.figures.style import save

    quantities = {definition.objective.quantity for definition, _ in known}
    if len(quantities) > 1:
        raise DataError(f"campaigns of {', '.join(sorted(quantities))} cannot be compared")
    rows, courses = [], {}
    for definition, state in known:
        knows = Knowledge(definition, state)
        if not knows.told:
            raise DataError(f"campaign {definition.name!r} was told nothing yet")
        one = course(knows)
        courses[definition.name] = one
        first = int(max(range(len(one.best)), key=lambda k: (one.best[k] == one.best[-1], -k)))
        rows.append(
            {
                "campaign": definition.name,
                "goal": definition.objective.goal,
                "told": len(one.values),
                "failed": len(state.of("failed")),
                "first": float(one.values[0]),
                "best": float(one.best[-1]),
                "best_recipe": int(one.numbers[first]),
            }
        )
    note = "points: values told, with their 95 % where known; steps: the best of them so far"
    quantity = quantities.pop()
    save(course_figure(courses, quantity, f"{len(rows)} campaigns", note), figure)
    return rows


def print_compared(rows: Sequence[Facts], figure: Path) -> None:
    """Print campaigns side by side."""
    names = ("campaign", "goal", "told", "failed", "first", "best", "at recipe")
    table = _table("campaigns", names)
    for row in rows:
        table.add_row(
            *(row["campaign"], row["goal"], str(row["told"]), str(row["failed"])),
            *(f"{row['first']:.3f}", f"{row['best']:.3f}", str(row["best_recipe"])),
        )
    console.print(table)
    console.print(f"figure in {figure}", markup=False)


def print_made(number: int, files: Sequence[Path]) -> None:
    """Say what a simulated laboratory made."""
    console.print(
        f"recipe {number}: {len(files)} simulated device(s) measured into {files[0].parent}; "
        "made up by a simulation, not measured",
        markup=False,
    )
    console.print(f"tell them: xbar fabricate tell {number} --iv {files[0].parent}", markup=False)
