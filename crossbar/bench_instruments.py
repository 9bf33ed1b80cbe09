"""Benches of instruments, real or virtual: opened, checked, calibrated and served."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from crossbar.backend import Backend, BenchError, Checkup
from crossbar.bench_file import Description
from crossbar.bench_settings import hardware_settings, virtual_settings

if TYPE_CHECKING:
    from instruments.backend import HardwareBackend
    from instruments.settings import HardwareSettings

LOG = logging.getLogger("crossbar.bench")


@contextmanager
def opened_instruments(
    description: Description, seed: int | None
) -> Iterator[tuple["HardwareBackend", int | None, Mapping[str, object]]]:
    """Open the instruments of a bench; those of a virtual one do not exist.

    A real bench has no seed: chance is nature's.
    """
    if description.kind == "sim":
        raise BenchError(f"bench {description.name} is a simulation: it has no instruments")
    from instruments.backend import HardwareBackend

    if description.rehearsed is None:
        with HardwareBackend(hardware_settings(description)) as backend:
            _warn(description, backend)
            yield backend, None, {}
        return
    from sim_backend.virtual.bench import VirtualBench
    from sim_backend.virtual.visit import VisitedBench

    settings = virtual_settings(description, seed)
    drivers = hardware_settings(description.rehearsed)
    with ExitStack() as stack:
        virtual: VirtualBench | VisitedBench = (
            VirtualBench(settings) if settings.host is None else VisitedBench(settings)
        )
        stack.enter_context(virtual)
        drivers = _plugged(drivers, virtual.ports)
        backend = stack.enter_context(HardwareBackend(drivers, timer=virtual.clock))
        _warn(description, backend)
        chosen = settings.simulation.seed
        yield backend, chosen, {"kind": "virtual", "seed": chosen, "virtual": virtual.describe()}


def _plugged(drivers: "HardwareSettings", ports: Mapping[str, str]) -> "HardwareSettings":
    """Return the settings with the names that virtual ports got; all else is as in the file."""
    board, meter = drivers.switch_board, drivers.keithley
    if board is not None and "switch_board" in ports:
        drivers = replace(drivers, switch_board=replace(board, port=ports["switch_board"]))
    if meter is not None and "keithley" in ports:
        drivers = replace(drivers, keithley=replace(meter, resource=ports["keithley"]))
    return drivers


def _warn(description: Description, backend: Backend) -> None:
    """Say what the wiring has against itself, before anything is driven."""
    if warning := backend.describe().get("warning"):
        LOG.warning("bench %s: %s", description.name, warning)


def checked(
    description: Description, seed: int | None, progress: Callable[[str, int, int], None]
) -> tuple[Checkup, dict[str, object]]:
    """Return what a bench of instruments finds out about itself, and what made it.

    Raises
    ------
    BenchError
        If the bench has no instruments.
    InstrumentError
        If an instrument cannot be opened, or fails.
    """
    voltage = description.programming.cell.read_voltage
    with opened_instruments(description, seed) as (backend, used, made):
        checkup = backend.check(voltage, progress)
        return checkup, _facts(description, backend, used, made)


def calibrated(
    description: Description, seed: int | None, repeats: int
) -> tuple[dict[str, list[float]], dict[str, object]]:
    """Return the table ``[calibration]`` of a bench of instruments, and what made it.

    Raises
    ------
    BenchError, InstrumentError
        As `checked`; also if the bench has no reference resistor, or a gain is not credible.
    """
    with opened_instruments(description, seed) as (backend, used, made):
        return dict(backend.calibrate(repeats)), _facts(description, backend, used, made)


def emulate_program(
    path: Path, arguments: Sequence[str], *, wiring: str, keithley: str, wall: bool, seed: int
) -> NoReturn:
    """Run somebody's own program on virtual instruments, and end this process as it ends.

    Parameters
    ----------
    path, arguments
        Of the program.
    wiring, keithley, wall, seed
        As for `sim_backend.virtual.plugged.Plugged`.

    Raises
    ------
    BenchError
        If there is no such program, wiring or source meter.
    SystemExit
        As the program ends.
    """
    from sim_backend.virtual.emulate import emulate
    from sim_backend.virtual.plugged import Plugged

    emulate(path, arguments, Plugged(wiring, keithley=keithley, wall=wall, seed=seed))


def served(
    description: Description, seed: int | None, tell: Callable[[str, Mapping[str, str]], None]
) -> None:
    """Keep the instruments of a virtual bench in this process, for others, until interrupted.

    What a program that died left on stays on, until another one opens the instruments.

    Parameters
    ----------
    tell
        Called once, when programs may come: the socket, and where other instruments answer.

    Raises
    ------
    BenchError
        If the bench is not virtual, does not name a ``host``, or is served already.
    KeyboardInterrupt
        When it is told to end; the socket is gone by then.
    """
    if description.rehearsed is None:
        raise BenchError(
            f"bench {description.name} is of kind {description.kind!r}; only the instruments of "
            "a virtual one can be served"
        )
    from sim_backend.virtual.bench import VirtualBench
    from sim_backend.virtual.serving import serve

    settings = virtual_settings(description, seed)
    if settings.host is None:
        raise BenchError(
            f'bench {description.name} does not say where: a line like host = "bench.sock" is '
            "missing at the top of its file"
        )
    serve(VirtualBench(settings), Path(settings.host), tell)


def _facts(
    description: Description, backend: Backend, seed: int | None, made: Mapping[str, object]
) -> dict[str, object]:
    return {"bench": {**backend.describe(), **made, "name": description.name}, "seed": seed}
