from dataclasses import replace
from pathlib import Path

import pytest

from crossbar.backend import DataError
from crossbar.begun import (
    BEGUN,
    begun,
    begun_note,
    check_bench,
    difference,
    keeps_array,
    made_of,
    time_goes_on,
)
from crossbar.bench import BENCHES, Bench, load, remembering
from crossbar.guard import Guarded
from crossbar.session import _reckon
from crossbar.store import RunRecord, Store
from rehearsals import SERIAL, SERIAL_PLUGGED, rehearsal
from sim_backend import SimulatedBackend
from sim_backend.settings import SimulationSettings
from test_bench_serve import written


def noted(folder: Path, note: dict[str, object]) -> tuple[Store, RunRecord]:
    store = Store.open(folder / "runs.sqlite")
    run = store.start(experiment="iv", settings={}, bench={"kind": "sim"})
    run.note(note)
    return store, store.run(run.id)


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_of_ours_is_what_it_was(name: str, tmp_path: Path) -> None:
    store, run = noted(tmp_path, begun_note(load(name), {}))
    with store:
        before = begun(store, run)
    assert before is not None
    assert (before.bench, before.memory, before.folder) == (name, None, Path.cwd())
    check_bench(run, before, load(name))


def test_paths_are_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab.toml").write_text(load("sim").text, encoding="utf-8")
    description = remembering(load("lab.toml"), Path("a.npz"))
    store, run = noted(tmp_path, begun_note(description, {"figure": Path("f.png"), "csv": None}))
    with store:
        before = begun(store, run)
    assert before is not None
    assert before.bench == str(tmp_path / "lab.toml")
    assert before.memory == tmp_path / "a.npz"
    assert before.files == {"figure": str(tmp_path / "f.png")}


def test_a_damaged_note_is_refused(tmp_path: Path) -> None:
    for k, wrong in enumerate((3, {"folder": 3}, {"folder": "x", "files": []}, "text")):
        (tmp_path / str(k)).mkdir()
        store, run = noted(tmp_path / str(k), {BEGUN: wrong})
        with store, pytest.raises(DataError, match="how it was begun is damaged"):
            begun(store, run)


def test_an_instrument_that_answers_elsewhere_is_the_same_one(tmp_path: Path) -> None:
    first = load(rehearsal(tmp_path, *SERIAL, *SERIAL_PLUGGED))
    board = '[switch_board]\nport = "COM7"\ndeadline = 5.0\n\n[limits]'
    moved = (SERIAL[0], ("lab", "[limits]", board), *SERIAL_PLUGGED)
    assert difference(made_of(first), made_of(load(rehearsal(tmp_path, *moved)))) is None
    other = rehearsal(tmp_path, *moved, ("lab", "r_on = 5.0", "r_on = 6.0"))
    assert difference(made_of(first), made_of(load(other))) == ("rehearsed.wiring.r_on", 5.0, 6.0)


def test_tables_differ_where_they_differ() -> None:
    assert difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}) == ("a.c", 2, 3)
    assert difference({"a": 1}, {}) == ("a", 1, None)
    assert difference({}, {"a": [1]}) == ("a", None, [1])
    assert difference({"a": float("nan")}, {"a": float("nan")}) is None


def test_arrays_that_outlive_a_program_are_known(tmp_path: Path) -> None:
    assert not keeps_array(load("sim"))
    assert keeps_array(remembering(load("sim"), tmp_path / "a.npz"))
    assert not keeps_array(load("virtual"))
    assert keeps_array(load(str(written(tmp_path))))
    assert keeps_array(load("lab-parallel"))


def test_time_goes_on_only_where_it_is_that_of_the_computer() -> None:
    virtual = load("virtual")
    assert not time_goes_on(load("sim"))
    assert not time_goes_on(virtual)
    assert time_goes_on(replace(virtual, tables={**virtual.tables, "clock": "wall"}))
    assert time_goes_on(load("lab-switched"))


def test_another_array_behind_the_same_bench_is_refused(tmp_path: Path) -> None:
    backend = SimulatedBackend(SimulationSettings())
    guard = Guarded(backend, backend.limits)
    bench = Bench("own", "virtual", guard, load("sim").programming, 0, made={"array": "array 2"})
    with Store.open(tmp_path / "runs.sqlite") as store:
        made = {"kind": "virtual", "array": "array 1"}
        run = store.start(experiment="iv", settings={}, bench=made)
        with pytest.raises(DataError, match="run 1 was on array 1, and bench own has array 2 now"):
            _reckon(store, [run.id], bench)
