"""`xbar fabricate`: a campaign from the command line, from its first recipe to its report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from crossbar.backend import DataError
from crossbar.cli import fabricate_view as view
from crossbar.cli.options import FigurePath, JsonOption, check_figure
from crossbar.cli.output import bars, console, print_json

app = typer.Typer(
    help="Ask and tell which device to make next.",
    no_args_is_help=True,
)

CampaignOption: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--campaign",
        "-c",
        envvar="CROSSBAR_CAMPAIGN",
        help="The campaign's TOML file; its database is beside it, or where it says.",
    ),
]
Number: TypeAlias = Annotated[int, typer.Argument(metavar="NUMBER", help="Of the recipe.")]
Note: TypeAlias = Annotated[str, typer.Option("--note", help="For people, kept with it.")]
FILE = Path("campaign.toml")
COMPARED = 2


@app.command("new")
def new(
    campaign: CampaignOption = FILE,
    example: Annotated[
        str | None,
        typer.Option("--example", help="Write this example to the file first: paper, simulated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Begin the campaign that a TOML file describes."""
    from crossbar.campaigns.campaign import begin
    from crossbar.campaigns.definition_file import example as text_of

    if example is not None:
        text = text_of(example)
        if campaign.exists():
            raise DataError(f"{campaign} exists; it is not written over")
        campaign.write_text(text, encoding="utf-8")
    with begin(campaign) as begun:
        facts = view.facts(begun, begun.state())
    if as_json:
        print_json(facts)
    else:
        view.print_begun(facts, campaign)


@app.command("ask")
def ask(
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", min=1, help="Recipes; by default the campaign's batch."),
    ] = None,
    campaign: CampaignOption = FILE,
    as_json: JsonOption = False,
) -> None:
    """Ask what to make next, and why; the answer counts as being made until it is told."""
    from crossbar.campaigns.campaign import begun

    with begun(campaign) as running:
        wanted = count or running.definition.asking.batch
        numbers = running.ask(view.proposing(running.definition, wanted))
        state = running.state()
        rows = [view.recipe_facts(state.number(number)) for number in numbers]
        if as_json:
            print_json({"campaign": running.definition.name, "recipes": rows})
        else:
            view.print_proposals(running.definition, rows)


@app.command("add")
def add(
    values: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="Every variable, once.")
    ],
    campaign: CampaignOption = FILE,
    as_json: JsonOption = False,
) -> None:
    """Put down a recipe of your own; numbers between the levels of a grid will do."""
    from crossbar.campaigns.campaign import begun

    with begun(campaign) as running:
        number = running.add(view.recipe_of(running.definition, values))
        row = view.recipe_facts(running.state().number(number))
        if as_json:
            print_json({"campaign": running.definition.name, "recipes": [row]})
        else:
            console.print(view.recipe_line(running.definition, row), markup=False)


@app.command("tell")
def tell(
    number: Number,
    told: Annotated[
        list[str] | None,
        typer.Argument(metavar="VALUE|FILES", help="What it gave; with --iv, files."),
    ] = None,
    sd: Annotated[
        float | None, typer.Option("--sd", help="Standard deviation of the value, if known.")
    ] = None,
    iv: Annotated[
        bool, typer.Option("--iv", help="Compute the usability from measured I-V files.")
    ] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="It was made, and is no device.")
    ] = False,
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="It will not be made; it may be proposed again.")
    ] = False,
    correct: Annotated[
        bool, typer.Option("--correct", help="Replace what was told before, which is kept.")
    ] = False,
    note: Note = "",
    campaign: CampaignOption = FILE,
    as_json: JsonOption = False,
) -> None:
    """Tell what a recipe gave: a value, measured files, or that it failed."""
    from crossbar.campaigns.campaign import begun

    with begun(campaign) as running:
        quantity = running.definition.objective.quantity
        telling = _telling(told or [], sd, note, quantity, iv=iv, failed=failed, gone=withdrawn)
        before = running.tell(number, telling, correct=correct)
        row = view.recipe_facts(running.state().number(number))
        if as_json:
            print_json({"campaign": running.definition.name, "recipes": [row]})
        else:
            view.print_told(running.definition, row, before)


@app.command("status")
def status(
    candidates: Annotated[
        int, typer.Option("--next", min=0, help="Best candidates to list, were one made next.")
    ] = 5,
    campaign: CampaignOption = FILE,
    as_json: JsonOption = False,
) -> None:
    """Show every recipe, what is being made, and the best candidates."""
    from crossbar.campaigns.campaign import begun

    with begun(campaign) as running:
        state = running.state()
        facts = view.facts(running, state)
        ranking = view.ranking(running.definition, state, candidates)
        if as_json:
            print_json(facts | {"next": ranking})
        else:
            view.print_status(running.definition, facts, ranking)


