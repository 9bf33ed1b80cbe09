"""Asynchronous serial, I2C and CAN, with nobody at the other end but oneself."""

from collections import deque
from typing import Any

import numpy as np

from sim_backend.virtual.libdwf.chassis import Chassis
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.memory import read_array, write, write_array
from sim_backend.virtual.libdwf.parameters import Functions, named
from sim_backend.virtual.libdwf.protocols import ProtocolPins, pin_number

_FRAME = 9  # bits of a byte on I2C, with its acknowledge
_CAN_OVERHEAD = 47  # bits of a CAN frame without data


class Uart:
    """Asynchronous serial; it receives what it sends if both use one pin.

    Parameters
    ----------
    chassis
        Of the device.
    pins
        The pins that protocols drive.
    """

    def __init__(self, chassis: Chassis, pins: ProtocolPins) -> None:
        self._chassis = chassis
        self._pins = pins
        self._forget()

    def functions(self) -> Functions:
        """Return its functions by name."""
        return named(self)

    def _forget(self) -> None:
        self._rate, self._bits, self._stop, self._idle = 9600.0, 8, 1.0, 1
        self._tx = self._rx = 0
        self._received: bytes = b""

    def FDwfDigitalUartReset(self) -> None:
        """Leave all pins, and forget all settings."""
        self._pins.reset()
        self._forget()

    def FDwfDigitalUartRateSet(self, rate: float) -> None:
        """Set the bits a second."""
        if not rate > 0:
            raise invalid(1, f"{rate} Hz is not positive")
        self._rate = rate

    def FDwfDigitalUartBitsSet(self, bits: int) -> None:
        """Set the bits of a character."""
        if not 1 <= bits <= 8:
            raise invalid(1, f"{bits} bits in a character are not in 1 to 8")
        self._bits = bits

    def FDwfDigitalUartParitySet(self, parity: int) -> None:
        """Accept no parity."""
        if parity:
            raise invalid(1, "parity is not emulated")

    def FDwfDigitalUartPolaritySet(self, inverted: int) -> None:
        """Set the level between characters."""
        self._idle = int(not inverted)

    def FDwfDigitalUartStopSet(self, bits: float) -> None:
        """Set how many stop bits there are."""
        self._stop = bits

    def FDwfDigitalUartTxSet(self, pin: int) -> None:
        """Set the pin to send on."""
        self._tx = pin_number(pin)
        self._pins.hold({self._tx: self._idle})

    def FDwfDigitalUartRxSet(self, pin: int) -> None:
        """Set the pin to receive on."""
        self._rx = pin_number(pin)

    def FDwfDigitalUartTx(self, text: Any, count: int) -> None:
        """Send characters."""
        if count <= 0:
            return
        octets = read_array(text, count, np.uint8)
        data = octets[:, None] >> np.arange(self._bits) & 1
        start = np.zeros((count, 1), np.uint8)
        stop = np.ones((count, int(np.ceil(self._stop))), np.uint8)
        levels = np.concatenate([start, data, stop], axis=1).ravel()
        self._pins.send({self._tx: levels if self._idle else 1 - levels}, 1.0 / self._rate)
        if self._tx == self._rx:
            self._received += octets.tobytes()

    def FDwfDigitalUartRx(self, text: Any, size: int, count: Any, parity: Any) -> None:
        """Hand out what was received; size 0 begins to receive."""
        out, self._received = self._received[:size], self._received[size:] if size else b""
        write_array(text, np.frombuffer(out, np.uint8), np.uint8)
        write(count, len(out))
        write(parity, 0)


