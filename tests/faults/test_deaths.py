"""Programs that are killed at random times: all is off at once, and nothing is lost."""

import os
import socket

import pytest

from crossbar.bench import load
from crossbar.torture.deaths import SIGNALS, deaths

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="Python has no Unix sockets here"
)

KILLS = len(SIGNALS) * (35 if os.environ.get("CROSSBAR_KILLS") else 1)
"""On each of two benches: 210 in `make torture`."""


@pytest.mark.parametrize("bench", ["virtual-parallel", "virtual-switched"])
def test_programs_killed_at_random_times_leave_nothing_on_and_lose_nothing(bench: str) -> None:
    died = deaths(load(bench), 0, KILLS)
    assert len(died) == KILLS
    assert {death.by for death in died} == set(SIGNALS)
    assert all(death.answered > 0 for death in died)
    assert [(death.by, death.findings) for death in died if death.findings] == []