@app.command("plot")
def plot(
    campaign: CampaignOption = FILE,
    figure: FigurePath = Path("campaign.png"),
    as_json: JsonOption = False,
) -> None:
    """Draw how it went, slices and pairs of what is expected, and how far that can be trusted."""
    from crossbar.campaigns.campaign import begun
    from crossbar.campaigns.drawing import draw_all

    with begun(campaign) as running:
        paths = [str(path) for path in draw_all(running.definition, running.state(), figure)]
    if as_json:
        print_json({"figures": paths})
    else:
        console.print("figures in " + ", ".join(paths), markup=False)


@app.command("report")
def report(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The HTML file: everything is inside it.")
    ] = Path("campaign.html"),
    campaign: CampaignOption = FILE,
    as_json: JsonOption = False,
) -> None:
    """Write the campaign as one HTML file that can be mailed."""
    from crossbar.campaigns.campaign import begun
    from crossbar.campaigns.report import write_report

    with begun(campaign) as running:
        write_report(running, output)
    if as_json:
        print_json({"report": str(output)})
    else:
        console.print(f"report in {output}", markup=False)


@app.command("compare")
def compare(
    campaigns: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="TOML files of running campaigns.")
    ],
    figure: Annotated[
        Path, typer.Option("--figure", "-o", help="Where it goes.", callback=check_figure)
    ] = Path("compare.png"),
    as_json: JsonOption = False,
) -> None:
    """Compare how campaigns went: the best so far against the recipes made."""
    from crossbar.campaigns.campaign import begun

    if len(campaigns) < COMPARED:
        raise DataError("name two campaigns or more to compare")
    known = []
    for file in campaigns:
        with begun(file) as running:
            known.append((running.definition, running.state()))
    rows = view.compared(known, figure)
    if as_json:
        print_json({"campaigns": rows, "figure": str(figure)})
    else:
        view.print_compared(rows, figure)


@app.command("make")
def make(
    number: Number,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder that the measured files go to.")
    ] = Path("made"),
    devices: Annotated[int, typer.Option("--devices", min=1, help="Devices of the recipe.")] = 4,
    campaign: CampaignOption = FILE,
    as_json: JsonOption = False,
) -> None:
    """Make a recipe in a simulated laboratory: made-up devices, measured into I-V files."""
    from crossbar.campaigns.campaign import begun
    from crossbar.campaigns.laboratory import make_and_measure

    with begun(campaign) as running:
        recipe = running.state().number(number).recipe
        with bars() as progress:
            files = make_and_measure(recipe, number, output, devices, progress)
    if as_json:
        print_json({"recipe": number, "files": [str(file) for file in files], "simulated": True})
    else:
        view.print_made(number, files)


def _telling(
    told: Sequence[str],
    sd: float | None,
    note: str,
    quantity: str,
    *,
    iv: bool,
    failed: bool,
    gone: bool,
) -> Any:
    """Return what is told, by whichever of the ways a person chose.

    Raises
    ------
    DataError
        If it is none of them, or two at once.
    """
    from crossbar.campaigns.records import Telling

    if failed or gone:
        if (failed and gone) or told or iv or sd is not None:
            raise DataError("a recipe failed, was withdrawn, or gave a value: one of them")
        return Telling("failed" if failed else "withdrawn", note=note)
    if iv:
        return _from_files(told, sd, note, quantity)
    if len(told) != 1:
        raise DataError("tell one value, --iv FILES, --failed or --withdrawn")
    try:
        value = float(told[0])
    except ValueError:
        raise DataError(f"{told[0]!r} is no number; files are told with --iv") from None
    return Telling("told", value, sd, {"from": "a person"}, note)


def _from_files(files: Sequence[str], sd: float | None, note: str, quantity: str) -> Any:
    from crossbar.campaigns.from_files import QUANTITY, telling_of_files

    if quantity != QUANTITY:
        raise DataError(f"--iv gives a {QUANTITY}; this campaign is told a {quantity}")
    if not files:
        raise DataError("--iv needs files, or a folder of them")
    if sd is not None:
        raise DataError("--iv computes the standard deviation; leave --sd out")
    with bars() as progress:
        return telling_of_files([Path(file) for file in files], note=note, progress=progress)
