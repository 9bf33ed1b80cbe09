"""What there is to know of a run besides its arrays: as plain values, and as a table to read."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from crossbar.backend import Flag
from crossbar.experiments import EXPERIMENTS
from crossbar.store import RunRecord, Store

_REFUSALS = ("LimitError", "BudgetError", "ClosedError")  # nothing was driven
_NUMBERED = re.compile(r"(.*/)\d+")


def run_facts(store: Store, run: RunRecord) -> dict[str, Any]:
    """Return everything about a run but its arrays, as plain values.

    Pulses and readings are counted cell by cell. A call that failed on the bench, or that has no
    outcome because the process died, counts as applied; a refused one does not.
    """
    calls: Counter[str] = Counter()
    pulses = clipped = failed = open_ended = 0
    for call in store.calls(run.id):
        calls[call.verb] += 1
        failed += call.error is not None
        open_ended += call.ended is None
        if not (call.error or "").startswith(_REFUSALS):
            if call.verb == "pulse":
                pulses += call.asked["voltages"].size
            # A waveform is one pulse, as the guard counts it.
            pulses += call.verb == "trace"
        if call.answered and "flags" in call.answered:
            flags = call.answered["flags"].astype(np.uint8)
            clipped += int(np.count_nonzero(flags & Flag.CLIPPED))
    return asdict(run) | {
        "calls": dict(calls),
        "failed_calls": failed,
        "calls_without_outcome": open_ended,
        "pulses": pulses,
        "clipped_readings": clipped,
        "results": {
            name: {array: list(values.shape) for array, values in arrays.items()}
            for name, arrays in store.results(run.id).items()
        },
        "notes": len(store.notes(run.id)),
    }


def facts_table(facts: Mapping[str, Any]) -> Table:
    """Return the facts of a run as a person reads them; ``--json`` gives all of them.

    Constants that nobody measured carry an asterisk; shapes of result arrays are left out.
    """
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in _rows(facts):
        table.add_row(Text(name), Text(text or "-"))
    return table


def took(started: str, ended: str | None) -> str:
    """Return the duration of a run as a person says it, or ``"-"`` if it has no end."""
    if ended is None:
        return "-"
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def wall(time: str) -> str:
    """Return a wall-clock time to the second."""
    return time[:19].replace("T", " ")


def bench_text(kind: str, name: str) -> str:
    """Return kind and name of a bench, once if they are the same."""
    return kind if name == kind else f"{kind} {name}"


def _rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield label and text of each line of the table."""
    yield "run", f"{facts['id']}, {facts['experiment']}, {facts['status']}"
    if facts["error"]:
        yield "error", facts["error"]
    lasted = "" if facts["ended"] is None else f", took {took(facts['started'], facts['ended'])}"
    yield "started", f"{wall(facts['started'])} UTC{lasted}"
    yield "host", f"{facts['host']}, process {facts['pid']}"
    yield "seed", _text(facts["seed"])
    yield "settings", _compact(facts["settings"])
    bench = {k: v for k, v in facts["bench"].items() if k not in ("kind", "name", "seed")}
    yield from _section("bench", bench, bench_text(facts["bench_kind"], facts["bench_name"]))
    made = dict(facts["provenance"])
    if isinstance(made.get("command"), list):
        made["command"] = shlex.join(map(str, made["command"]))
    yield from _section("provenance", made)
    yield "calls", _compact(facts["calls"])
    yield "", f"{facts['failed_calls']} failed, {facts['calls_without_outcome']} without outcome"
    yield "pulses", f"{facts['pulses']}; clipped readings: {facts['clipped_readings']}"
    yield "results", _result_names(facts["results"])
    if facts["experiment"] in EXPERIMENTS:
        yield "summary", f"xbar runs figure {facts['id']} shows it as tables and a figure"
    else:
        yield from _section("summary", facts["summary"] or {})
    yield "notes", _text(facts["notes"])


def _section(
    name: str, values: Mapping[str, Any], first: str | None = None
) -> Iterator[tuple[str, str]]:
    """Yield what is not nested in one line, then a line per nested mapping."""
    flat = {k: v for k, v in values.items() if not isinstance(v, Mapping)}
    assumed = flat.get("assumed", [])
    shown = _compact(flat, assumed)
    yield name, f"{first}; {shown}" if first and shown else first or shown
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield f"  {key}", _compact(value, value.get("assumed", assumed), whole=key in assumed)


def _compact(values: Mapping[str, Any], assumed: Any = (), *, whole: bool = False) -> str:
    """Return values as ``name=value``, those that nobody measured with an asterisk."""
    parts = []
    for name, value in values.items():
        if name == "assumed" and isinstance(value, list):
            continue
        star = "*" if whole or name in assumed else ""
        if isinstance(value, Mapping):
            inner = _compact(value, value.get("assumed", assumed), whole=bool(star))
            parts.append(f"{name}({inner})" if inner else f"{name}()")
        else:
            parts.append(f"{name}={_text(value)}{star}")
    return ", ".join(parts)


def _result_names(results: Mapping[str, Any]) -> str:
    """Return the names of results, numbered ones together: ``draw/erm/0...9``."""
    groups: dict[str, list[str]] = {}
    for name in results:
        numbered = _NUMBERED.fullmatch(name)
        groups.setdefault(numbered[1] if numbered else name, []).append(name)
    return ", ".join(
        names[0] if len(names) == 1 else f"{names[0]}...{names[-1].rpartition('/')[2]}"
        for names in groups.values()
    )


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return f"({_compact(value)})"
    return str(value)
