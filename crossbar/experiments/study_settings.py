"""What a study can be asked for: what to train, on what, and on which devices to evaluate it."""

from dataclasses import dataclass, field
from pathlib import Path

from crossbar.backend import DataError
from crossbar.device_errors import DeviceErrors
from crossbar.experiments.bounds import at_least, names, numbers, one_of, option
from crossbar.memsim.profile import DeviceProfile
from crossbar.merit.usability import DEFAULT_FORM, FORMS
from crossbar.resumable import WHERE
from crossbar.studies import TASKS
from crossbar.studies.levels import at_sigma, at_usability, base
from crossbar.tiling.settings import CODINGS
from crossbar.training_settings import NoiseSettings

FOLDER = "CROSSBAR_DATA"
"""Environment variable: a folder with a subfolder of a task's name, where there are real data."""

NOISE = NoiseSettings()


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True)
class StudySettings:
    """What `xbar study` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a name does not exist.
    """

    task: str = field(default="mnist", metadata=_help(f"What to learn: {', '.join(TASKS)}."))
    network: str = field(
        default="first", metadata=_help("Networks of the task, by commas; 'first' or 'all'.")
    )
    objectives: str = field(
        default="erm,trinomial,lognormal",
        metadata=_help("Training objectives to compare, by commas."),
    )
    seeds: int = field(default=3, metadata=_help("Trainings of each network and objective."))
    draws: int = field(default=20, metadata=_help("Draws of the device at each level."))
    sigmas: str = field(
        default="0,0.3,0.5,0.8", metadata=_help("Levels: sigma of the weights' drift, by commas.")
    )
    usabilities: str | None = field(
        default=None, metadata=_help("Levels instead: usabilities, by commas, by --form.")
    )
    form: str = field(
        default=DEFAULT_FORM, metadata=_help(f"Form of the usability: {', '.join(FORMS)}.")
    )
    rho: float = field(
        default=0.0, metadata=_help("Non-monotonic factor of an assumed device; 0 is ideal.")
    )
    device_profile: str | None = field(
        default=None,
        metadata=_help("Device to take the range of: a TOML of 'xbar merit --profile'."),
    )
    epochs: int | None = field(
        default=None, metadata=_help("Of a training; by default the task's own number.")
    )
    size: int | None = field(
        default=None, metadata=_help("Training examples; by default the task's own number.")
    )
    data: str | None = field(
        default=None,
        metadata={
            **_help(f"Folder of your own data; else ${FOLDER}/<task>, else a stand-in."),
            # What the data are is compared by themselves.
            WHERE: True,
        },
    )
    p1: str = field(default="0.1", metadata=_help("Trinomial: P(0), one number or one a layer."))
    p2: str = field(default="0.2", metadata=_help("Trinomial: P(0.5), one or one a layer."))
    training_sigma: float = field(
        default=NOISE.sigma, metadata=_help("Lognormal and device: sigma of ln factor in training.")
    )
    spread: float = field(
        default=NOISE.spread, metadata=_help("Gaussian and laplace: sd of the factor in training.")
    )
    drop: float = field(default=NOISE.drop, metadata=_help("Bernoulli: probability of factor 0."))
    noise_draws: int = field(default=1, metadata=_help("Noise draws of each training step."))
    validation_sigma: float = field(
        default=0.3, metadata=_help("Drift under which a training's best epoch is chosen.")
    )
    tile: str | None = field(
        default=None,
        metadata=_help("Evaluate on crossbar tiles of ROWSxCOLUMNS lines, a chip per draw."),
    )
    tile_bits: int = field(
        default=8, metadata=_help("Tiles: bits of inputs and of currents; 0 is exact.")
    )
    read_noise: float = field(
        default=0.0, metadata=_help("Tiles: sd of a cell's conductance from read to read, of 1.")
    )
    line_resistance: float = field(default=0.0, metadata=_help("Tiles: of each line segment, ohm."))
    coding: str = field(
        default="amplitude", metadata=_help(f"Tiles: inputs as {', '.join(CODINGS)}.")
    )
    scheduler: str | None = field(
        default=None,
        metadata={
            **_help("Dask scheduler, tcp://host:port, whose workers make the units."),
            WHERE: True,
        },
    )

    def __post_init__(self) -> None:
        at_least(self, seeds=1, draws=1, noise_draws=1, validation_sigma=0)
        for name in ("epochs", "size"):
            if getattr(self, name) is not None:
                at_least(self, **{name: 1})
        one_of(self, "task", TASKS)
        one_of(self, "form", FORMS)
        one_of(self, "coding", CODINGS)
        _ = self.levels, self.noise, self.chosen, self.tiled

    @property
    def tiled(self) -> tuple[int, int] | None:
        """Word lines and bit lines of a tile; None where nothing is on tiles."""
        if self.tile is None:
            for name in ("tile_bits", "read_noise", "line_resistance", "coding"):
                if getattr(self, name) != type(self).__dataclass_fields__[name].default:
                    raise DataError(f"{option(name)} says what tiles are: name a --tile")
            return None
        sides = self.tile.lower().split("x")
        if len(sides) != 2 or not all(side.isdecimal() for side in sides):
            raise DataError(f"tile {self.tile!r} is not ROWSxCOLUMNS, such as 128x128")
        at_least(self, tile_bits=0, read_noise=0, line_resistance=0)
        return int(sides[0]), int(sides[1])

    @property
    def chosen(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Networks and objectives as they were named."""
        return names(self, "network"), names(self, "objectives")

    @property
    def device(self) -> DeviceProfile:
        """The device whose sigma is varied."""
        return base(None if self.device_profile is None else Path(self.device_profile), self.rho)

    @property
    def levels(self) -> tuple[DeviceProfile, ...]:
        """The devices that networks are evaluated on, in the order they were named."""
        device = self.device
        if self.usabilities is None:
            asked = dict.fromkeys(numbers(self, "sigmas"))
            return tuple(at_sigma(device, sigma) for sigma in asked)
        asked = dict.fromkeys(numbers(self, "usabilities"))
        return tuple(at_usability(device, value, self.form) for value in asked)

    @property
    def noise(self) -> NoiseSettings:
        """Of the objectives."""
        return NoiseSettings(
            draws=self.noise_draws,
            p1=numbers(self, "p1"),
            p2=numbers(self, "p2"),
            sigma=self.training_sigma,
            spread=self.spread,
            drop=self.drop,
            device=DeviceErrors.from_profile(at_sigma(self.device, self.training_sigma)),
        )
