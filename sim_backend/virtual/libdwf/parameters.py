"""Set, Get and Info functions, of which libdwf has some hundred, all alike."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.memory import write
from sim_backend.virtual.libdwf.signatures import prototypes

_NAMES = frozenset(each.name for each in prototypes())

Function = Callable[..., None]
Functions = dict[str, Function]


def bit_set(values: Iterable[int]) -> int:
    """Return the set as libdwf's Info functions give it: bit k for value k."""
    mask = 0
    for value in values:
        mask |= 1 << value
    return mask


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that can be set, asked for, and whose range can be asked for.

    Parameters
    ----------
    name
        ``FDwf`` + name + ``Set``, ``Get`` and ``Info`` are its functions.
    attribute
        Where the instrument keeps it.
    limits
        What Set lets through; beyond, libdwf takes the nearest.
    choices
        What Set accepts; another value is an invalid parameter.
    info
        What Info writes, if there is such a function; a range if empty and there are limits.
    """

    name: str
    attribute: str
    limits: tuple[float, float] | None = None
    choices: Sequence[int] | None = None
    info: tuple[float, ...] | None = None

    def accept(self, value: Any, position: int) -> Any:
        """Return what a Set keeps of `value`.

        Raises
        ------
        Failure
            If it is not one of the choices.
        """
        if self.choices is not None and value not in self.choices:
            raise invalid(position, f"{self.name}: {value} is not one of {list(self.choices)}")
        if self.limits is not None:
            low, high = self.limits
            if not value == value:
                raise invalid(position, f"{self.name}: not a number")
            return min(max(value, type(value)(low)), type(value)(high))
        return value


def functions(
    parameters: Iterable[Parameter],
    target: Callable[..., Sequence[Any]],
    changed: Callable[..., None],
) -> Functions:
    """Return the functions of `parameters`.

    Parameters
    ----------
    parameters
        What there is to set.
    target
        Takes the arguments before the value (channel, node); returns the objects that are meant.
    changed
        Called after a Set, with the same arguments.
    """
    made: Functions = {}
    for parameter in parameters:
        made[f"FDwf{parameter.name}Set"] = _setter(parameter, target, changed)
        made[f"FDwf{parameter.name}Get"] = _getter(parameter, target)
        info = parameter.info
        if info is None and parameter.limits is not None:
            info = parameter.limits
        if info is None and parameter.choices is not None:
            info = (bit_set(parameter.choices),)
        if info is not None and f"FDwf{parameter.name}Info" in _NAMES:
            made[f"FDwf{parameter.name}Info"] = constants(*info)
    return made


def constants(*values: float) -> Function:
    """Return a function that writes `values` to its last arguments, whatever comes before."""

    def told(*arguments: Any) -> None:
        for pointer, value in zip(arguments[-len(values) :], values, strict=True):
            write(pointer, value)

    return told


def named(instrument: object) -> Functions:
    """Return the methods of an instrument that are named like functions of libdwf."""
    return {name: getattr(instrument, name) for name in dir(instrument) if name.startswith("FDwf")}


def _setter(
    parameter: Parameter, target: Callable[..., Sequence[Any]], changed: Callable[..., None]
) -> Function:
    attribute = parameter.attribute

    def set_value(*arguments: Any) -> None:
        selectors = arguments[:-1]
        objects = target(*selectors)
        value = parameter.accept(arguments[-1], len(arguments))
        for each in objects:
            setattr(each, attribute, value)
        changed(*selectors)

    return set_value


def _getter(parameter: Parameter, target: Callable[..., Sequence[Any]]) -> Function:
    attribute = parameter.attribute

    def get_value(*arguments: Any) -> None:
        write(arguments[-1], getattr(target(*arguments[:-1])[0], attribute))

    return get_value
