"""What a profile takes of the figures of merit: the closed forms, and a device's numbers."""

from typing import Any

from crossbar.backend import DataError
from crossbar.merit.usability import FORMS


def usability_by(form: str, rho: float, sigma: float) -> float:
    """Return a usability by the form of a name.

    Raises
    ------
    DataError
        If there is no such form.
    """
    return float(_form(form).usability(rho, sigma))


def sigma_by(form: str, usability: float, rho: float) -> float:
    """Return the sigma that gives a usability at some rho.

    Raises
    ------
    DataError
        If there is no such form, or no such sigma.
    """
    # A logarithm of 1 can be -0.0, which nobody wants to read.
    return float(_form(form).sigma(usability, rho)) + 0.0


def _form(name: str) -> Any:
    if name not in FORMS:
        raise DataError(f"form {name!r} is unknown; known are {', '.join(FORMS)}")
    return FORMS[name]
