"""`xbar bench serve`: virtual instruments that live on when a program that used them dies."""

from collections.abc import Mapping
from contextlib import suppress

from crossbar.cli.options import BenchOption, SeedOption
from crossbar.cli.output import console


def serve(bench: BenchOption = "virtual", seed: SeedOption = None) -> None:
    """Keep the instruments of a virtual bench in this process, until Ctrl-C.

    The bench file names its socket: host = "bench.sock". Other commands with the same bench file
    then use the instruments as they were left, even by a program that was killed.
    """
    from crossbar.bench import load
    from crossbar.bench_instruments import served

    with suppress(KeyboardInterrupt):
        served(load(bench), seed, _tell)
    console.print("ended; nothing of it is left")


def _tell(socket: str, ports: Mapping[str, str]) -> None:
    console.print(f"serving at {socket}; Ctrl-C ends it", markup=False, soft_wrap=True)
    for name, port in ports.items():
        console.print(f"  {name}: {port}", markup=False, soft_wrap=True)
