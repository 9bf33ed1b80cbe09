"""From the tables of a bench file to the settings of its kind, checked to the last key."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeVar

from crossbar.backend import BenchError, Ohm, Second
from crossbar.bench_file import Description, take
from crossbar.tables import build

if TYPE_CHECKING:
    from instruments.settings import HardwareSettings
    from sim_backend import SimulationSettings
    from sim_backend.devices.device import DeviceModel
    from sim_backend.virtual.bench import VirtualSettings

T = TypeVar("T")


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


def simulation_settings(description: Description, seed: int | None) -> "SimulationSettings":
    """Return the settings of a simulated bench, the file's seed replaced by another if given."""
    from sim_backend.converters import Adc, Dac, Tia
    from sim_backend.settings import SimulationSettings

    where = f"bench {description.name}"
    tables = dict(description.tables)
    device = _device(tables, where)

    def part(cls: type[T], name: str) -> T:
        return build(cls, _exact(take(tables, name, where)), f"{where}, [{name}]")

    dac, tia, adc = part(Dac, "dac"), part(Tia, "tia"), part(Adc, "adc")
    top = build(_Sim, tables, where)
    with _named(where):
        return SimulationSettings(
            **asdict(top.array),
            device=device,
            dac=dac,
            tia=tia,
            adc=adc,
            limits=description.limits,
            seed=top.seed if seed is None else seed,
        )


def _exact(table: dict[str, object]) -> dict[str, object]:
    """Return a converter's table with ``bits = "exact"`` as None: TOML has no word for it."""
    return {k: None if (k, v) == ("bits", "exact") else v for k, v in table.items()}


def _device(tables: dict[str, object], where: str) -> "DeviceModel":
    """Take the table ``[device]`` and return the model that it describes."""
    from sim_backend.devices import DEVICES

    constants = take(tables, "device", where)
    model = constants.pop("model", None)
    if model not in DEVICES:
        raise BenchError(f"{where}: device.model = {model!r} is not one of {', '.join(DEVICES)}")
    return build(DEVICES[str(model)], constants, f"{where}, [device]")


def hardware_settings(description: Description) -> "HardwareSettings":
    """Return the settings of a bench of instruments."""
    from instruments.settings import WIRING_TABLES, HardwareSettings

    where = f"bench {description.name}"
    tables = dict(description.tables)
    wiring = take(tables, "wiring", where)
    kind = wiring.get("kind")
    if kind not in WIRING_TABLES:
        raise BenchError(
            f"{where}: wiring.kind = {kind!r} is not one of {', '.join(WIRING_TABLES)}"
        )
    given = {
        "limits": description.limits,
        "wiring": build(WIRING_TABLES[str(kind)], wiring, f"{where}, [wiring]"),
    }
    return build(HardwareSettings, tables, where, given)


def virtual_settings(description: Description, seed: int | None) -> "VirtualSettings":
    """Return the settings of a virtual bench, the file's seed replaced by another if given."""
    from sim_backend.converters import Tia
    from sim_backend.settings import SimulationSettings
    from sim_backend.virtual.bench import VirtualSettings

    where = f"bench {description.name}"
    tables = dict(description.tables)
    device = _device(tables, where)
    tia = build(Tia, take(tables, "tia", where), f"{where}, [tia]")
    lines = build(_Lines, take(tables, "array", where), f"{where}, [array]")
    own = tables.pop("seed", 0)
    if not isinstance(own, int):
        raise BenchError(f"{where}: seed = {own!r} is not a whole number")
    with _named(where):
        simulation = SimulationSettings(
            **asdict(lines),
            device=device,
            tia=tia,
            limits=description.limits,
            seed=own if seed is None else seed,
        )
    return build(VirtualSettings, tables, where, {"simulation": simulation})


@dataclass(frozen=True, slots=True)
class _Lines:
    """The table ``[array]`` of a virtual bench; schemes are the wiring's."""

    word_lines: int
    bit_lines: int
    line_resistance: Ohm


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Put the file's name before errors that do not know it."""
    try:
        yield
    except BenchError as problem:
        text = str(problem)
        raise BenchError(text if text.startswith(where) else f"{where}: {text}") from problem
