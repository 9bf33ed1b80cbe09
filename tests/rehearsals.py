"""Bench files with instruments beside the Analog Discovery 2, and their rehearsals."""

from pathlib import Path

import numpy as np

from crossbar.backend import Cells
from crossbar.bench import load, open_bench

BOARD = '[switch_board]\nport = "/dev/ttyACM0"\n\n[limits]'
SERIAL = (("lab", 'select = "dio"', 'select = "serial"'), ("lab", "[limits]", BOARD))

SERIAL_PLUGGED = (
    ("virtual", 'netlist = "switched"', 'netlist = "switched-serial"'),
    ("virtual", 'clock = "fast"', 'clock = "fast"\nswitch_board = true'),
)
"""What puts a virtual switch board on a rehearsal."""


def keithley(model: str, *, reads: bool) -> tuple[tuple[str, str, str], ...]:
    """Return what puts a source meter on a bench file, and a virtual one on its rehearsal."""
    resource = 'resource = "GPIB0::24::INSTR"'
    table = f'[keithley]\nmodel = "{model}"\n{resource}\nreads = {str(reads).lower()}\n\n[limits]'
    plugged = f'[source_meter]\nmodel = "{model}"\n{resource}\n\n[device]'
    return (
        ("lab", "r_on = 5.0", "relay = 10\nr_on = 5.0"),
        ("lab", "[limits]", table),
        ("virtual", "[device]", plugged),
    )


def rehearsal(folder: Path, *changes: tuple[str, str, str]) -> str:
    """Write a switched bench and its rehearsal with changes; return the path of the latter."""
    texts = {"lab": load("lab-switched").text, "virtual": load("virtual-switched").text}
    for which, old, new in changes:
        assert texts[which].count(old) == 1, old
        texts[which] = texts[which].replace(old, new)
    texts["virtual"] = texts["virtual"].replace('"lab-switched"', '"lab.toml"')
    for which, text in texts.items():
        (folder / f"{which}.toml").write_text(text, encoding="utf-8")
    return str(folder / "virtual.toml")


def scanned(bench: str) -> np.ndarray:
    """Return the mean currents of the first nine cells, A."""
    cells = Cells.block(range(3), range(3))
    with open_bench(bench) as opened:
        reads = [opened.backend.read(cells, 0.3).current for _ in range(4)]
        zero = opened.backend.drive(np.zeros((4, 10))).current.mean(axis=0)
    return np.asarray(np.mean(reads, axis=0) - zero[cells.bit])
