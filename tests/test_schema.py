import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crossbar.backend import StoreError
from crossbar.schema import APPLICATION_ID, VERSION
from crossbar.store import Store


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["CREATE TABLE diary (day TEXT)"], "another program"),
        (["PRAGMA application_id = 1"], "another program"),
        (["PRAGMA user_version = 3"], "another program"),
        (
            [f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {VERSION + 1}"],
            rf"newer version \(store version {VERSION + 1}; .* up to {VERSION}\)",
        ),
    ],
)
@pytest.mark.parametrize("readonly", [True, False])
def test_foreign_and_newer_databases_are_refused_and_not_altered(
    tmp_path: Path, statements: list[str], message: str, *, readonly: bool
) -> None:
    path = tmp_path / "other.sqlite"
    alter(path, *statements)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=message):
        Store.open(path, readonly=readonly)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["other.sqlite"]


def test_a_file_that_is_no_database_is_refused_and_not_altered(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * 100)
    with pytest.raises(StoreError, match="not a run store"):
        Store.open(path)
    assert path.read_text() == "remember the milk\n" * 100


def test_store_does_not_make_folders_nor_stores_for_readers(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="folder of the run store does not exist"):
        Store.open(tmp_path / "no" / "runs.sqlite")
    with pytest.raises(StoreError, match="there is no run store"):
        Store.open(tmp_path / "runs.sqlite", readonly=True)
    assert os.listdir(tmp_path) == []


def test_path_may_contain_what_a_uri_would_read_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=ro#b %20.sqlite"
    with Store.open(path) as store:
        store.start(experiment="trial", settings={}, bench={"kind": "sim"})
    assert path.is_file()


def test_processes_may_make_the_same_store_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    code = (
        "import sys; from crossbar.store import Store\n"
        "sys.stdin.read()\n"
        "with Store.open(sys.argv[1]) as store:\n"
        "    store.start(experiment='x', settings={}, bench={'kind': 'sim'}).finish()\n"
    )
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=pipe, stderr=pipe)
        for _ in range(4)
    ]
    # They all wait for the end of their input, so they start together.
    errors = [child.communicate()[1] for child in children]
    assert errors == [b""] * 4
    with Store.open(path) as store:
        assert [record.status for record in store.runs()] == ["finished"] * 4
