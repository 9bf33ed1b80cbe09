"""A bench looks at itself: which check and which calibration belong to which wiring."""

from collections.abc import Callable, Mapping

from crossbar.backend import Array, BenchError, Checkup
from instruments import check_board, check_parallel, check_switched
from instruments.analog_discovery import AnalogDiscovery
from instruments.calibrate import calibrate_parallel, calibrate_switched
from instruments.check_findings import cell_findings
from instruments.selectors import BoardSelector
from instruments.settings import HardwareSettings, ParallelTable


def check(
    ad2: AnalogDiscovery,
    settings: HardwareSettings,
    board: BoardSelector | None,
    conductances: Callable[[], Array],
    progress: Callable[[str, int, int], None],
) -> Checkup:
    """Return what an open bench finds out about itself.

    Parameters
    ----------
    ad2
        Open, the wiring open too.
    settings
        Of the bench.
    board
        What selects by the switch board, if that selects.
    conductances
        Reads every cell the usual way, S.
    progress
        Called with the part, how much of it is done, and of how much.

    Raises
    ------
    InstrumentError
        If an instrument fails while it is asked.
    """
    if isinstance(settings.wiring, ParallelTable):
        probe = check_parallel.Probe(ad2, settings)
        found = list(check_parallel.check_parallel(probe, progress))
        seen = conductances()
        found += check_parallel.check_loaded(probe, seen, progress)
    elif board is not None:
        found = list(
            check_board.check_board(check_board.BoardProbe(ad2, settings, board), progress)
        )
        seen = conductances()
    else:
        found = list(check_switched.check_switched(check_switched.Probe(ad2, settings), progress))
        seen = conductances()
    return Checkup((*found, *cell_findings(seen)), seen)


def calibrate(
    ad2: AnalogDiscovery, settings: HardwareSettings, repeats: int
) -> Mapping[str, list[float]]:
    """Return the table ``[calibration]`` of an open bench.

    Raises
    ------
    BenchError
        If the bench has no reference, or selects by the switch board.
    InstrumentError
        If a gain is not credible.
    """
    if isinstance(settings.wiring, ParallelTable):
        return calibrate_parallel(check_parallel.Probe(ad2, settings), repeats)
    _by_pins(settings)
    return calibrate_switched(check_switched.Probe(ad2, settings), repeats)


def _by_pins(settings: HardwareSettings) -> None:
    if not isinstance(settings.wiring, ParallelTable) and settings.wiring.select == "serial":
        raise BenchError(
            'the calibration selects by DIO; with select = "serial" use `xbar bench scan`, and '
            "look at the references by hand"
        )
