"""Benches by name or by file; the only module that names concrete backends."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from crossbar.backend import Backend, BenchError, Limits, Ohm, Second
from crossbar.crossbar import Crossbar
from crossbar.guard import Guarded
from crossbar.programming import POLICIES, Pulses, WriteVerify
from crossbar.tables import build

if TYPE_CHECKING:
    from sim_backend import SimulatedBackend, SimulationSettings

T = TypeVar("T")

BENCHES: Mapping[str, str] = MappingProxyType(
    {
        "sim": "perovskite-nanowire array of 10x10, simulated, with the faults of a real one",
        "ideal": "the same without any fault: linear, exact, noiseless",
    }
)
"""Benches that come with the program; each is ``benches/<name>.toml``."""

KINDS = ("sim",)
"""What a bench file may say it is; real and virtual instruments have no drivers yet."""


@dataclass(frozen=True, slots=True)
class Programming:
    """The table ``[programming]`` of a bench file: the cell that is wanted, and the pulses."""

    cell: WriteVerify
    policy: str
    pulses: Pulses


@dataclass(frozen=True, slots=True)
class Description:
    """A bench file that was read and checked, before anything is opened.

    Parameters
    ----------
    name
        As asked for: a name in `BENCHES`, or the file's stem.
    kind
        One of `KINDS`.
    tables
        The tables that belong to the kind.
    limits
        What may be asked of the bench.
    programming
        What a programmed cell is.
    text
        The file itself.
    memory
        File in which a simulated array is kept between programs; None makes a fresh one each time.
    """

    name: str
    kind: str
    tables: Mapping[str, object]
    limits: Limits
    programming: Programming
    text: str
    memory: Path | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """An open bench.

    Parameters
    ----------
    name, kind
        As in its description.
    backend
        Guarded by the bench's limits.
    programming
        What a programmed cell is.
    seed
        Of the simulation; None where chance is nature's.
    memory
        File in which a simulated array is kept; None where it is fresh, or real.
    """

    name: str
    kind: str
    backend: Backend
    programming: Programming
    seed: int | None
    memory: Path | None = None

    def crossbar(self, mapping: str = "differential") -> Crossbar:
        """Return a crossbar on this bench, with the bench's own programming settings."""
        return Crossbar(
            self.backend, self.programming.cell, self.programming.pulses, mapping=mapping
        )

    def describe(self) -> dict[str, object]:
        """Return what made the numbers: name, limits and whatever the backend says of itself."""
        memory = None if self.memory is None else str(self.memory)
        return {**self.backend.describe(), "name": self.name, "memory": memory}


def load(spec: str) -> Description:
    """Return the description of a bench, checked to the last key.

    Parameters
    ----------
    spec
        A name in `BENCHES`, or the path of a TOML file.

    Raises
    ------
    BenchError
        If there is no such bench, or the file is not a complete and correct description.
    """
    name, text, folder = _text(spec)
    where = f"bench {name}"
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise BenchError(f"{where}: not TOML: {problem}") from problem
    if "kind" not in table:
        raise BenchError(f"{where}: missing key 'kind'{_hint('kind', table)}")
    kind = table.pop("kind")
    if kind not in KINDS:
        raise BenchError(f"{where}: kind = {kind!r} is not one of {', '.join(KINDS)}")
    limits = build(Limits, _take(table, "limits", where), f"{where}, [limits]")
    programming = _programming(_take(table, "programming", where), where)
    description = Description(name, kind, table, limits, programming, text)
    _simulation(description, None)  # so that every key is checked before anything is opened
    memory = table.get("memory")
    return description if memory is None else remembering(description, folder / str(memory))


def remembering(description: Description, memory: Path) -> Description:
    """Return the description of the same simulated bench with its array kept in this file.

    Raises
    ------
    BenchError
        If the bench is not a simulation: a real array keeps its own state.
    """
    if description.kind != "sim":
        raise BenchError(
            f"bench {description.name} is of kind {description.kind!r} and keeps its own array; "
            f"only a simulated one is kept in a file ({memory})"
        )
    return replace(description, memory=memory)


@contextmanager
def open_bench(bench: Description | str, *, seed: int | None = None) -> Iterator[Bench]:
    """Open a bench, guarded by its limits; leaving the block leaves every line at 0 V.

    A simulated array with a memory goes on from its file, and is saved however the block is left.

    Parameters
    ----------
    bench
        A description, or what `load` takes.
    seed
        Of a simulation, instead of the one in its description.

    Raises
    ------
    BenchError
        As `load`; also if the memory of a simulated array cannot be used.
    """
    description = load(bench) if isinstance(bench, str) else bench
    settings = _simulation(description, seed)
    with _simulated(settings, description.memory) as backend:
        yield Bench(
            name=description.name,
            kind=description.kind,
            backend=Guarded(backend, description.limits),
            programming=description.programming,
            seed=settings.seed,
            memory=description.memory,
        )


