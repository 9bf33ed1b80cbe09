"""Benches of instruments, real or virtual: opened, checked, calibrated and served."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from crossbar.backend import Backend, BenchError, Checkup
from crossbar.bench_file import Description
from crossbar.bench_settings import hardware_settings, virtual_settings
from crossbar.exposure import received
from crossbar.guardian import Guard, guarded
from crossbar.one_owner import free, held, holder, watched

if TYPE_CHECKING:
    from instruments.backend import HardwareBackend
    from instruments.settings import HardwareSettings
    from sim_backend.virtual.bench import VirtualBench
    from sim_backend.virtual.visit import VisitedBench

LOG = logging.getLogger("crossbar.bench")


@contextmanager
def opened_instruments(
    description: Description, seed: int | None
) -> Iterator[tuple["HardwareBackend", int | None, Mapping[str, object]]]:
    """Open the instruments of a bench; those of a virtual one do not exist.

    A real bench has no seed: chance is nature's. Instruments that outlive this process, as real
    ones do, have one owner at a time, and a guardian that makes them safe if this process dies.

    Raises
    ------
    BenchError
        If the bench is a simulation, or somebody else uses an instrument of it.
    InstrumentError
        If an instrument cannot be opened; all that were are safe again then.
    """
    if description.kind == "sim":
        raise BenchError(f"bench {description.name} is a simulation: it has no instruments")
    instruments = instruments_of(description)
    if not instruments:
        with _opened(description, seed) as (backend, used, made):
            yield backend, used, made
        return
    with ExitStack() as locks:
        locks.enter_context(held(instruments))
        with guarded(description, seed, locks.close) as guard:
            watched(instruments, guard.pid)
            with _opened(description, seed, guard) as (backend, used, made):
                yield backend, used, {**made, "guardian": guard.pid}


def make_safe(description: Description, seed: int | None) -> None:
    """Turn off the instruments of a bench that somebody has left as they were.

    Raises
    ------
    InstrumentError
        If one could not be turned off.
    """
    with _made(description, seed) as (backend, _):
        backend.make_safe()


def status(description: Description) -> list[dict[str, object]]:
    """Return who has each instrument of a bench now, as plain values.

    Nothing is opened: an instrument that somebody else's program uses is not known to be used.
    """
    found: list[dict[str, object]] = []
    for name in instruments_of(description):
        used = not free(name)
        by = holder(name) if used else None
        found.append({"instrument": name, "in_use": used, "by": None if by is None else asdict(by)})
    return found


def spent(description: Description) -> dict[str, object] | None:
    """Return what a real array's cells have received, as plain values; None if nothing is known."""
    if description.rehearsed is not None or description.kind != "hardware":
        return None
    shape, limits = hardware_settings(description).array.shape, description.limits
    found = received(array_of(description), shape)
    if found is None:
        return None
    most, strained = (int(np.argmax(values)) for values in (found.pulses, found.stress))
    return {
        "array": found.array,
        "cells": int(np.count_nonzero(found.pulses + found.stress)),
        "most_pulses": int(found.pulses.flat[most]),
        "most_pulses_cell": [int(n) for n in divmod(most, shape[1])],
        "limit_pulses": limits.pulses,
        "most_stress": float(found.stress.flat[strained]),
        "most_stress_cell": [int(n) for n in divmod(strained, shape[1])],
        "limit_stress": limits.stress,
    }


def prepare(description: Description) -> None:
    """Import and make all that opening this bench takes, without opening it."""
    from instruments.backend import HardwareBackend

    rehearsed = description.rehearsed
    if rehearsed is None:
        HardwareBackend(hardware_settings(description))
        return
    from sim_backend.virtual.visit import VisitedBench

    VisitedBench(virtual_settings(description, None))
    HardwareBackend(hardware_settings(rehearsed))


def array_of(description: Description) -> str:
    """Return the name of the array of a real bench."""
    return hardware_settings(description).array.name or f"the array of bench {description.name}"


def instruments_of(description: Description) -> list[str]:
    """Return the names of a bench's instruments, the same in every file that names them alike.

    A file that leaves the serial number of the Analog Discovery 2 out and one that has it name the
    same device differently; there libdwf itself refuses the second program.

    Those of a virtual bench in this very process are nobody else's, and have none.
    """
    if description.rehearsed is not None:
        host = virtual_settings(description, None).host
        return [] if host is None else [f"virtual bench {host}"]
    settings = hardware_settings(description)
    names = [f"Analog Discovery {settings.ad2.serial or '(the only one)'}"]
    if settings.keithley is not None:
        names.append(f"{settings.keithley.model} at {settings.keithley.resource}")
    if settings.switch_board is not None:
        names.append(f"switch board at {settings.switch_board.port}")
    return names


@contextmanager
def _opened(
    description: Description, seed: int | None, guard: Guard | None = None
) -> Iterator[tuple["HardwareBackend", int | None, Mapping[str, object]]]:
    """Open a bench of instruments, watched over if there is a guard."""
    with _made(description, seed) as (backend, virtual):
        if guard is not None:
            guard.watch(backend)
        with backend:
            _warn(description, backend)
            if virtual is None:
                yield backend, None, {"array": array_of(description)}
                return
            chosen = virtual.settings.simulation.seed
            made = {"kind": "virtual", "seed": chosen, "virtual": virtual.describe()}
            if virtual.array is not None:
                made["array"] = virtual.array
            yield backend, chosen, made


@contextmanager
def _made(
    description: Description, seed: int | None
) -> Iterator[tuple["HardwareBackend", "VirtualBench | VisitedBench | None"]]:
    """Make a bench of instruments and, if it is virtual, what they are; nothing is opened."""
    from instruments.backend import HardwareBackend

    if description.rehearsed is None:
        yield HardwareBackend(hardware_settings(description)), None
        return
    from sim_backend.virtual.bench import VirtualBench
    from sim_backend.virtual.visit import VisitedBench

    settings = virtual_settings(description, seed)
    drivers = hardware_settings(description.rehearsed)
    virtual: VirtualBench | VisitedBench = (
        VirtualBench(settings) if settings.host is None else VisitedBench(settings)
    )
    with virtual:
        drivers = plugged(drivers, virtual.ports)
        yield HardwareBackend(drivers, timer=virtual.clock), virtual


def plugged(drivers: "HardwareSettings", ports: Mapping[str, str]) -> "HardwareSettings":
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
