"""Another process at a campaign: what a second person on a second machine does.

``python campaign_worker.py FILE HOW COUNT``. Prints the numbers of the recipes that it asked for.
HOW is "ask and tell", or where a telling is killed: "before", "within" or "after" its commit.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossbar.campaigns import ledger
from crossbar.campaigns.campaign import begun
from crossbar.campaigns.records import State, Telling


def main() -> None:
    """Do it."""
    file, how, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with begun(file) as campaign:
        grid = campaign.definition.space.points(campaign.definition.space.grid())

        def propose(state: State) -> list[tuple[Mapping[str, float | str], dict[str, Any]]]:
            made = [dict(one.recipe) for one in state.recipes]
            return [(next(point for point in grid if dict(point) not in made), {})]

        if how == "ask and tell":
            for k in range(count):
                (number,) = campaign.ask(propose)
                campaign.tell(number, Telling("told", k / count))
                print(number, flush=True)  # noqa: T201 - what the other process reads
            return
        if how != "after":
            _die_in_the_middle(how)
        campaign.tell(count, Telling("told", 0.7))
        os.kill(os.getpid(), signal.SIGKILL)


def _die_in_the_middle(how: str) -> None:
    own = ledger.Hand.tell

    def dying(hand: ledger.Hand, number: int, telling: Telling) -> int:
        if how == "within":
            own(hand, number, telling)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    ledger.Hand.tell = dying  # type: ignore[method-assign, assignment]  # that is the test


main()
