"""What a bench whose switch board selects finds out about itself: relays that conduct while open.

The board reads its outputs back, not its contacts. A contact that has welded leaves its line on W1,
or on the amplifier, beside every other that is selected; so single lines are selected, and nothing
may flow then. The cells are what tells: a line on which no cell conducts tells nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from crossbar.backend import Ampere, Array, Finding
from instruments.analog_discovery import AnalogDiscovery
from instruments.check_findings import between
from instruments.check_switched import LOOK, PROBE, drive_findings, offset_findings
from instruments.selectors import BoardSelector
from instruments.settings import HardwareSettings

LEAK: Ampere = 4e-8
"""Current into the amplifier that passes while no circuit is closed; assumed: a fifth of what a
cell of 1 uS takes at `PROBE`."""
ALIKE = 0.05
"""Part of a current by which it may move while nothing changes; assumed."""


class BoardProbe:
    """Relays, W1 and the amplifier, set one by one; relays are switched with W1 at 0 V.

    Parameters
    ----------
    ad2
        Open, the supplies on.
    settings
        Of the bench; the selection is the board's.
    board
        Open.
    """

    def __init__(
        self, ad2: AnalogDiscovery, settings: HardwareSettings, board: BoardSelector
    ) -> None:
        self.ad2 = ad2
        self.settings = settings
        self.board = board
        ad2.scope(LOOK)

    def look(self, word: int, bit: int, *, enable: bool = True, low_gain: bool = False) -> Array:
        """Return what scope 1 and scope 2 see with these channels selected, V."""
        return self._look(frozenset((word, bit)) if enable else frozenset(), low_gain=low_gain)

    def current(self, *channels: int) -> Ampere:
        """Return the current that W1 at `PROBE` drives with only these channels closed, A.

        At the high gain, or at the low one where that is at its end.
        """
        for low_gain in (False, True):
            quiet = self._look(frozenset(channels), low_gain=low_gain)[1]
            self.ad2.level(0, PROBE)
            try:
                driven = self._look(frozenset(channels), low_gain=low_gain)[1]
            finally:
                self.ad2.level(0, 0.0)
            if abs(driven) < self.settings.sense.largest:
                break
        self.board.confirm()
        return float(quiet - driven) / self.settings.sense.feedback[int(low_gain)]

    def _look(self, channels: frozenset[int], *, low_gain: bool) -> Array:
        self.board.only(channels)
        gain = 1 << self.settings.sense.gain_pin
        self.ad2.pins(gain, gain if low_gain else 0)
        self.ad2.arm()
        volts: Array = self.ad2.record(LOOK.duration).mean(axis=1)
        return volts


def check_board(probe: BoardProbe, progress: Callable[[str, int, int], None]) -> Iterator[Finding]:
    """Yield what is found; every relay is open and W1 at 0 V in the end.

    Parameters
    ----------
    probe
        On the open bench.
    progress
        Called with the part, how much of it is done, and of how much.
    """
    probe.ad2.level(1, 0.0)
    yield from drive_findings(probe)
    yield from offset_findings(probe)
    words, bits = (lines.tolist() for lines in probe.board.addresses(probe.settings.array.shape))
    yield _welded(probe, "word line", words, bits, progress)
    yield _welded(probe, "bit line", bits, words, progress)
    probe.board.release()


def _welded(
    probe: BoardProbe,
    kind: str,
    lines: Sequence[int],
    others: Sequence[int],
    progress: Callable[[str, int, int], None],
) -> Finding:
    """Look for lines of a kind that conduct while their relay is open.

    Each line of the other kind is selected alone: nothing flows unless such a line is there.
    """
    leaks = {}
    for done, other in enumerate(others):
        progress(f"relays of {kind}s", done, len(others))
        leaks[other] = abs(probe.current(other))
    most = max(leaks.values())
    note = "" if most <= LEAK else f"conducts though its relay is open, welded: {kind} "
    if note:
        suspects = [line for line in lines if _adds_nothing(probe, line, leaks)]
        named = " or ".join(f"{lines.index(line)} (channel {line})" for line in suspects)
        note += named or "of nobody knows which number"
    return between(f"{kind} relays", "open contacts", most, 0.0, LEAK, "A", note)


def _adds_nothing(probe: BoardProbe, line: int, leaks: Mapping[int, Ampere]) -> bool:
    """Return whether closing a relay leaves every leak as it is: its contact is closed already."""
    return all(
        abs(abs(probe.current(line, other)) - leak) <= max(LEAK, ALIKE * leak)
        for other, leak in leaks.items()
        if not leak <= LEAK
    )
