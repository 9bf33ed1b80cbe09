import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from crossbar.experiments.search_summary import summarise
from crossbar.experiments.search_view import tables
from crossbar.figures.search import search_figure
from crossbar.figures.style import save
from crossbar.store import Arrays


def candidate(numbers: dict[str, float], accuracy: list[float]) -> Arrays:
    return {
        "value": np.asarray(np.mean(accuracy)),
        "accuracy": np.array(accuracy),
        "undrifted": np.asarray(0.9 if np.isfinite(accuracy).all() else np.nan),
        "variables": np.array(list(numbers)),
        "numbers": np.array(list(numbers.values())),
    }


def record(sites: int = 2) -> dict[str, Arrays]:
    rng = np.random.default_rng(0)
    results = {"points": {"x": np.zeros(3)}}
    for k in range(6):
        numbers = {
            f"{p} {site}": rng.uniform(0, 0.3) for site in range(sites) for p in ("p1", "p2")
        }
        accuracy = list(rng.uniform(0.6, 0.7, 4)) if k != 2 else [np.nan] * 4
        results[f"search/trinomial/{k}"] = candidate(numbers, accuracy)
    for k in range(3):
        results[f"search/lognormal/{k}"] = candidate({"sigma": 0.3 * k}, [0.5 + 0.1 * k, 0.6])
    return results


def test_the_summary_follows_from_the_record_alone() -> None:
    results = record()
    trinomial, lognormal = summarise(results)["searches"]
    assert (trinomial["training"], lognormal["training"]) == ("trinomial", "lognormal")
    assert (trinomial["candidates"], trinomial["failed"], trinomial["draws"]) == (6, [2], 4)
    values = [float(results[f"search/trinomial/{k}"]["value"]) for k in range(6)]
    best = int(np.nanargmax(values))
    assert trinomial["best"]["candidate"] == best
    assert trinomial["best"]["accuracy"] == values[best]
    spread = np.std(results[f"search/trinomial/{best}"]["accuracy"], ddof=1)
    assert trinomial["best"]["sd"] == pytest.approx(spread)
    assert lognormal["best"]["noise"] == {"sigma": 0.6}
    assert lognormal["first"]["accuracy"] == pytest.approx(0.55)


def test_a_search_in_which_all_failed_has_no_best() -> None:
    results = {"search/trinomial/0": candidate({"p1 0": 0.1, "p2 0": 0.1}, [np.nan])}
    (row,) = summarise(results)["searches"]
    assert row["best"] is None
    assert row["first"]["accuracy"] is None
    assert len(tables(summarise(results), "drift 0.6")) == 1
    search_figure(results, "", "")


def test_the_table_fits_80_columns_and_says_what_was_chosen() -> None:
    console = Console(width=80, file=io.StringIO())
    for part in tables(summarise(record()), "drift 0.6"):
        console.print(part)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the one given
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "6, 1 failed" in text
    assert "lognormal: sigma = 0.6" in text
    assert "drift 0.6" in text
    assert tables(summarise({}), "drift 0.6") == []


@pytest.mark.parametrize("sites", [1, 5])
def test_the_figure_has_the_course_and_a_panel_for_each_site(sites: int, tmp_path: Path) -> None:
    results = record(sites)
    figure = search_figure(results, "title", "seed 0")
    titles = [
        axes.get_title(loc="left")
        for part in figure.subfigs
        for axes in part.axes
        if axes.get_visible()
    ]
    assert "trinomial: 6 candidates" in titles
    assert {f"site {k}" for k in range(sites)} <= set(titles)
    assert "against sigma" in titles
    save(figure, tmp_path / "figure.png")


def test_the_best_so_far_passes_over_failures() -> None:
    results = record()
    figure = search_figure(results, "", "")
    (course,) = (
        axes
        for part in figure.subfigs
        for axes in part.axes
        if axes.get_title(loc="left") == "trinomial: 6 candidates"
    )
    (line,) = (line for line in course.lines if line.get_label() == "best so far")
    values = [100 * float(results[f"search/trinomial/{k}"]["value"]) for k in range(6)]
    expected = [np.nanmax(values[: k + 1]) for k in range(6)]
    assert np.asarray(line.get_ydata(), dtype=float) == pytest.approx(expected)
