"""A virtual bench that lives in another process, for drivers in this one."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from crossbar.backend import BenchError
from sim_backend.virtual.bench import VirtualBench, VirtualSettings
from sim_backend.virtual.remote import RemoteBench


class VisitedBench:
    """Instruments that live on when this program ends, as real ones do, while the block runs.

    Parameters
    ----------
    settings
        What the other process should be made of, and its socket.

    Raises
    ------
    BenchError
        On entering: if nobody answers there, or it is made of something else.
    """

    def __init__(self, settings: VirtualSettings) -> None:
        if settings.host is None:
            raise BenchError("the settings name no socket of another process")
        self.settings = settings
        self.ports: Mapping[str, str] = {}
        self.array: str | None = None
        """Name of the array in the other process: another process has another one."""
        self.clock = RemoteBench(Path(settings.host))
        self._visit = ExitStack()

    def __enter__(self) -> "VisitedBench":
        with ExitStack() as visit:
            visit.enter_context(self.clock)
            self._compare(self.clock.describe())
            state = self.clock.state()
            self.ports, self.array = state["ports"], f"virtual array {state['session']}"
            self._visit = visit.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._visit.close()

    def _compare(self, found: Mapping[str, object]) -> None:
        """Raise unless the other process is made of what the settings say."""
        wanted = VirtualBench(replace(self.settings, host=None)).describe()
        plain = json.loads(json.dumps(wanted))
        differing = sorted(key for key in plain if plain[key] != found.get(key))
        if differing:
            told = "; ".join(f"{key} {found.get(key)!r}, not {plain[key]!r}" for key in differing)
            raise BenchError(f"the virtual bench at {self.settings.host} has {told}")

    def describe(self) -> Mapping[str, object]:
        """Return what the instruments and the array behind them are made of."""
        return {**self.clock.describe(), "host": self.settings.host}
