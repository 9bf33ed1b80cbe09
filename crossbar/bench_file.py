"""Reading a bench file, as far as it says the same on every kind of bench."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from crossbar.backend import BenchError, Limits
from crossbar.programming import POLICIES, Pulses, WriteVerify
from crossbar.programming.metrics import Metrics
from crossbar.programming.one_shot import BUILT_IN
from crossbar.tables import build

BENCHES: Mapping[str, str] = MappingProxyType(
    {
        "sim": "perovskite-nanowire array of 10x10, simulated, with the faults of a real one",
        "ideal": "the same without any fault: linear, exact, noiseless",
        "sim-32": "the array of sim as 32x32: for more hidden units, and several cells per weight",
        "sim-rram": "an array that relaxes and reads as 2,800 measured writes to oxide cells did",
        "virtual": "the same array behind our drivers and virtual instruments (virtual-parallel)",
        "virtual-parallel": "a DAC on every word line, an amplifier on every bit line, 8:1 muxes",
        "virtual-switched": "one cell at a time through changeover switches, unselected on rails",
        "virtual-mux": "one cell at a time through two 16:1 muxes, unselected lines floating",
        "lab-parallel": "a real bench wired so: an example to copy and change, never run",
        "lab-switched": "likewise",
        "lab-mux": "likewise",
    }
)
"""Benches that come with the program; each is ``benches/<name>.toml``."""

ALIASES: Mapping[str, str] = MappingProxyType({"virtual": "virtual-parallel"})
"""Names in `BENCHES` that stand for another."""


KINDS = ("sim", "virtual", "hardware")
"""What a bench file may say it is."""


@dataclass(frozen=True, slots=True)
class Programming:
    """The table ``[programming]`` of a bench file: the cell that is wanted, and the pulses.

    What is measured around a programming is ``[programming.metrics]``, which may be left out.
    """

    cell: WriteVerify
    policy: str
    pulses: Pulses
    metrics: Metrics = field(default_factory=Metrics)


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
    rehearsed
        The real bench that a virtual one stands in for; None for the other kinds.
    path
        Of the file, which is no part of what the bench is; None if it comes with the program.
    """

    name: str
    kind: str
    tables: Mapping[str, object]
    limits: Limits
    programming: Programming
    text: str
    memory: Path | None = None
    rehearsed: "Description | None" = None
    path: Path | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class BenchFile:
    """A bench file that was read, its own tables not looked at yet.

    Parameters
    ----------
    name
        As asked for: a name in `BENCHES`, or the file's stem.
    kind
        What it says it is.
    tables
        All tables that were not taken from it.
    text
        The file itself.
    folder
        Where its relative paths start from.
    path
        Of the file; None if it comes with the program.
    """

    name: str
    kind: str
    tables: dict[str, object]
    text: str
    folder: Path
    path: Path | None

    @property
    def where(self) -> str:
        """The file's name for an error."""
        return f"bench {self.name}"

    def limits(self) -> Limits:
        """Take the table ``[limits]``, which has to be there.

        Raises
        ------
        BenchError
            If it is missing, or wrong in any key.
        """
        table = take(self.tables, "limits", self.where)
        return build(Limits, table, f"{self.where}, [limits]")

    def programming(self) -> Programming:
        """Take the table ``[programming]``; only the chosen policy's own table may be in it.

        Raises
        ------
        BenchError
            If it is missing, or wrong in any key.
        """
        where = self.where
        wanted = take(self.tables, "programming", where)
        policy = str(wanted.pop("policy", None))
        if policy not in POLICIES:
            raise BenchError(
                f"{where}: programming.policy = {policy!r} is not one of {', '.join(POLICIES)}"
            )
        pulses = take(wanted, policy, f"{where}, [programming]")
        predictor = pulses.get("predictor")
        if isinstance(predictor, str) and predictor not in BUILT_IN:
            pulses["predictor"] = str(self.folder / predictor)
        metrics = take(wanted, "metrics", where) if "metrics" in wanted else {}
        return Programming(
            cell=build(WriteVerify, wanted, f"{where}, [programming]"),
            policy=policy,
            pulses=build(POLICIES[policy], pulses, f"{where}, [programming.{policy}]"),
            metrics=build(Metrics, metrics, f"{where}, [programming.metrics]"),
        )


def read_bench_file(spec: str, folder: Path) -> BenchFile:
    """Return a bench file that is TOML and of a kind that exists.

    Parameters
    ----------
    spec
        A name in `BENCHES`, or the path of a TOML file.
    folder
        Where a relative path starts from.

    Raises
    ------
    BenchError
        If there is no such bench, it cannot be read, is not TOML, or of no known kind.
    """
    name, text, path = _text(spec, folder)
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
    own = Path() if path is None else path.parent
    return BenchFile(name, str(kind), table, text, own, path)


def take(table: dict[str, object], key: str, where: str) -> dict[str, object]:
    """Remove and return a table of a bench file; it has to be there.

    Raises
    ------
    BenchError
        If it is missing, or no table.
    """
    if key not in table:
        raise BenchError(f"{where}: missing table [{key}]{_hint(key, table)}")
    taken = table.pop(key)
    if not isinstance(taken, dict):
        raise BenchError(f"{where}: {key} is a table, not {taken!r}")
    return dict(taken)


def _text(spec: str, folder: Path) -> tuple[str, str, Path | None]:
    """Return the name and the text of a bench file, and where it is if it is not one of ours."""
    if spec in BENCHES:
        file = resources.files("crossbar") / "benches" / f"{ALIASES.get(spec, spec)}.toml"
        return spec, file.read_text("utf-8"), None
    path = folder / spec
    try:
        return path.stem, path.read_text(encoding="utf-8"), path
    except FileNotFoundError as problem:
        raise BenchError(
            f"bench {spec!r} is neither a file nor one of {', '.join(BENCHES)}"
        ) from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise BenchError(f"bench {spec}: cannot be read: {problem}") from problem


def _hint(key: str, table: Mapping[str, object]) -> str:
    """Return a question about the key that was probably meant to be the missing one."""
    close = get_close_matches(key, table, n=1)
    return f"; did you mean it by {close[0]!r}?" if close else ""
