"""A source meter in the place of W1 and amplifier: the relay, and what is done through it.

The relay is thrown only while W1 is at 0 V, which it is between runs, and the source meter is off.
Between cells the source meter is at 0 V. Unselected lines stay where the wiring puts them with W2
at 0 V: on grounded rails, or floating.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from crossbar.backend import Ampere, Array, InstrumentError, Reading, Second, Sweep, Volt
from instruments.selectors import Selector
from instruments.settings import KeithleyTable
from instruments.source_meter import SourceMeter
from instruments.timing import Timer


class KeithleyPath:
    """What a source meter does with single cells.

    Parameters
    ----------
    meter
        Not open yet; it belongs to this.
    table
        Which verbs it takes, and how.
    selector
        Of lines and relay.
    compliance
        Of reads, A.
    settle
        From a new selection or voltage until a reading begins, s.
    relay
        From a command until the relay has stopped bouncing, s.
    timer
        What waiting is done by.
    """

    def __init__(
        self,
        meter: SourceMeter,
        table: KeithleyTable,
        selector: Selector,
        compliance: Ampere,
        settle: Second,
        relay: Second,
        timer: Timer,
    ) -> None:
        self._meter = meter
        self._table = table
        self._selector = selector
        self._compliance = compliance
        self._settle = settle
        self._relay = relay
        self._timer = timer
        self._identity = ""

    @property
    def reads(self) -> bool:
        """True if reads are the source meter's."""
        return self._table.reads

    @property
    def sweeps(self) -> bool:
        """True if sweeps are the source meter's."""
        return self._table.sweeps

    def open(self) -> None:
        """Open the source meter; its output is off."""
        self._meter.open()
        self._identity = self._meter.identify()

    def close(self) -> None:
        """Switch its output off, before anything is asked, and close it."""
        self._meter.close()

    def describe(self) -> dict[str, object]:
        """Return what is at the relay and what it does."""
        return {"identity": self._identity, "reads": self.reads, "sweeps": self.sweeps}

    def read(self, pairs: Sequence[tuple[int, int]], voltage: Volt) -> Reading:
        """Return the current through each pair of lines, one after another.

        Parameters
        ----------
        pairs
            Word address and bit address of each, at least one.
        voltage
            V.

        Raises
        ------
        InstrumentError
            If a reading is none, or not at the voltage that was set.
        """
        self._meter.configure(abs(voltage), self._compliance, nplc=self._table.nplc)
        current, flags = np.empty(len(pairs)), np.zeros(len(pairs), dtype=np.uint8)
        with self._switched(pairs[0]), self._meter.energised():
            for k, pair in enumerate(pairs):
                if k:
                    # Asked: nothing is switched under voltage because a command was lost.
                    self._meter.rest()
                    self._selector.hold(*pair, relay=True)
                self._timer.sleep(self._settle)
                self._meter.source(voltage)
                self._timer.sleep(self._settle)
                _, current[k], flags[k] = self._meter.measure()
        if np.isnan(current).any():
            lost = pairs[int(np.argmax(np.isnan(current)))]
            raise InstrumentError(f"the source meter overflowed at addresses {lost}")
        return Reading(current, flags)

    def sweep(
        self, pair: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Step one pair of lines through voltages under the source meter's own compliance.

        Raises
        ------
        LimitError
            If it refuses the voltages, the compliance or the dwell.
        InstrumentError
            If a point was not what was set.
        """
        if not len(voltages):
            none = np.empty(0)
            return Sweep(none, none, none, np.empty(0, dtype=np.uint8))
        with self._switched(pair):
            return self._meter.sweep(voltages, compliance, dwell, nplc=self._table.nplc)

    @contextmanager
    def _switched(self, pair: tuple[int, int]) -> Iterator[None]:
        """Throw the relay for a block; whoever is in it has the source meter off at both ends."""
        try:
            self._selector.hold(*pair, relay=True)
            self._timer.sleep(self._relay)
            yield
        except BaseException:
            # The relay may only be thrown with the source meter off, which is no longer sure.
            self._meter.safe()
            raise
        finally:
            self._selector.release()
            self._timer.sleep(self._relay)
