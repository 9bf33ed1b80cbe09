"""`xbar bench emulate`: somebody's own program, unchanged, on instruments that do not exist."""

from pathlib import Path
from typing import Annotated

import typer

from crossbar.cli.options import SeedOption

CONTEXT = {"allow_interspersed_args": False}
"""Settings of the command: whatever follows the program's name is the program's."""


def emulate(
    program: Annotated[
        Path, typer.Argument(metavar="FILE", help="A Python program; pydwf, PyVISA or pySerial.")
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="Its arguments.")
    ] = None,
    wiring: Annotated[
        str,
        typer.Option(
            "--wiring", help="loopback (W1 on scope 1, W2 on scope 2), parallel, switched or mux."
        ),
    ] = "loopback",
    keithley: Annotated[
        str,
        typer.Option(
            "--keithley", help="Source meter on the array, 2400 or 6487; the other has 10 kohm."
        ),
    ] = "2400",
    wall: Annotated[
        bool, typer.Option("--wall", help="Let bench time pass as slowly as the wall's.")
    ] = False,
    seed: SeedOption = None,
) -> None:
    """Run a program as python would, with virtual instruments where real ones would be.

    It finds a virtual Analog Discovery 2 through libdwf, two Keithleys through PyVISA, and a switch
    board on the serial port in $CROSSBAR_SWITCH_BOARD. Without --wall, time.sleep takes no time.
    """
    from crossbar.bench_instruments import emulate_program

    emulate_program(
        program,
        [] if arguments is None else arguments,
        wiring=wiring,
        keithley=keithley,
        wall=wall,
        seed=0 if seed is None else seed,
    )