class I2c:
    """I2C without anybody on the bus: no address is acknowledged."""

    def __init__(self, chassis: Chassis) -> None:
        self._chassis = chassis
        self._rate = 1e5

    def functions(self) -> Functions:
        """Return its functions by name."""
        return named(self)

    def _unanswered(self, nak: Any) -> None:
        self._chassis.world.clock.sleep((_FRAME + 2) / self._rate)
        self._chassis.advance()
        write(nak, 1)

    def FDwfDigitalI2cReset(self) -> None:
        """Forget all settings."""
        self._rate = 1e5

    def FDwfDigitalI2cClear(self, free: Any) -> None:
        """Tell that the bus is free."""
        write(free, 1)

    def FDwfDigitalI2cStretchSet(self, _enable: int) -> None:
        """Accept a setting that no slave can use."""

    def FDwfDigitalI2cRateSet(self, rate: float) -> None:
        """Set the bits a second."""
        if not rate > 0:
            raise invalid(1, f"{rate} Hz is not positive")
        self._rate = rate

    def FDwfDigitalI2cReadNakSet(self, _enable: int) -> None:
        """Accept a setting that no slave can use."""

    def FDwfDigitalI2cTimeoutSet(self, _timeout: float) -> None:
        """Accept a setting that no slave can use."""

    def FDwfDigitalI2cSclSet(self, pin: int) -> None:
        """Set the clock pin."""
        pin_number(pin)

    def FDwfDigitalI2cSdaSet(self, pin: int) -> None:
        """Set the data pin."""
        pin_number(pin)

    def FDwfDigitalI2cWriteRead(
        self, _address: int, _tx: Any, _sent: int, rx: Any, got: int, nak: Any
    ) -> None:
        """Get no answer."""
        self._unanswered(nak)
        write_array(rx, np.zeros(got, np.uint8), np.uint8)

    def FDwfDigitalI2cRead(self, _address: int, rx: Any, got: int, nak: Any) -> None:
        """Get no answer."""
        self._unanswered(nak)
        write_array(rx, np.zeros(got, np.uint8), np.uint8)

    def FDwfDigitalI2cWrite(self, _address: int, _tx: Any, _sent: int, nak: Any) -> None:
        """Get no answer."""
        self._unanswered(nak)

    def FDwfDigitalI2cWriteOne(self, _address: int, _octet: int, nak: Any) -> None:
        """Get no answer."""
        self._unanswered(nak)


class Can:
    """CAN; it receives what it sends if both use one pin. Its pins do not move."""

    def __init__(self, chassis: Chassis) -> None:
        self._chassis = chassis
        self._forget()

    def functions(self) -> Functions:
        """Return its functions by name."""
        return named(self)

    def _forget(self) -> None:
        self._rate = 125e3
        self._tx = self._rx = 0
        self._received: deque[tuple[int, int, int, bytes]] = deque()

    def FDwfDigitalCanReset(self) -> None:
        """Forget all settings."""
        self._forget()

    def FDwfDigitalCanRateSet(self, rate: float) -> None:
        """Set the bits a second."""
        if not rate > 0:
            raise invalid(1, f"{rate} Hz is not positive")
        self._rate = rate

    def FDwfDigitalCanPolaritySet(self, _high: int) -> None:
        """Accept a polarity."""

    def FDwfDigitalCanTxSet(self, pin: int) -> None:
        """Set the pin to send on."""
        self._tx = pin_number(pin)

    def FDwfDigitalCanRxSet(self, pin: int) -> None:
        """Set the pin to receive on."""
        self._rx = pin_number(pin)

    def FDwfDigitalCanTx(self, name: int, extended: int, remote: int, count: int, tx: Any) -> None:
        """Send a frame; identifier -1 begins to send."""
        if name < 0:
            return
        if not 0 <= count <= 8:
            raise invalid(4, f"{count} bytes in a frame are not in 0 to 8")
        self._chassis.world.clock.sleep((_CAN_OVERHEAD + 8 * count) / self._rate)
        self._chassis.advance()
        if self._tx == self._rx:
            data = read_array(tx, count, np.uint8).tobytes()
            self._received.append((name, extended, remote, data))

    def FDwfDigitalCanRx(
        self, name: Any, extended: Any, remote: Any, count: Any, rx: Any, size: int, status: Any
    ) -> None:
        """Hand out a frame that was received; size 0 begins to receive."""
        if not size:
            self._received.clear()
        frame = self._received.popleft() if self._received else (0, 0, 0, b"")
        found = bool(frame[3])
        for pointer, value in zip((name, extended, remote), frame[:3], strict=True):
            write(pointer, int(value))
        write(count, len(frame[3]))
        write_array(rx, np.frombuffer(frame[3][:size], np.uint8), np.uint8)
        write(status, int(found))
