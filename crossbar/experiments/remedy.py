"""What wins accuracy back on an array that is programmed: each remedy a function and a line.

Every remedy starts from the raw products of the same chip, and says what has to have been done on
the bench to be where it ends. None but those of `AFTER_WRITING` applies a pulse; these are measured
on programmings of their own, whose weights were tuned on the chip first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from crossbar.backend import Array
from crossbar.counting import Counted, Tally
from crossbar.crossbar import Crossbar
from crossbar.data import Points
from crossbar.loop_settings import LineSettings, WeightSettings
from crossbar.offload import HardwareNetwork
from crossbar.programmed import RAW, Correction


@dataclass(slots=True, eq=False)
class Chip:
    """A network on the array, and what remedies need of it.

    Parameters
    ----------
    hardware, crossbar
        The network, and where it is.
    counted
        The bench below, counting.
    train
        Training points, standardised.
    spent
        What the things took that remedies share: the drift reference, the calibration that is kept.
    kept
        The calibration at the first wait; None before it.
    """

    hardware: HardwareNetwork
    crossbar: Crossbar
    counted: Counted
    train: Points
    spent: dict[str, Tally] = field(default_factory=dict)
    kept: tuple[Correction, ...] | None = None

    @property
    def labels(self) -> Array:
        """Of the training points, as the loss takes them."""
        return self.train.labels.astype(float)

    def begin(self) -> None:
        """Take every correction away."""
        self.crossbar.correct_by([RAW] * len(self.hardware.layers))
        for layer in self.hardware.layers:
            layer.line = None

    def spending(self, name: str, work: Callable[[], object]) -> None:
        """Do something once that several remedies share, and remember what it took."""
        before = self.counted.tally
        work()
        self.spent[name] = self.counted.tally - before


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to win accuracy back.

    Parameters
    ----------
    what
        What is done, for people.
    apply
        Does it, beginning from raw products.
    shares
        Keys of `Chip.spent` that it takes part in, beside what `apply` takes.
    """

    what: str
    apply: Callable[[Chip], None]
    shares: tuple[str, ...] = ()


REFERENCE, CALIBRATION = BOTH = "reference", "calibration"


def take_reference(chip: Chip) -> None:
    """Measure the drift reference; right after programming."""
    chip.spending(REFERENCE, chip.crossbar.take_reference)


def _nothing(_: Chip) -> None:
    pass


def _drift(chip: Chip) -> None:
    chip.crossbar.compensate_drift("layer")


def _calibrated(chip: Chip) -> None:
    chip.hardware.calibrate(chip.train.inputs)


def _once(chip: Chip) -> None:
    if chip.kept is None:
        chip.spending(CALIBRATION, lambda: _calibrated_since_reference(chip))
        chip.kept = chip.crossbar.corrections
    chip.crossbar.correct_by(chip.kept)


def _calibrated_since_reference(chip: Chip) -> None:
    # The factor against drift counts from the reference: what it is now must not count twice.
    _drift(chip)
    _calibrated(chip)


def _once_drift(chip: Chip) -> None:
    _once(chip)
    _drift(chip)


def _lines(chip: Chip) -> None:
    from crossbar.chip_in_the_loop import tune_lines

    tune_lines(chip.hardware, chip.train.inputs, chip.labels, LineSettings())


def _calibrated_lines(chip: Chip) -> None:
    _calibrated(chip)
    _lines(chip)


def tune_on_chip(chip: Chip, progress: Callable[[int, int], None]) -> int:
    """Tune the weights by writing some anew; return the pulses that it took."""
    from crossbar.chip_in_the_loop import tune_weights

    tuned = tune_weights(
        chip.hardware,
        chip.crossbar,
        chip.train.inputs,
        chip.labels,
        WeightSettings(),
        progress=progress,
    )
    chip.hardware = tuned.hardware
    return tuned.pulses


REMEDIES: Mapping[str, Remedy] = MappingProxyType(
    {
        "none": Remedy("as programmed", _nothing),
        "drift": Remedy("one factor per layer from a reference read", _drift, (REFERENCE,)),
        "once": Remedy("calibrated at the first wait, and not again", _once, BOTH),
        "once+drift": Remedy("the same, with one factor per layer since", _once_drift, BOTH),
        "calibrated": Remedy("gain and offset of every output, with 64 inputs", _calibrated),
        "lines": Remedy("the same tuned on the loss, chip in the loop", _lines),
        "calibrated+lines": Remedy("calibrated, then tuned on the loss", _calibrated_lines),
    }
)
AFTER_WRITING: Mapping[str, Remedy] = MappingProxyType(
    {
        "weights": Remedy("weights tuned on the chip, written anew", _nothing),
        "weights+lines": Remedy("the same, then lines", _lines),
    }
)
