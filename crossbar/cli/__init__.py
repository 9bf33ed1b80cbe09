"""The command `xbar`: for people tables and figures, for scripts ``--json``."""

import inspect
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from crossbar.backend import CrossbarError
from crossbar.cli import (
    bench_commands,
    bench_work,
    experiments,
    fabricate,
    fit_files,
    info,
    interrupt,
    measured_files,
    resume,
    runs,
)
from crossbar.cli.output import errors

REFUSED, INTERRUPTED = 2, 130
"""Exit codes; 130 is what a shell gives a command that Ctrl-C ended (128 + SIGINT)."""

# Every usage error's base; newer versions of typer carry their own copy of click's.
_UsageError: Any = typer.BadParameter.__base__


class _InterruptedError(Exception):
    """An interrupt, with what it leaves behind as its notes: typer would make a code of it."""


class _Commands(TyperGroup):
    """The commands; an interrupt of one keeps what it has to say."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as problem:
            raise _InterruptedError from problem


app = typer.Typer(
    name="xbar",
    cls=_Commands,
    help="Run neural networks on a memristor crossbar: simulated, or on your bench.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
experiments.add_to(app)
bench_work.add_to(app)
app.command("resume")(resume.resume)
measured_files.add_to(app)
fit_files.add_to(app)
info.add_to(app)
app.add_typer(bench_commands.app, name="bench")
app.add_typer(runs.app, name="runs")
app.add_typer(fabricate.app, name="fabricate")
for _command in (
    *app.registered_commands,
    *bench_commands.app.registered_commands,
    *runs.app.registered_commands,
    *fabricate.app.registered_commands,
):
    # The first sentence of the help, which the list of commands would cut at the end of its line.
    _text = inspect.getdoc(_command.callback) if _command.help is None else _command.help
    _command.short_help = _command.short_help or (_text or "").partition("\n")[0]


@app.callback()
def _global(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Take options that go before the command; `main` has already taken ``--debug`` out."""


def main() -> None:
    """Run the command line; exit code 2 for a request that cannot be carried out."""
    interrupt.listen()
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
    except _UsageError as problem:
        problem.show()
        return int(problem.exit_code)
    except (KeyboardInterrupt, typer.Abort, _InterruptedError) as problem:
        return _interrupted(problem.__cause__ or problem)
    except CrossbarError as problem:
        if debug:
            raise
        line = " ".join(str(problem).splitlines())
        errors.print(f"xbar: {line}", markup=False, highlight=False, soft_wrap=True)
        return REFUSED
    # Typer has made this of an interrupt before there was a command.
    return _interrupted(None) if result == INTERRUPTED else int(result or 0)


def _interrupted(problem: BaseException | None) -> int:
    """Say what an interrupt leaves behind, how to go on, and return its exit code."""
    notes: list[str] = getattr(problem, "__notes__", [])
    for line in ("; ".join(["xbar: interrupted", *notes[:1]]), *notes[1:]):
        errors.print(line, markup=False, highlight=False, soft_wrap=True)
    return INTERRUPTED
