"""What `xbar remedies` can be asked for."""

from dataclasses import dataclass, field, replace

import numpy as np

from crossbar.backend import DataError, Second
from crossbar.experiments.bounds import at_least, one_of, option
from crossbar.experiments.moons_settings import MoonsSettings
from crossbar.experiments.remedy import AFTER_WRITING, REMEDIES, Remedy
from crossbar.mapping import MAPPINGS
from crossbar.weight_writing import AIMS, Copies

MOONS = MoonsSettings()


@dataclass(frozen=True, slots=True)
class Way:
    """One way to put a network on the array.

    Parameters
    ----------
    copies
        Of every weight.
    tuned
        Whether its weights are tuned on the chip, after the first wait.
    """

    copies: Copies
    tuned: bool = False

    @property
    def name(self) -> str:
        """Part of the name of its results: ``1``, ``2-rest``, ``3:2-each``, ``1-weights``."""
        counts = ":".join(map(str, self.copies.counts))
        aim = f"-{self.copies.aim}" if max(self.copies.counts) > 1 else ""
        return f"{counts}{aim}-weights" if self.tuned else f"{counts}{aim}"


@dataclass(frozen=True, slots=True)
class RemediesSettings:
    """What `xbar remedies` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a name does not exist.
    """

    training: str = field(
        default="erm,lognormal",
        metadata={"help": "Training objectives to compare, separated by commas."},
    )
    hidden: int = field(default=4, metadata={"help": "Hidden units of the 2-H-1 network."})
    mapping: str = field(
        default="differential",
        metadata={"help": f"How weights become conductances: {', '.join(MAPPINGS)}."},
    )
    draws: int = field(default=10, metadata={"help": "Programming draws of each kind."})
    wait: str = field(
        default="10,1000", metadata={"help": "When accuracy is measured, s after the last write."}
    )
    copies: str = field(
        default="1,2",
        metadata={"help": "Pairs of cells for each weight; 3:2 for three, then two by layer."},
    )
    aim: str = field(
        default=AIMS[0],
        metadata={"help": "What copies aim at: the weight (each), or what is left of their sum."},
    )
    remedies: str = field(
        default=",".join((*REMEDIES, *AFTER_WRITING)),
        metadata={"help": f"Which: {', '.join((*REMEDIES, *AFTER_WRITING))}."},
    )
    data: str | None = field(
        default=None, metadata={"help": "CSV of your own: two columns and a label per point."}
    )
    train_points: int = field(
        default=MOONS.train_points, metadata={"help": "Training points of the moons."}
    )
    test_points: int = field(
        default=MOONS.test_points, metadata={"help": "Test points of the moons."}
    )
    noise: float = field(
        default=MOONS.noise, metadata={"help": "Standard deviation of the moons' noise."}
    )
    epochs: int = field(
        default=MOONS.epochs, metadata={"help": "Training steps per start, full batch."}
    )
    p1: float = field(default=MOONS.p1, metadata={"help": "Trinomial: probability of a factor 0."})
    p2: float = field(
        default=MOONS.p2, metadata={"help": "Trinomial: probability of a factor 0.5."}
    )
    sigma: float = field(
        default=MOONS.sigma, metadata={"help": "Lognormal: sigma of the factor's logarithm."}
    )
    device_programs: int = field(
        default=MOONS.device_programs,
        metadata={"help": "Device: programs of the array that its errors are from."},
    )

    def __post_init__(self) -> None:
        at_least(self, draws=1, hidden=1)
        one_of(self, "mapping", MAPPINGS)
        known = (*REMEDIES, *AFTER_WRITING)
        for names, allowed in ((self.names, known), (_listed(self.aim), AIMS)):
            for name in names:
                if name not in allowed:
                    raise DataError(f"{name!r} is not one of {', '.join(allowed)}")
        if "none" not in self.names:
            raise DataError(
                f"{option('remedies')} needs 'none', which the others are compared with"
            )
        _ = self.waits, self.ways, self.points

    @property
    def points(self) -> MoonsSettings:
        """What `xbar moons` would be asked for to train the same networks."""
        shared = ("training", "hidden", "mapping", "data", "train_points", "test_points", "noise")
        more = ("epochs", "p1", "p2", "sigma", "device_programs")
        return MoonsSettings(**{name: getattr(self, name) for name in (*shared, *more)})

    @property
    def names(self) -> tuple[str, ...]:
        """The remedies, each once."""
        return _listed(self.remedies)

    @property
    def waits(self) -> tuple[Second, ...]:
        """Times after the last write, s, ascending."""
        try:
            found = sorted({float(text) for text in _listed(self.wait)})
        except ValueError:
            raise DataError(f"{option('wait')} {self.wait!r} is not a list of times in s") from None
        if not found or not all(0 <= wait < np.inf for wait in found):
            raise DataError(f"{option('wait')} {self.wait!r} is not a list of times in s")
        return tuple(found)

    @property
    def counts(self) -> tuple[tuple[int, ...], ...]:
        """Copies of every weight, or by layer, in the order they were named."""
        try:
            found = [tuple(int(n) for n in text.split(":")) for text in _listed(self.copies)]
        except ValueError:
            raise DataError(
                f"{option('copies')} {self.copies!r} is not a list such as 1,2"
            ) from None
        if not found or any(len(c) > 2 or min(c) < 1 for c in found):
            raise DataError(
                f"{option('copies')} {self.copies!r}: 1 or more for both layers, or 3:2 by layer"
            )
        return tuple(found)

    @property
    def ways(self) -> tuple[Way, ...]:
        """How networks are put on the array: every number of copies with every aim.

        Weights are tuned on the chip with the first number of copies only.
        """
        aims = _listed(self.aim) or AIMS[:1]
        plain = [
            Way(Copies(counts, aim))
            for counts in self.counts
            for aim in (aims if max(counts) > 1 else aims[:1])
        ]
        if not set(self.names) & set(AFTER_WRITING):
            return tuple(plain)
        return (*plain, replace(plain[0], tuned=True))

    def remedies_of(self, way: Way) -> dict[str, Remedy]:
        """Return the remedies that are measured on programmings of a way."""
        table = AFTER_WRITING if way.tuned else REMEDIES
        return {name: table[name] for name in self.names if name in table}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
