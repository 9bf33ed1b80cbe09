"""What a wiring of one cell at a time is put together from, by the tables of its file."""

from dataclasses import replace

from crossbar.backend import Limits
from instruments.analog_discovery import AnalogDiscovery
from instruments.cell_runs import MOST
from instruments.keithley_path import KeithleyPath
from instruments.pulse_read import SHORTEST, Margins
from instruments.scans import Steps, ticks
from instruments.selectors import BoardSelector, PinSelector, Selector
from instruments.settings import HardwareSettings, KeithleyTable, SwitchedTable
from instruments.source_meter import SourceMeter
from instruments.switch_board import SwitchBoard
from instruments.timing import Timer

READ_PART = 0.95
"""Part of scope 1's range that a scan's level may use, so that it can be checked; assumed."""


def limits_within(settings: HardwareSettings) -> Limits:
    """Return the bench's limits, or the instrument's where those are stricter."""
    limits = settings.limits
    return replace(
        limits,
        voltage=min(limits.voltage, MOST),
        read_voltage=min(limits.read_voltage, READ_PART * settings.sense.range / 2),
        width_min=max(limits.width_min, SHORTEST),
    )


def margins(settings: HardwareSettings) -> Margins:
    """Return what surrounds a pulse; its lead is for the switch alone where rails stay at 0 V."""
    sense, timing = settings.sense, settings.timing
    bias_lead = timing.bias_lead if settings.schemes.levels[0] else 0.0
    return Margins(
        lead=ticks(max(timing.switch, bias_lead)),
        gap=ticks(timing.dead_time),
        settle=ticks(timing.line_settle),
        steps=Steps.of(max(sense.settle, timing.switch), sense.average),
    )


def selector(
    settings: HardwareSettings, discovery: AnalogDiscovery, table: SwitchedTable
) -> Selector:
    """Return what selects the lines: address pins, or the switch board."""
    board = settings.switch_board
    if table.select == "dio" or board is None:  # the settings saw to it that there is a board
        return PinSelector(discovery, table)
    return BoardSelector(SwitchBoard(board.port, deadline=board.deadline), board)


def keithley_path(
    settings: HardwareSettings, selected: Selector, timer: Timer, meter: SourceMeter | None
) -> KeithleyPath | None:
    """Return what a source meter does behind the relay; None without one.

    Parameters
    ----------
    settings
        Of the bench.
    selected
        The lines and the relay.
    timer
        What waiting is done by.
    meter
        The source meter, or None for the one of the settings.
    """
    table, timing = settings.keithley, settings.timing
    if table is None:
        return None
    limits = limits_within(settings)
    return KeithleyPath(
        source_meter(table, limits, timer) if meter is None else meter,
        table,
        selected,
        compliance=limits.current,
        settle=max(timing.switch, timing.line_settle),
        relay=timing.relay,
        timer=timer,
    )


def source_meter(table: KeithleyTable, limits: Limits, timer: Timer) -> SourceMeter:
    """Return the driver of a Keithley; it is imported here, because most benches have none."""
    if table.model == "6487":
        from instruments.keithley6487 import Keithley6487

        return Keithley6487(table.resource, limits, timer=timer, deadline=table.deadline)
    from instruments.keithley2400 import Keithley2400

    return Keithley2400(table.resource, limits, timer=timer, deadline=table.deadline)
