"""What a person sees of searches over noise: a table, and the noise that was chosen."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

PERCENT = 100.0


def tables(summary: Mapping[str, Any], judged: str) -> list[RenderableType]:
    """Return the searches of a summary as a table of at most 80 columns; nothing if there is none.

    Parameters
    ----------
    summary
        From `crossbar.experiments.search_summary.summarise`.
    judged
        What candidates were judged under, in a few words.
    """
    if not summary["searches"]:
        return []
    table = Table(title=f"search over noise, judged under {judged}", title_justify="left")
    table.add_column("training")
    for name in ("candidates", "first", "best", "undisturbed", "which"):
        table.add_column(name, justify="right")
    lines = []
    for row in summary["searches"]:
        best, failed = row["best"], len(row["failed"])
        count = f"{row['candidates']}" + (f", {failed} failed" if failed else "")
        if best is None:
            table.add_row(row["training"], count, "-", "-", "-", "-")
            continue
        undrifted = f"{PERCENT * best['undrifted']:.1f}"
        table.add_row(
            *(row["training"], count, _accuracy(row["first"]), _accuracy(best), undrifted),
            f"{best['candidate'] + 1}",
        )
        noise = ", ".join(f"{name} = {value:.3g}" for name, value in best["noise"].items())
        lines.append(Text(f"{row['training']}: {noise}"))
    draws = summary["searches"][0]["draws"]
    table.caption = (
        f"validation accuracy in %, mean of {draws} draws of it ± their standard deviation, the "
        "same draws for all candidates; the best was chosen by it and is too good by that"
    )
    table.caption_justify = "left"
    return [table, *lines]


def _accuracy(candidate: Mapping[str, Any]) -> str:
    if candidate["accuracy"] is None:
        return "failed"
    mean = f"{PERCENT * candidate['accuracy']:.1f}"
    return mean if candidate["sd"] is None else f"{mean} ± {PERCENT * candidate['sd']:.1f}"
