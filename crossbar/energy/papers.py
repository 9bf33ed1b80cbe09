"""The arithmetic of two papers' efficiencies: what they print, and what follows from it.

Nothing here is measured by us. A figure says whose it is; those that follow are worked out from
figures that are printed, and can only be checked for consistency: neither paper says enough to
compute its efficiency anew.
"""

from dataclasses import dataclass

from crossbar.backend import Second, Siemens, Volt
from crossbar.energy.array import power_of

GIGA, TERA = 1e9, 1e12

PRINTED, FOLLOWS, OTHER = "printed", "follows", "other source"

BAYESMULTI = 27_548 * GIGA
"""Operations per joule; BayesMulti, arXiv 2412.02779, text on the 10x10 array (unit stripped)."""
TIMES_V100 = 270.0
"""BayesMulti, arXiv 2412.02779, same place."""
V100: dict[str, float] = {
    "FP32": 15.7 * TERA,  # Nvidia, V100 datasheet, SXM2
    "FP16 without tensor cores": 30 * TERA,  # twice 15 of FP32 as announced in 2017; now 31.4
    "FP16 on tensor cores": 125 * TERA,  # Nvidia, V100 datasheet, SXM2
}
"""Peak operations per second."""
V100_POWER = 300.0
"""W; Nvidia, V100 datasheet, SXM2."""
EXAMPLE: tuple[Volt, Siemens, Second] = (0.2, 36e-6, 50e-9)
"""A read that costs what the paper's figure asks for; assumed, since it gives none of the three."""

JOKSAS = (0.715, 381.0)
"""TOPS/W, from and to; Joksas et al., Adv. Sci. 9 (2022) 2105784, abstract."""
JOKSAS_SYNAPSES = 785 * 25 + 26 * 10
"""784-25-10 with biases; joksas/nonideality-aware-mnn-training."""
JOKSAS_READ_TIME: Second = 50e-9
"""s; joksas/nonideality-aware-mnn-training."""
CONDUCTANCES: tuple[Siemens, Siemens] = (3.45e-3, 2.62e-6)
"""G_on of the low- and of the high-resistance devices, S; joksas/..., figures.py."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a paper, or what follows from it.

    Parameters
    ----------
    paper
        Whose figures these are.
    what
        In words.
    value, unit
        The figure.
    kind
        `PRINTED` in the paper, `OTHER` source, or `FOLLOWS` from the others by arithmetic.
    """

    paper: str
    what: str
    value: float
    unit: str
    kind: str


def checks() -> tuple[Figure, ...]:
    """Return every figure, paper by paper, each after what it follows from."""
    return (*_bayesmulti(), *_joksas())


def _bayesmulti() -> list[Figure]:
    name = "BayesMulti, arXiv 2412.02779"
    per_device = 1 / BAYESMULTI
    volt, siemens, second = EXAMPLE
    figures = [
        Figure(name, "efficiency, array only", BAYESMULTI / GIGA, "GOPS/W", PRINTED),
        Figure(name, "times a V100", TIMES_V100, "x", PRINTED),
        Figure(name, "so that V100 has", BAYESMULTI / TIMES_V100 / GIGA, "GOPS/W", FOLLOWS),
    ]
    for what, peak in V100.items():
        each = peak / V100_POWER
        figures += [
            Figure(name, f"V100, {what}, peak/300 W", each / GIGA, "GOPS/W", OTHER),
            Figure(name, f"times that, {what}", BAYESMULTI / each, "x", FOLLOWS),
        ]
    return [
        *figures,
        Figure(name, "energy of an operation", per_device * 1e15, "fJ", FOLLOWS),
        Figure(name, "of a cell's read, 2 operations", 2 * per_device * 1e15, "fJ", FOLLOWS),
        Figure(
            name,
            f"V² G t of {volt:g} V, {siemens * 1e6:g} µS, {second * 1e9:g} ns (assumed)",
            volt**2 * siemens * second * 1e15,
            "fJ",
            FOLLOWS,
        ),
    ]


def _joksas() -> list[Figure]:
    name = "Joksas et al., Adv. Sci. 9 (2022) 2105784"
    worst, best = JOKSAS
    count = 2 * JOKSAS_SYNAPSES
    powers = [power_of(count, JOKSAS_READ_TIME, each) for each in JOKSAS]
    return [
        Figure(name, "efficiency, the first", worst, "TOPS/W", PRINTED),
        Figure(name, "efficiency, the second", best, "TOPS/W", PRINTED),
        Figure(name, "pairs, 784-25-10 with biases", JOKSAS_SYNAPSES, "", OTHER),
        Figure(name, "read time", JOKSAS_READ_TIME * 1e9, "ns", OTHER),
        Figure(name, "power at the first", powers[0], "W", FOLLOWS),
        Figure(name, "power at the second", powers[1] * 1e3, "mW", FOLLOWS),
        Figure(name, "ratio of the two", best / worst, "x", FOLLOWS),
        Figure(name, "ratio of G_on", CONDUCTANCES[0] / CONDUCTANCES[1], "x", OTHER),
        Figure(name, "the second, per device", 2 * best, "TOPS/W", FOLLOWS),
    ]
