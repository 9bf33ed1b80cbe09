"""The command `xbar`: for people tables and figures, for scripts ``--json``."""

import os
import sys

import click
import typer

from crossbar.backend import CrossbarError
from crossbar.cli import bench_work, experiments, info, runs
from crossbar.cli.output import errors

app = typer.Typer(
    name="xbar",
    help="Run neural networks on a memristor crossbar: simulated, or on your bench.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
experiments.add_to(app)
bench_work.add_to(app)
info.add_to(app)
app.add_typer(runs.app, name="runs")


@app.callback()
def _global(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Take options that go before the command; `main` has already taken ``--debug`` out."""


def main() -> None:
    """Run the command line; exit code 2 for a request that cannot be carried out."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments or bool(os.environ.get("CROSSBAR_DEBUG"))
    sys.exit(run([a for a in arguments if a != "--debug"], debug=debug))


def run(arguments: list[str], *, debug: bool = False) -> int:
    """Run one command and return its exit code: 0, 1 (a defect), 2 (refused), 130 (interrupted).

    Errors that this project raises on purpose become one line on standard error; with `debug`
    they are raised.
    """
    try:
        result = app(arguments, prog_name="xbar", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (KeyboardInterrupt, click.Abort):
        errors.print("interrupted: the bench is at 0 V, and what was finished is in the record")
        return 130
    except CrossbarError as problem:
        if debug:
            raise
        errors.print(f"xbar: {problem}", markup=False, highlight=False, soft_wrap=True)
        return 2
    return int(result or 0)
