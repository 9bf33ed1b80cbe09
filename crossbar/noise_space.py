"""What of an objective's noise is searched: which numbers, within which bounds, for which sites."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from crossbar.backend import DataError
from crossbar.search_settings import SearchSettings
from crossbar.search_space import Continuous, Limit, Point, Space
from crossbar.training_settings import PER_SITE, NoiseSettings

SEARCHED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "trinomial": ("p1", "p2"),
        "trinomial-activation": ("p1", "p2"),
        "trinomial-code": ("shift",),
        "gaussian": ("spread",),
        "gaussian-activation": ("spread",),
        "laplace": ("spread",),
        "laplace-activation": ("spread",),
        "bernoulli": ("drop",),
        "bernoulli-activation": ("drop",),
        "lognormal": ("sigma",),
    }
)
"""By objective, the fields of `NoiseSettings` that are searched, each from 0 to the bound that
`SearchSettings` gives the same name."""
ON_ACTIVATIONS = ("trinomial-activation", "trinomial-code")
"""Of those with numbers for each site, the ones that leave the last site alone."""


@dataclass(frozen=True, slots=True)
class NoiseSpace:
    """The noise that a search may try, as a space.

    Parameters
    ----------
    objective
        Key of `SEARCHED`.
    sites
        Names of the network's sites, in order.
    settings
        Bounds and stages.

    Raises
    ------
    DataError
        If the objective has nothing to search, or there are stages but not one for each site.
    """

    objective: str
    sites: tuple[str, ...]
    settings: SearchSettings

    def __post_init__(self) -> None:
        if self.objective not in SEARCHED:
            known = ", ".join(SEARCHED)
            raise DataError(f"noise of {self.objective!r} is not searched; that of {known} is")
        if not self.sites or len(self.settings.stages) not in (0, len(self.sites)):
            raise DataError(
                f"{len(self.settings.stages)} stages for {len(self.sites)} sites; one for each is "
                "needed, or none"
            )

    @property
    def space(self) -> Space:
        """The variables: one for each number, or one for each number of each stage."""
        variables, limits = [], []
        for stage in range(self._stages):
            names = [self._name(field, stage) for field in SEARCHED[self.objective]]
            for field, name in zip(SEARCHED[self.objective], names, strict=True):
                variables.append(Continuous(name, 0.0, getattr(self.settings, field)))
            if len(names) > 1:
                weights = tuple((name, 1.0) for name in names)
                limits.append(Limit(weights, self.settings.together))
        return Space(tuple(variables), tuple(limits))

    def noise(self, point: Point, base: NoiseSettings) -> NoiseSettings:
        """Return noise settings with the numbers of a point, and all others as in `base`."""
        changes: dict[str, object] = {}
        for field in SEARCHED[self.objective]:
            numbers = tuple(float(point[self._name(field, k)]) for k in range(self._stages))
            changes[field] = self._of_sites(numbers) if field in PER_SITE else numbers[0]
        return replace(base, **changes)  # type: ignore[arg-type]  # numbers of the right kind each

    def point(self, noise: NoiseSettings) -> Point | None:
        """Return the point with the numbers of these settings; None if it is out of bounds.

        Where sites of one stage differ, it has those of the first.
        """
        found: dict[str, float | str] = {}
        for field in SEARCHED[self.objective]:
            given = getattr(noise, field)
            numbers = (given * len(self.sites) if len(given) == 1 else given) if self._each else ()
            for stage in range(self._stages):
                number = numbers[self._stage_of.index(stage)] if self._each else given
                if number > getattr(self.settings, field):
                    return None
                found[self._name(field, stage)] = number
        return found if self.space.within(self.space.rows([found])).all() else None

    @property
    def _each(self) -> bool:
        """Whether stages have numbers of their own."""
        return all(field in PER_SITE for field in SEARCHED[self.objective])

    @property
    def _acting(self) -> tuple[str, ...]:
        """The sites that noise acts on; at least one, so that there is something to search."""
        return self.sites[: max(len(self.sites) - (self.objective in ON_ACTIVATIONS), 1)]

    @property
    def _stage_of(self) -> tuple[int, ...]:
        """The stage of each site that noise acts on."""
        return (self.settings.stages or tuple(range(len(self.sites))))[: len(self._acting)]

    @property
    def _stages(self) -> int:
        return max(self._stage_of) + 1 if self._each else 1

    def _of_sites(self, numbers: tuple[float, ...]) -> tuple[float, ...]:
        """Return one number for each site, 0 where no noise acts."""
        acting = tuple(numbers[stage] for stage in self._stage_of)
        return acting + (0.0,) * (len(self.sites) - len(acting))

    def _name(self, field: str, stage: int) -> str:
        """Return the name of a variable: with its stage, or with the site that is the stage."""
        if not self._each:
            return field
        if self.settings.stages:
            return f"{field} stage {stage}"
        return f"{field} {self.sites[stage] or 'module'}"
