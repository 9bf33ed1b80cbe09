"""Every figure of a campaign, from what it knows: into files, or into a report."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from crossbar.backend import DataError
from crossbar.campaigns import analysis
from crossbar.campaigns.definition import Definition
from crossbar.campaigns.knowledge import Knowledge
from crossbar.campaigns.records import State
from crossbar.figures.campaign import (
    course_figure,
    pairs_figure,
    slices_figure,
    trust_figure,
)
from crossbar.figures.style import save

FEW = 3
"""Values from which there is something to see in what is left out."""


def draw_all(definition: Definition, state: State, path: Path) -> list[Path]:
    """Draw every figure into files beside each other; return them, `path` the first.

    Raises
    ------
    DataError
        If nothing was told yet, or a file cannot be written.
    """
    written = []
    for name, figure in figures(definition, state):
        file = path if name == "course" else path.with_name(f"{path.stem}-{name}{path.suffix}")
        save(figure, file)
        written.append(file)
    return written


def figures(definition: Definition, state: State) -> Iterator[tuple[str, Figure]]:
    """Yield each figure with its name: how it went, slices, pairs, and how far to trust it.

    Raises
    ------
    DataError
        If nothing was told yet.
    """
    knows = Knowledge(definition, state)
    if not knows.told:
        raise DataError(f"campaign {definition.name!r} was told nothing yet: nothing to draw")
    o, name = definition.objective, definition.name
    one, told = analysis.course(knows), len(knows.told)
    failed = [made.number for made in state.of("failed")]
    goal = f"hit {o.target:g}" if o.target is not None else "maximise"
    made = f"{told} told, {len(failed)} failed, {len(state.of('pending'))} being made; {goal}"
    yield (
        "course",
        course_figure(
            {name: one}, o.quantity, f"campaign {name}", made, target=o.target, failed=failed
        ),
    )
    leader = knows.told[knows.leader].number
    through = (
        f"Gaussian process on {told} values; everything else as in recipe {leader}, the best by "
        "what is expected; "
    )
    yield (
        "slices",
        slices_figure(
            analysis.slices(knows),
            o.quantity,
            f"campaign {name}: what is expected along each variable",
            through + "bands: 95 %, noise left out",
        ),
    )
    if len(definition.variables) > 1:
        yield (
            "pairs",
            pairs_figure(
                analysis.pairs(knows),
                o.quantity,
                f"campaign {name}: what is expected over two variables",
                through + "ring: that recipe",
            ),
        )
    if told >= FEW:
        mean, sd = knows.model.left_out()
        yield (
            "trust",
            trust_figure(
                *(knows.values, mean, sd, analysis.importance(knows)),
                o.quantity,
                f"campaign {name}: how far to trust it",
                "bars: 95 %, noise of a value included; right: Sobol indices of what is expected",
            ),
        )
