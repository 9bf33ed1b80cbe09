"""What the main job can be asked for."""

from dataclasses import dataclass, field, replace

import numpy as np

from crossbar.backend import DataError
from crossbar.experiments.moons_training import DEVICE
from crossbar.mapping import MAPPINGS
from crossbar.search_settings import SearchSettings
from crossbar.training_settings import NoiseSettings, TrainingSettings

TRAINING = TrainingSettings()
SEARCH = SearchSettings()
DRAWS, SEARCH_DRAWS = 10, 30
"""Programming draws by default; whoever searches wants to know more exactly."""


@dataclass(frozen=True, slots=True)
class MoonsSettings:
    """What `xbar moons` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a name does not exist.
    """

    hidden: int = field(default=4, metadata={"help": "Hidden units of the 2-H-1 network."})
    mapping: str = field(
        default="differential",
        metadata={"help": f"How weights become conductances: {', '.join(MAPPINGS)}."},
    )
    training: str = field(
        default="erm,trinomial,lognormal",
        metadata={"help": "Training objectives to compare, separated by commas."},
    )
    repeats: int | None = field(
        default=None,
        metadata={
            "help": f"Programming draws per objective; by default {DRAWS}, with --search "
            f"{SEARCH_DRAWS}."
        },
    )
    data: str | None = field(
        default=None, metadata={"help": "CSV of your own: two columns and a label per point."}
    )
    train_points: int = field(default=500, metadata={"help": "Training points of the moons."})
    test_points: int = field(default=2000, metadata={"help": "Test points of the moons."})
    noise: float = field(default=0.1, metadata={"help": "Standard deviation of the moons' noise."})
    epochs: int = field(
        default=TRAINING.epochs, metadata={"help": "Training steps per start, full batch."}
    )
    p1: float = field(
        default=TRAINING.noise.p1[0], metadata={"help": "Trinomial: probability of a factor 0."}
    )
    p2: float = field(
        default=TRAINING.noise.p2[0], metadata={"help": "Trinomial: probability of a factor 0.5."}
    )
    sigma: float = field(
        default=TRAINING.noise.sigma,
        metadata={"help": "Lognormal: sigma of the factor's logarithm."},
    )
    device_programs: int = field(
        default=5,
        metadata={"help": "Device and search: programs of the array that its errors are from."},
    )
    search: bool = field(
        default=False,
        metadata={"help": "Search the noise of each training on validation points (BayesMulti)."},
    )
    evaluations: int = field(
        default=SEARCH.total, metadata={"help": "Search: networks trained for each training."}
    )
    drift: float | None = field(
        default=None,
        metadata={
            "help": "Search: judge them under log-normal drift of this sigma; by default under "
            "the errors of this array, which are measured first."
        },
    )

    line_resistance: float | None = field(
        default=None,
        metadata={
            "help": "Of each line segment, ohm, instead of the bench's; shows what wires cost."
        },
    )

    def __post_init__(self) -> None:
        if self.line_resistance is not None and not 0 < self.line_resistance < np.inf:
            raise DataError(
                f"line_resistance = {self.line_resistance} ohm is not a finite number above 0"
            )
        for name, least in (
            *(("hidden", 1), ("repeats", 1), ("train_points", 40), ("epochs", 1)),
            *(("device_programs", 1), ("evaluations", SEARCH.initial)),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise DataError(f"{name} = {value} is below {least}")
        if self.test_points < 20:
            raise DataError(f"test_points = {self.test_points} is below 20")
        if not 0 <= self.noise < np.inf:
            raise DataError(f"noise = {self.noise} is not a finite number of at least 0")
        if self.mapping not in MAPPINGS:
            raise DataError(f"mapping {self.mapping!r} is not one of {', '.join(MAPPINGS)}")
        if not self.objectives:
            raise DataError("training names no objective")
        _ = self.schedule, self.searched

    @property
    def draws(self) -> int:
        """Programming draws per objective."""
        if self.repeats is not None:
            return self.repeats
        return SEARCH_DRAWS if self.search else DRAWS

    @property
    def searched(self) -> SearchSettings | None:
        """How the noise is searched; None if it is not."""
        if not self.search:
            return None
        drift = SEARCH.drift if self.drift is None else self.drift
        return replace(SEARCH, evaluations=self.evaluations - SEARCH.initial, drift=drift)

    @property
    def measures(self) -> bool:
        """Whether the array's errors are needed: for its own training, or for a search."""
        return DEVICE in self.objectives or (self.search and self.drift is None)

    @property
    def schedule(self) -> TrainingSettings:
        """How each network is trained."""
        return TrainingSettings(
            epochs=self.epochs,
            warmup=self.epochs * TRAINING.warmup // TRAINING.epochs,
            noise=NoiseSettings(p1=(self.p1,), p2=(self.p2,), sigma=self.sigma),
        )

    @property
    def objectives(self) -> tuple[str, ...]:
        """The training objectives, in the order they were named, each once."""
        named = (name.strip() for name in self.training.split(","))
        return tuple(dict.fromkeys(name for name in named if name))
