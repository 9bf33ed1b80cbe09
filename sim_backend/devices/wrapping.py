"""Device models that change another: which one, and what the two say together."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from crossbar.backend import BenchError
from sim_backend.devices.device import Device, DeviceModel, State

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

INNER = "of."
"""Before the names of the wrapped cells' arrays in a snapshot."""


def wrapped(of: str, constants: Mapping[str, object] | None) -> DeviceModel:
    """Return the model that is wrapped.

    Parameters
    ----------
    of
        Key of `DEVICES`.
    constants
        Those that differ from its defaults, by name.

    Raises
    ------
    BenchError
        If there is no such model, or it has no such constants.
    """
    from sim_backend.devices import DEVICES  # which names the wrapping models too

    if of not in DEVICES:
        raise BenchError(f"of = {of!r} is not one of {', '.join(DEVICES)}")
    cls: Any = DEVICES[of]
    kinds = {field.name: field.type for field in fields(cls)}
    given = dict(constants or {})
    if unknown := [name for name in given if name not in kinds]:
        raise BenchError(f"{of} has no constant {unknown[0]!r}; it has {', '.join(kinds)}")
    for name, value in given.items():
        default = next(field.default for field in fields(cls) if field.name == name)
        if isinstance(default, float):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise BenchError(f"{of}: {name} = {value!r} is not a number")
            given[name] = float(value)
    model: DeviceModel = cls(**given)
    return model


def snapshot(inner: Device) -> State:
    """Return the wrapped cells' snapshot under names that nothing else has."""
    return {f"{INNER}{name}": values for name, values in inner.snapshot().items()}


def restore(inner: Device, state: State) -> None:
    """Give the wrapped cells back what `snapshot` took."""
    inner.restore({k.removeprefix(INNER): v for k, v in state.items() if k.startswith(INNER)})


def described(
    name: str, model: "DataclassInstance", sources: Mapping[str, str], inner: Device
) -> dict[str, object]:
    """Return what both models say of themselves, the inner one's constants as a table.

    Parameters
    ----------
    name
        Of the wrapping model.
    model
        Its constants, of which ``constants`` are those given to the wrapped one.
    sources
        Where each of its own defaults comes from.
    inner
        The wrapped cells.
    """
    theirs: Any = inner.describe()
    own = {f.name: getattr(model, f.name) for f in fields(model) if f.name != "constants"}
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in own.items()}
    given = [f.name for f in fields(model) if f.name in own and own[f.name] != f.default]
    return {
        "model": name,
        "constants": {**plain, "constants": theirs["constants"]},
        "given": [*given, *theirs["given"]],
        "sources": {
            **theirs["sources"],
            **{key: source for key, source in sources.items() if key not in given},
        },
        "assumed": [
            *(key for key in own if key not in sources and key not in given),
            *theirs["assumed"],
        ],
    }
