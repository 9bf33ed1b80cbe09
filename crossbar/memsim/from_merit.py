"""What a profile takes of the figures of merit: the closed forms, and a device's numbers."""

from dataclasses import fields
from typing import Any

from crossbar.backend import DataError
from crossbar.merit.device import Merit
from crossbar.merit.usability import FORMS, Form


def numbers_of(found: Merit) -> dict[str, Any]:
    """Return the fields of a profile from a device's figures of merit.

    Raises
    ------
    DataError
        If they have no spread: then nobody knows what the device does to a weight.
    """
    if found.spread is None:
        why = found.notes[-1] if found.notes else "too few cycles"
        raise DataError(f"{found.device} has no spread, and so no profile: {why}")
    settings, segment = found.settings, found.lcis
    steps = "voltages" if found.driven == "voltage" else "SET pulses"
    doubt = () if found.kind.name == "memristive" else (f"{found.kind.name}: {found.kind.reason}",)
    return {
        "name": found.device,
        "curve": tuple(found.mean.tolist()),
        "k0": segment.start,
        "k1": segment.end,
        "length": segment.length,
        "l_min": settings.l_min,
        "rho": found.rho,
        "sigma": found.spread.sigma,
        "sigma_ub": found.spread.bound,
        "form": settings.form,
        "normalised": found.normalised,
        "source": found.origin.source,
        "convention": f"measured: {found.cycles} cycles at {found.points} {steps}, their mean",
        "choices": tuple(
            f"{field.name} = {getattr(settings, field.name)}" for field in fields(settings)
        ),
        "notes": (*doubt, *found.notes),
    }


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


def _form(name: str) -> Form:
    if name not in FORMS:
        raise DataError(f"form {name!r} is unknown; known are {', '.join(FORMS)}")
    return FORMS[name]
