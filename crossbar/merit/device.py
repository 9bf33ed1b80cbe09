"""All figures of merit of one device, from its curve or from its pulses."""

from dataclasses import dataclass, field

import numpy as np

from crossbar.backend import Array, DataError, Volt
from crossbar.curves.measured import Curve, Origin, PulseTable
from crossbar.merit.alignment import align
from crossbar.merit.cycles import split
from crossbar.merit.kinds import NO_MEMRISTORS, Kind, kind
from crossbar.merit.lcis import Lcis, lcis
from crossbar.merit.notes import of_alignment, of_steps, of_switching
from crossbar.merit.spread import CONFIDENCE, Spread, spread
from crossbar.merit.switching import Switching, switching
from crossbar.merit.trains import kind_of_trains, set_trains
from crossbar.merit.usability import (
    DEFAULT_FORM,
    DEFAULT_RHO,
    Usability,
    non_monotonic,
    usability,
)


@dataclass(frozen=True, slots=True)
class MeritSettings:
    """How figures of merit are found.

    Parameters
    ----------
    l_min
        Points that an LCIS needs to be as good as any; the paper states none, 32 is 5 bit.
    read_voltage
        For on/off ratio and nonlinearity, V; None: a tenth of the largest.
    v_floor
        Points nearer to 0 V are left out of the curve, V.
    points
        Voltages that cycles are interpolated to; None takes the measured ones where it can.
    branch
        Key of `crossbar.merit.cycles.BRANCHES`.
    form, rho, spread
        Keys of `FORMS`, `RHOS` (`crossbar.merit.usability`) and `SPREADS`.
    confidence
        Of the spread's upper bound.
    mode, eps
        Key of `crossbar.merit.lcis.MODES`, and what counts as rising.
    method
        Key of `crossbar.merit.switching.SWITCHES`.
    keep_incomplete
        Whether cycles that were not measured to their end are used.
    """

    l_min: int = 32
    read_voltage: Volt | None = None
    v_floor: Volt = 0.0
    points: int | None = None
    branch: str = "positive up"
    form: str = DEFAULT_FORM
    rho: str = DEFAULT_RHO
    spread: str = "corrected"
    confidence: float = CONFIDENCE
    mode: str = "contiguous"
    eps: float = 0.0
    method: str = "loop"
    keep_incomplete: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Merit:
    """Figures of merit of one device.

    Parameters
    ----------
    device
        Its name.
    settings
        With which they were found.
    origin
        Where the data are from.
    kind
        Whether it is a memristor at all.
    driven
        ``"voltage"`` or ``"pulses"``: what `grid` counts.
    grid
        Magnitude of the voltage, V, or number of the SET pulse, ascending, shape ``(k,)``.
    conductance
        Of each used cycle, S or, where `normalised`, in units that nobody stated, ``(c, k)``.
    mean
        Over the cycles: geometric, arithmetic with the paper's spread or where conductances are
        not all positive, shape ``(k,)``.
    lcis
        Of the mean.
    cycle_lcis
        Of each used cycle.
    rho
        Non-monotonic factor of the mean's LCIS.
    spread
        None where it cannot be had: of one cycle, or without logarithms.
    usability
        None where there is no spread.
    switching
        Of every cycle, used or not.
    normalised
        True if conductances are not in siemens.
    notes
        What has to be known to believe the numbers.
    """

    device: str
    settings: MeritSettings
    origin: Origin
    kind: Kind
    driven: str
    grid: Array
    conductance: Array
    mean: Array
    lcis: Lcis
    cycle_lcis: tuple[Lcis, ...]
    rho: float
    spread: Spread | None
    usability: Usability | None
    switching: Switching
    normalised: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def cycles(self) -> int:
        """Cycles that were used."""
        return len(self.conductance)

    @property
    def points(self) -> int:
        """Points of each cycle that were used."""
        return len(self.grid)

    @property
    def sigma(self) -> float:
        """Log-normal spread between cycles, NaN where there is none."""
        return float("nan") if self.spread is None else self.spread.sigma

    @property
    def bound(self) -> float:
        """Upper confidence bound of the spread, NaN where there is none."""
        return float("nan") if self.spread is None else self.spread.bound

    @property
    def worth(self) -> float | None:
        """The usability; None where there is none, or what was measured is no memristor."""
        if self.usability is None or self.kind.name in NO_MEMRISTORS:
            return None
        return self.usability.value


