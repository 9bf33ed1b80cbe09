"""Units as they are written in headers, and how much of the SI unit each is."""

import re
from collections.abc import Mapping

from crossbar.backend import DataError

_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "k": 1e3}


def _scaled(unit: str, prefixes: str) -> dict[str, float]:
    return {f"{prefix}{unit}": _PREFIXES[prefix] for prefix in ("", *prefixes)}


_CONDUCTANCES = {**_scaled("S", "munp"), "1": 1.0}
UNITS: dict[str, dict[str, float]] = {
    "V": _scaled("V", "munk"),
    "I": _scaled("A", "munpf"),
    "t": {**_scaled("s", "munp"), "min": 60.0, "h": 3600.0},
    "G": _CONDUCTANCES,
    "up": _CONDUCTANCES,
    "down": _CONDUCTANCES,
    "R": {**_scaled("ohm", "mk"), "Mohm": 1e6, "Gohm": 1e9},
    "amplitude": _scaled("V", "munk"),
    "width": _scaled("s", "munp"),
}
"""SI value of each unit that a quantity may be in; ``1`` says that nobody stated one."""

_SPELLED: Mapping[str, str] = {
    "volt": "V",
    "volts": "V",
    "amp": "A",
    "amps": "A",
    "ampere": "A",
    "amperes": "A",
    "sec": "s",
    "second": "s",
    "seconds": "s",
    "siemens": "S",
    "ohms": "ohm",
    "a.u.": "1",
    "arb. units": "1",
    "normalised": "1",
    "normalized": "1",
}
_BESIDE_NUMBER = re.compile(
    r"[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?\s*([fpnuµμmkM]?(?:V|A|s|S|Ohm|ohm|Ω))"
)


def plain(unit: str) -> str:
    """Return a unit as `UNITS` spells it, as far as that is known: ``µA`` is ``uA``."""
    for written, ours in (("µ", "u"), ("μ", "u"), ("Ω", "ohm"), ("Ω", "ohm"), ("Ohm", "ohm")):
        unit = unit.replace(written, ours)
    return _SPELLED.get(unit.lower(), unit).strip()


def known(role: str, unit: str) -> bool:
    """Return whether a quantity may be in this unit."""
    return plain(unit) in UNITS.get(role, {})


def factor(role: str, unit: str, where: str) -> float:
    """Return how much of the SI unit one of this unit is.

    Raises
    ------
    DataError
        If the quantity has no such unit; the sentence begins with `where`.
    """
    units = UNITS[role]
    if plain(unit) not in units:
        raise DataError(f"{where}: {unit!r} is not one of the units {', '.join(units)}")
    return units[plain(unit)]


def beside_number(cell: str) -> str | None:
    """Return the unit of a cell like ``1.5 mV``, None if it holds anything else."""
    found = _BESIDE_NUMBER.fullmatch(cell.strip())
    return None if found is None else found[1]
