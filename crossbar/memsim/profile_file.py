"""A device profile as a file that a person can read: TOML, with units and comments."""

import json
import math
import os
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from crossbar.backend import BenchError, DataError
from crossbar.tables import build

if TYPE_CHECKING:
    from crossbar.memsim.profile import DeviceProfile

P = TypeVar("P", bound="DeviceProfile")

COMMENTS: Mapping[str, str] = {
    "name": "A device as networks see it (crossbar.memsim).",
    "convention": "A measurement, or what was assumed in place of one.",
    "form": "What the device is worth, 0 to 1, and the closed form that says so. The paper's own "
    "could not be recovered: the number means nothing without the form's name.",
    "rho": "Non-monotonic factor; 0 is ideal, and is reached with l_min points in order.",
    "sigma": "Standard deviation of ln(G / mean G) over the cycles: the estimate, and the upper "
    "95 % bound with which networks are perturbed.",
    "l_min": "Levels wanted, and how many points in order the operative segment has.",
    "k0": "First and last point of the operative segment, counted from 0.",
    "curve": "Mean conductance at each step of the positive branch, {unit}.",
}
"""What is said of a key, above it."""

ORDER = (
    ("name", "source", "convention", "choices", "notes"),
    ("form",),
    ("rho", "l_min", "length"),
    ("sigma", "sigma_ub"),
    ("k0", "k1"),
    ("normalised", "curve"),
)
"""Keys in groups, as they are written."""

DERIVED = "usability"
"""Written for people, checked when read: it follows from the other numbers."""

_SLACK = 1e-3
"""Relative difference that a usability typed with three digits may have."""


def write_profile(profile: "DeviceProfile", path: Path) -> None:
    """Write a profile to a TOML file, whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # Names of files need not be Unicode; TOML is.
        partial.write_bytes(profile_text(profile).encode("utf-8", "replace"))
        partial.replace(path)
    except OSError as problem:
        partial.unlink(missing_ok=True)
        raise DataError(f"profile {path} cannot be written: {problem}") from problem


def read_profile(cls: type[P], path: Path) -> P:
    """Return the profile in a TOML file.

    Raises
    ------
    DataError
        If the file cannot be read or is not a profile, naming the key.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise DataError(f"profile {path} cannot be read: {problem.strerror}") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise DataError(f"{path} is not TOML: {problem}") from problem
    stated = table.pop(DERIVED, None)
    try:
        profile = build(cls, table, str(path))
    except BenchError as problem:
        raise DataError(str(problem)) from problem
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from problem
    if stated is not None:
        _check_usability(profile, stated, path)
    return profile


def profile_text(profile: "DeviceProfile") -> str:
    """Return the TOML of a profile, comments included."""
    unit = "in units that nobody stated" if profile.normalised else "S"
    lines: list[str] = []
    for group in ORDER:
        for key in group:
            if key in COMMENTS:
                comment = COMMENTS[key].format(unit=unit)
                lines += [
                    "",
                    *textwrap.wrap(comment, 88, initial_indent="# ", subsequent_indent="# "),
                ]
            if key == "form":
                lines.append(f"{DERIVED} = {profile.usability()!r}")
            lines.append(f"{key} = {_value(getattr(profile, key))}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _value(value: object) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, tuple):
        return _array(value)
    if isinstance(value, str):
        # TOML's strings are JSON's, but for one control character that JSON lets pass.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    # repr gives the digits that a number needs to come back the same.
    return repr(float(value)) if isinstance(value, float) else str(value)


def _array(values: tuple[object, ...]) -> str:
    parts = [_value(value) for value in values]
    if not parts:
        return "[]"
    if isinstance(values[0], str):
        return "[\n" + "".join(f"  {part},\n" for part in parts) + "]"
    rows = [", ".join(parts[k : k + 4]) for k in range(0, len(parts), 4)]
    return "[\n" + "".join(f"  {row},\n" for row in rows) + "]"


def _check_usability(profile: "DeviceProfile", stated: object, path: Path) -> None:
    found = profile.usability()
    is_number = isinstance(stated, int | float) and not isinstance(stated, bool)
    if not (is_number and math.isclose(stated, found, rel_tol=_SLACK, abs_tol=_SLACK)):  # type: ignore[arg-type]  # a number here
        raise DataError(
            f"{path}: usability = {stated}, but {profile.form} gives {found:.4g} for rho = "
            f"{profile.rho:g} and sigma_ub = {profile.sigma_ub:g}; correct one, or leave it out"
        )
