"""The power supplies V+ and V- of the Analog Discovery 2."""

from typing import Any

from crossbar.backend import InstrumentError, LimitError, Volt

_LARGEST: Volt = 5.0  # AD2 reference manual: 0 to +5 V and 0 to -5 V
# Channel 0 is V+, 1 is V-; node 0 enables, node 1 is the voltage (pydwf 1.1.19, AnalogIO).
_ENABLE, _VOLTAGE = 0, 1


class Supplies:
    """The supplies of an open device, and what they are known to be."""

    def __init__(self, device: Any) -> None:
        self._io = device.analogIO
        self.forget()

    def forget(self) -> None:
        """Assume nothing."""
        self._held: tuple[Volt, Volt] | None = None
        self._off = False

    def on(self, positive: Volt, negative: Volt) -> None:
        """Switch both on."""
        if not 0 <= positive <= _LARGEST:
            raise LimitError(f"V+ gives 0 to {_LARGEST} V, not {positive} V")
        if not -_LARGEST <= negative <= 0:
            raise LimitError(f"V- gives -{_LARGEST} to 0 V, not {negative} V")
        if self._held == (positive, negative):
            return
        self.forget()
        for channel, voltage in enumerate((positive, negative)):
            self._io.channelNodeSet(channel, _VOLTAGE, voltage)
            self._io.channelNodeSet(channel, _ENABLE, 1.0)
        self._io.enableSet(True)
        self._io.configure()
        self._held = (positive, negative)

    def confirm(self) -> None:
        """Ask whether both are still on, if they were switched on.

        Raises
        ------
        InstrumentError
            If they are off.

        References
        ----------
        Digilent, WaveForms SDK reference manual, FDwfAnalogIOEnableStatus; that an overcurrent
        opens that switch is assumed, and one of the owner's tests.
        """
        if self._held is None:
            return
        self._io.status()
        if not self._io.enableStatus():
            self.forget()
            raise InstrumentError(
                "the supplies of the Analog Discovery 2 went off by themselves: too much current "
                "was drawn from them, or another program has reset it"
            )

    def off(self) -> None:
        """Switch both off."""
        if self._off:
            return
        self.forget()
        self._io.enableSet(False)
        for channel in range(2):
            self._io.channelNodeSet(channel, _ENABLE, 0.0)
        self._io.configure()
        self._off = True