def _simulated(
    settings: "SimulationSettings", memory: Path | None
) -> AbstractContextManager["SimulatedBackend"]:
    """Return a simulated bench to be entered: a fresh one, or the one in a file."""
    from sim_backend import SimulatedBackend
    from sim_backend.memory import remembered

    return SimulatedBackend(settings) if memory is None else remembered(settings, memory)


def _text(spec: str) -> tuple[str, str, Path]:
    """Return the name and the text of a bench file, and the folder its paths start from."""
    if spec in BENCHES:
        file = resources.files("crossbar") / "benches" / f"{spec}.toml"
        return spec, file.read_text("utf-8"), Path()
    path = Path(spec)
    try:
        return path.stem, path.read_text(encoding="utf-8"), path.parent
    except FileNotFoundError as problem:
        raise BenchError(
            f"bench {spec!r} is neither a file nor one of {', '.join(BENCHES)}"
        ) from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise BenchError(f"bench {spec}: cannot be read: {problem}") from problem


def _take(table: dict[str, object], key: str, where: str) -> dict[str, object]:
    """Remove and return a table of a bench file, which has to be there."""
    if key not in table:
        raise BenchError(f"{where}: missing table [{key}]{_hint(key, table)}")
    taken = table.pop(key)
    if not isinstance(taken, dict):
        raise BenchError(f"{where}: {key} is a table, not {taken!r}")
    return taken


def _hint(key: str, table: Mapping[str, object]) -> str:
    """Return a question about the key that was probably meant to be the missing one."""
    close = get_close_matches(key, table, n=1)
    return f"; did you mean it by {close[0]!r}?" if close else ""


def _programming(table: dict[str, object], where: str) -> Programming:
    """Return what ``[programming]`` says; only the chosen policy's own table may be in it."""
    wanted = dict(table)
    policy = str(wanted.pop("policy", None))
    if policy not in POLICIES:
        raise BenchError(
            f"{where}: programming.policy = {policy!r} is not one of {', '.join(POLICIES)}"
        )
    pulses = _take(wanted, policy, f"{where}, [programming]")
    return Programming(
        cell=build(WriteVerify, wanted, f"{where}, [programming]"),
        policy=policy,
        pulses=build(POLICIES[policy], pulses, f"{where}, [programming.{policy}]"),
    )


@dataclass(frozen=True, slots=True)
class _Array:
    """The table ``[array]`` of a simulated bench; every key is mandatory but the times."""

    word_lines: int
    bit_lines: int
    line_resistance: Ohm
    read_scheme: str
    write_scheme: str
    read_time: Second = 1e-4  # assumed
    dead_time: Second = 1e-5  # assumed


@dataclass(frozen=True, slots=True)
class _Sim:
    """What a simulated bench has at the top of its file."""

    array: _Array
    seed: int = 0
    memory: str | None = None

    def __post_init__(self) -> None:
        if self.memory == "":
            raise BenchError("memory names a file, or is left out")


def _simulation(description: Description, seed: int | None) -> "SimulationSettings":
    """Return the settings of a simulated bench, the file's seed replaced by another if given."""
    from sim_backend.converters import Adc, Dac, Tia
    from sim_backend.devices import DEVICES
    from sim_backend.settings import SimulationSettings

    where = f"bench {description.name}"
    tables = dict(description.tables)
    constants = _take(tables, "device", where)
    model = constants.get("model")
    if model not in DEVICES:
        raise BenchError(f"{where}: device.model = {model!r} is not one of {', '.join(DEVICES)}")
    constants = {key: value for key, value in constants.items() if key != "model"}

    def part(cls: type[T], name: str) -> T:
        return build(cls, _exact(_take(tables, name, where)), f"{where}, [{name}]")

    dac, tia, adc = part(Dac, "dac"), part(Tia, "tia"), part(Adc, "adc")
    top = build(_Sim, tables, where)
    try:
        return SimulationSettings(
            **asdict(top.array),
            device=build(DEVICES[str(model)], constants, f"{where}, [device]"),
            dac=dac,
            tia=tia,
            adc=adc,
            limits=description.limits,
            seed=top.seed if seed is None else seed,
        )
    except BenchError as problem:
        text = str(problem)
        raise BenchError(text if text.startswith(where) else f"{where}: {text}") from problem


def _exact(table: dict[str, object]) -> dict[str, object]:
    """Return a converter's table with ``bits = "exact"`` as None: TOML has no word for it."""
    return {k: None if (k, v) == ("bits", "exact") else v for k, v in table.items()}
