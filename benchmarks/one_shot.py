"""One-shot programming: what one predicted pulse reaches, and what it saves before a loop.

``python benchmarks/one_shot.py [--json] [--figure FILE] [--only PART] [--write]``. Beside every
figure: doing nothing, the inverse of the noise-free model, the error relative to the wanted change,
and the pulses of write-verify. ``--write`` makes the predictors that come with the program anew.
"""

from collections.abc import Iterator
from pathlib import Path

import one_shot_benches
import one_shot_offload
import one_shot_pairs
from one_shot_pairs import LEVELS, PAIRS, PUBLISHED, SEED, Course, attempted, label
from rows import Row, arguments, show

from crossbar.figures.one_shot import OneShotFigure, one_shot_figure
from crossbar.figures.style import save
from crossbar.programming.predictor import save_predictor

SHOWN = LEVELS[2]
"""Level of noise that is drawn, and at which the network runs on a crossbar."""

MULTIPLES = (0.0, 2.0)
"""D2D over C2C of the courses against noise."""

PARTS = ("pairs", "noise", "crossbar", "savings")


def rows(parts: tuple[str, ...], figure: Path | None) -> Iterator[Row]:
    """Yield the rows of the chosen parts, and draw if that is asked for."""
    if "pairs" in parts:
        for level in LEVELS:
            yield from one_shot_pairs.rows(level, attempted(level))
    courses: dict[float, Course] = {}
    if "noise" in parts or figure is not None:
        courses = {multiple: one_shot_pairs.course(multiple) for multiple in MULTIPLES}
        yield from one_shot_pairs.course_rows(courses)
    if "crossbar" in parts:
        yield from one_shot_offload.rows(SHOWN)
    if "savings" in parts:
        yield from one_shot_benches.savings()
    if figure is not None:
        draw(courses[MULTIPLES[1]], figure)


def draw(course: Course, path: Path) -> None:
    """Draw pairs at one level of noise, and shares against the noise."""
    found = attempted(SHOWN)
    drawn = OneShotFigure(
        found.wanted,
        found.reached,
        course.noise,
        course.shares,
        PUBLISHED,
        f"cycle to cycle (%); device to device {MULTIPLES[1]:g} times that",
    )
    made = f"simplified JART v1b in closed form, {PAIRS} pairs, seed {SEED}"
    note = f"{made}; left: {label(SHOWN)}, band and share: ±50 % of the target"
    save(one_shot_figure(drawn, "One pulse, chosen in advance", note), path)


def main() -> None:
    """Measure, print and draw; or make the predictors anew."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--figure", type=Path, help="draw pairs and shares into this file")
    parser.add_argument("--only", choices=PARTS, help="measure one part")
    parser.add_argument("--write", action="store_true", help="make the predictors anew, and stop")
    chosen = parser.parse_args()
    if chosen.write:
        for name in one_shot_benches.CASES:
            path = one_shot_benches.folder() / f"{name}.toml"
            save_predictor(one_shot_benches.made(name), path)
        return
    parts = PARTS if chosen.only is None else (chosen.only,)
    show(rows(parts, chosen.figure), as_json=chosen.json, title="one-shot programming")


if __name__ == "__main__":
    main()
