"""The supplies and the monitors of the device itself."""

from dataclasses import dataclass
from typing import Any

from crossbar.backend import Volt
from sim_backend.virtual.libdwf.chassis import Chassis
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.memory import write, write_text
from sim_backend.virtual.libdwf.parameters import Functions, constants, named

_ENABLE, _VOLTAGE, _CURRENT, _POWER, _TEMPERATURE = 1, 2, 3, 4, 5  # ANALOGIO, dwf.h
_NAME, _UNIT, _LABEL = 32, 16, 16  # bytes, dwf.h


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    unit: str
    kind: int
    settable: tuple[float, float, int] | None
    readable: tuple[float, float, int] | None
    at_rest: float = 0.0


def _supply(low: Volt, high: Volt) -> tuple[_Node, ...]:
    return (
        _Node("Enable", "", _ENABLE, (0.0, 1.0, 2), None),
        _Node("Voltage", "V", _VOLTAGE, (low, high, 501), (low, high, 501)),
        _Node("Current", "A", _CURRENT, None, (0.0, 0.7, 701)),  # 0.7 A: reference manual
    )


# Channels and nodes: pydwf's manual; ranges of the monitors and what they read: assumed
_CHANNELS: tuple[tuple[str, str, tuple[_Node, ...]], ...] = (
    ("Positive Supply", "V+", _supply(0.0, 5.0)),
    ("Negative Supply", "V-", _supply(-5.0, 0.0)),
    (
        "USB Monitor",
        "USB",
        (
            _Node("Voltage", "V", _VOLTAGE, None, (0.0, 6.0, 4096), 5.0),
            _Node("Current", "A", _CURRENT, None, (0.0, 1.0, 4096), 0.35),
            _Node("Temperature", "C", _TEMPERATURE, None, (-40.0, 125.0, 4096), 35.0),
        ),
    ),
    (
        "Auxiliary Monitor",
        "AUX",
        (
            _Node("Voltage", "V", _VOLTAGE, None, (0.0, 6.0, 4096)),
            _Node("Current", "A", _CURRENT, None, (0.0, 3.0, 4096)),
        ),
    ),
    (
        "Power Limit",
        "Limit",
        (_Node("Limit", "%", _POWER, (0.0, 100.0, 101), (0.0, 100.0, 101), 100.0),),
    ),
)


class AnalogIO:
    """Supplies V+ and V-, monitors of USB and auxiliary input, power limit."""

    def __init__(self, chassis: Chassis) -> None:
        self._chassis = chassis
        self._reset()

    def functions(self) -> Functions:
        """Return its functions by name."""
        made = named(self)
        made["FDwfAnalogIOEnableInfo"] = constants(1, 1)
        made["FDwfAnalogIOChannelCount"] = constants(len(_CHANNELS))
        return made

    def reset(self) -> None:
        """Switch everything off, and forget all settings."""
        self._chassis.advance()
        self._reset()

    def supplies(self) -> tuple[Volt, Volt]:
        """Return the voltages at V+ and V-."""
        master, values = self._applied
        if not master:
            return 0.0, 0.0
        positive, negative = (
            values[channel][1] if values[channel][0] >= 0.5 else 0.0 for channel in (0, 1)
        )
        return positive, negative

    def _reset(self) -> None:
        self._master = 0
        self._values = [[node.at_rest for node in nodes] for _, _, nodes in _CHANNELS]
        self._apply()
        self._read = self._applied

    def _apply(self) -> None:
        self._applied = (self._master, [list(values) for values in self._values])

    def _changed(self) -> None:
        if self._chassis.auto_configure:
            self.FDwfAnalogIOConfigure()

    @staticmethod
    def _node(channel: int, node: int) -> _Node:
        if not 0 <= channel < len(_CHANNELS):
            raise invalid(1, f"there is no analog IO channel {channel}")
        nodes = _CHANNELS[channel][2]
        if not 0 <= node < len(nodes):
            raise invalid(2, f"{_CHANNELS[channel][0]} has no node {node}")
        return nodes[node]

    def FDwfAnalogIOReset(self) -> None:
        """Switch everything off."""
        self.reset()

    def FDwfAnalogIOConfigure(self) -> None:
        """Take the settings."""
        self._chassis.advance()
        self._apply()

    def FDwfAnalogIOStatus(self) -> None:
        """Read all monitors."""
        self._chassis.advance()
        self._read = self._applied

    def FDwfAnalogIOEnableSet(self, master: int) -> None:
        """Set the switch that all supplies share."""
        self._master = int(bool(master))
        self._changed()

    def FDwfAnalogIOEnableGet(self, master: Any) -> None:
        """Tell the setting of that switch."""
        write(master, self._master)

    def FDwfAnalogIOEnableStatus(self, master: Any) -> None:
        """Tell the position of that switch."""
        write(master, self._read[0])

    def FDwfAnalogIOChannelName(self, channel: int, name: Any, label: Any) -> None:
        """Tell the names of a channel."""
        self._node(channel, 0)
        write_text(name, _CHANNELS[channel][0], _NAME)
        write_text(label, _CHANNELS[channel][1], _LABEL)

    def FDwfAnalogIOChannelInfo(self, channel: int, nodes: Any) -> None:
        """Tell how many nodes a channel has."""
        self._node(channel, 0)
        write(nodes, len(_CHANNELS[channel][2]))

    def FDwfAnalogIOChannelNodeName(self, channel: int, node: int, name: Any, unit: Any) -> None:
        """Tell name and unit of a node."""
        meant = self._node(channel, node)
        write_text(name, meant.name, _NAME)
        write_text(unit, meant.unit, _UNIT)

    def FDwfAnalogIOChannelNodeInfo(self, channel: int, node: int, kind: Any) -> None:
        """Tell what a node is."""
        write(kind, self._node(channel, node).kind)

    def FDwfAnalogIOChannelNodeSetInfo(
        self, channel: int, node: int, low: Any, high: Any, steps: Any
    ) -> None:
        """Tell the range in which a node can be set."""
        settable = self._node(channel, node).settable or (0.0, 0.0, 0)
        for pointer, value in zip((low, high, steps), settable, strict=True):
            write(pointer, value)

    def FDwfAnalogIOChannelNodeStatusInfo(
        self, channel: int, node: int, low: Any, high: Any, steps: Any
    ) -> None:
        """Tell the range in which a node is read."""
        readable = self._node(channel, node).readable or (0.0, 0.0, 0)
        for pointer, value in zip((low, high, steps), readable, strict=True):
            write(pointer, value)

    def FDwfAnalogIOChannelNodeSet(self, channel: int, node: int, value: float) -> None:
        """Set a node; beyond its range, libdwf takes the nearest value."""
        settable = self._node(channel, node).settable
        if settable is None or not value == value:
            raise invalid(3, f"node {node} of {_CHANNELS[channel][0]} cannot be set to {value}")
        self._values[channel][node] = min(max(value, settable[0]), settable[1])
        self._changed()

    def FDwfAnalogIOChannelNodeGet(self, channel: int, node: int, value: Any) -> None:
        """Tell the setting of a node."""
        self._node(channel, node)
        write(value, self._values[channel][node])

    def FDwfAnalogIOChannelNodeStatus(self, channel: int, node: int, value: Any) -> None:
        """Tell what a node reads."""
        kind = self._node(channel, node).kind
        master, values = self._read
        read = values[channel][node]
        if channel < 2 and kind == _VOLTAGE and not (master and values[channel][0] >= 0.5):
            read = 0.0
        write(value, read)
