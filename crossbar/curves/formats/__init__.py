"""Formats of measured files by name; a new one is a file here and a line in `FORMATS`."""

from crossbar.curves.formats import (
    arc_one,
    chip_logs,
    keithley,
    knowm,
    levels,
    plain_text,
    pulse_text,
    pymeasure,
    records,
    retention_text,
    sheets,
    switchbox,
)
from crossbar.curves.formats.format import Clue, Format, Peek

FORMATS: dict[str, Format] = {
    "pymeasure": pymeasure.FORMAT,
    "keithley": keithley.FORMAT,
    "sheets": sheets.FORMAT,
    "levels": levels.FORMAT,
    "arc-one": arc_one.FORMAT,
    "knowm": knowm.FORMAT,
    "switchbox": switchbox.FORMAT,
    "rram-chip": chip_logs.FORMAT,
    "pulses": pulse_text.FORMAT,
    "retention": retention_text.FORMAT,
    "record": records.FORMAT,
    "text": plain_text.FORMAT,
}

__all__ = ["FORMATS", "Clue", "Format", "Peek"]
