"""What all tests share: the option that runs the contract suite on somebody's bench."""

import os
import tempfile

# Before NumPy is imported: a thread per core slows small matrices down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# What cells of real arrays have received is not for tests to write, nor their locks to take.
for _name in ("CROSSBAR_STATE", "CROSSBAR_LOCKS"):
    os.environ.setdefault(_name, tempfile.mkdtemp(prefix="crossbar-tests-"))

# The machines that run these tests are shared and slow at times; a deadline would test them.
settings.register_profile("house", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bench",
        metavar="FILE",
        default=None,
        help="bench TOML: run the backend contract suite on it too. On real hardware it pulses "
        "two cells, within the file's own limits; by default it is not run",
    )
    owner = parser.getgroup("tests for owners of instruments", "see docs/owner-tests.md")
    owner.addoption(
        "--wired",
        choices=["nothing", "loopback", "pins", "dac", "relays"],
        default=None,
        help="what hangs on the instruments of --bench while the crossbar is disconnected; "
        "without it they are not touched",
    )
    owner.addoption(
        "--resistor",
        metavar="OHM",
        type=float,
        default=None,
        help="resistor between the source meter's terminals; by default they are open",
    )
    owner.addoption(
        "--measure-query",
        action="store_true",
        help="also send MEAS? to a 2400: it resets the current limit and switches the output on",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests for owners measured on real instruments."""
    lines = [
        f"{report.nodeid.partition('::')[2]}: {value}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in report.user_properties
        if name == "measured" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write("\n".join([*lines, ""]))
