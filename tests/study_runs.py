"""A study that takes a second, and its record."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from crossbar.experiments.study import run
from crossbar.experiments.study_settings import StudySettings
from crossbar.resumable import RESUMES, Record, interrupted
from crossbar.session import software_session
from crossbar.store import Arrays, Store

SHORT = StudySettings(
    task="glycans",
    objectives="erm,lognormal",
    seeds=2,
    draws=3,
    sigmas="0,0.3,0.8",
    epochs=2,
    size=80,
)
NAMES = [f"unit/graph/{name}/{k}" for k in range(2) for name in ("erm", "lognormal")]
"""Of the units of `SHORT`, in the order they are made here."""

STORE = "s.sqlite"
Progress = Callable[[str, int, int], None]


def quiet(work: str, done: int, total: int) -> None:
    """Show nothing."""


def studied(
    folder: Path,
    settings: StudySettings = SHORT,
    seed: int = 3,
    progress: Progress = quiet,
    resume: int | None = None,
) -> dict[str, Arrays]:
    """Run a study, or go on with one, and return what is in its record."""
    earlier: Mapping[str, Arrays] = {}
    kept = asdict(settings)
    if resume is not None:
        with Store.open(folder / STORE, readonly=True) as store:
            earlier = interrupted(store, store.run(resume), "study").results
        kept[RESUMES] = resume
    with software_session(folder / STORE, experiment="study", settings=kept, seed=seed) as s:
        run(settings, Record(s.run, earlier), s.seed, progress)
        return s.store.results(s.run.id)


def recorded(folder: Path, number: int) -> dict[str, Arrays]:
    """Return what is in the record of a run."""
    with Store.open(folder / STORE, readonly=True) as store:
        return store.results(number)


def differences(one: Mapping[str, Arrays], other: Mapping[str, Arrays]) -> list[str]:
    """Return what is not the same to the last bit in two records, whatever the order."""
    found = sorted(set(one) ^ set(other))
    for name in set(one) & set(other):
        keys = set(one[name]) | set(other[name])
        found += [
            f"{name}.{key}"
            for key in keys
            if key not in one[name]
            or key not in other[name]
            or one[name][key].tobytes() != other[name][key].tobytes()
        ]
    return found
