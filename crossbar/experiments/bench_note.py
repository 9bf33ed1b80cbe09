"""The bench of a run and the devices on it, in a few words for a table or a figure."""

from collections.abc import Mapping

from crossbar.store import RunRecord


def bench_note(run: RunRecord) -> str:
    """Return the bench and what its devices are: ``bench virtual, device perovskite``.

    Only a bench of real instruments has real devices; those of a virtual one are simulated behind
    it.
    """
    made = run.bench.get("virtual", run.bench)
    device = made.get("device") if isinstance(made, Mapping) else None
    if isinstance(device, Mapping):
        model = str(device["model"])
    else:
        model = "real" if run.bench_kind == "hardware" else "not stated"
    alike = run.bench_name == run.bench_kind
    bench = run.bench_name if alike else f"{run.bench_kind} {run.bench_name}"
    return f"bench {bench}, device {model}"