def merit(curve: Curve, settings: MeritSettings | None = None) -> Merit:
    """Return the figures of merit of a device from its I-V curve.

    Parameters
    ----------
    curve
        Divided into cycles or not.
    settings
        None takes the defaults.

    Raises
    ------
    DataError
        If the voltage never moves, the branch has no usable points, or a setting is unknown.
    """
    chosen = settings or MeritSettings()
    whole = split(curve, keep_incomplete=chosen.keep_incomplete)
    found = kind(whole)
    try:
        aligned = align(whole, branch=chosen.branch, v_floor=chosen.v_floor, points=chosen.points)
    except DataError as problem:
        if found.name in ("memristive", "unknown"):
            raise
        raise DataError(f"{curve.name} is {found.name}: {found.reason}") from problem
    switched = switching(whole, read_voltage=chosen.read_voltage, method=chosen.method)
    notes = (
        *whole.origin.notes,
        *of_alignment(aligned),
        *of_switching(switched, chosen.branch, told=chosen.read_voltage is not None),
    )
    return _merit(
        _Steps(curve.name, whole.origin, found, "voltage", aligned.grid, aligned.conductance),
        switched,
        chosen,
        notes,
    )


def merit_of_pulses(table: PulseTable, settings: MeritSettings | None = None) -> Merit:
    """Return the figures of merit of a device from its conductance after each pulse.

    The SET trains are the curve. Conductances in units that nobody stated will do: nothing but
    `conductance`, `mean` and the ends of the LCIS depends on the unit. Its zero has to be that of
    the conductance, though, so where some are not positive, there is no spread.

    Parameters
    ----------
    table
        Cycles are as it says.
    settings
        None takes the defaults; what concerns voltages is not used.

    Raises
    ------
    DataError
        If no cycle has a SET train of two pulses, or a setting is unknown.
    """
    chosen = settings or MeritSettings()
    trains, notes = set_trains(table)
    nothing = np.full(len(trains), np.nan)
    lowest = trains.min(axis=1)
    ratio = trains.max(axis=1) / np.where(lowest > 0, lowest, np.nan)
    grid = np.arange(trains.shape[1], dtype=np.float64)
    steps = _Steps(table.name, table.origin, kind_of_trains(trains), "pulses", grid, trains)
    switched = Switching(nothing, nothing, ratio, nothing, float("nan"))
    notes = (*table.origin.notes, *notes)
    return _merit(steps, switched, chosen, notes, normalised=table.normalised)


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Conductances at common steps, whatever the steps are; fields as of `Merit`."""

    device: str
    origin: Origin
    kind: Kind
    driven: str
    grid: Array
    conductance: Array


def _merit(
    steps: _Steps,
    switched: Switching,
    settings: MeritSettings,
    notes: tuple[str, ...],
    *,
    normalised: bool = False,
) -> Merit:
    """Return the figures of merit of conductances at common steps."""
    G = steps.conductance
    positive = bool((G > 0).all())
    if positive and settings.spread != "paper":
        mean = np.exp(np.log(G).mean(axis=0))
    else:
        mean = G.mean(axis=0)
    segment = lcis(mean, settings.mode, settings.eps)
    rho = non_monotonic(segment.length, settings.l_min, settings.rho)
    between = spread(G, settings.spread, settings.confidence) if positive and len(G) > 1 else None
    worth = None if between is None else usability(rho, between.sigma, between.bound, settings.form)
    return Merit(
        device=steps.device,
        settings=settings,
        origin=steps.origin,
        kind=steps.kind,
        driven=steps.driven,
        grid=steps.grid,
        conductance=G,
        mean=mean,
        lcis=segment,
        cycle_lcis=tuple(lcis(each, settings.mode, settings.eps) for each in G),
        rho=rho,
        spread=between,
        usability=worth,
        switching=switched,
        normalised=normalised,
        notes=(
            *notes,
            *of_steps(
                G, l_min=settings.l_min, form=settings.spread, confidence=settings.confidence
            ),
        ),
    )
