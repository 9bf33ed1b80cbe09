"""A campaign in its database: what is said is there whole, and nothing that was said is lost."""

import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from campaigns import RECIPE, TEXT, recipe
from crossbar.backend import DataError, StoreError
from crossbar.campaigns.campaign import DATABASE, begin, begun
from crossbar.campaigns.ledger import Ledger
from crossbar.campaigns.records import Telling

TOLD = Telling("told", 0.5, 0.02, {"from": "a person"}, "first")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    with begin(path):
        pass
    return path


def add(file: Path, given: Mapping[str, float | str] = RECIPE) -> int:
    with begun(file) as campaign:
        return campaign.add(given)


def tell(file: Path, number: int, telling: Telling = TOLD, *, correct: bool = False) -> int:
    with begun(file) as campaign:
        return campaign.tell(number, telling, correct=correct)


def test_what_was_told_is_there_when_the_campaign_is_opened_again(file: Path) -> None:
    assert add(file) == 1
    assert tell(file, 1) == 0
    with begun(file) as campaign:
        (made,) = campaign.state().recipes
    assert (made.number, made.recipe, made.origin) == (1, dict(RECIPE), "own")
    assert made.current is not None
    assert (made.value, made.current.sd, made.current.note) == (0.5, 0.02, "first")
    assert made.current.source == {"from": "a person"}
    assert made.current.made.endswith("+00:00")
    assert "@" in made.current.by


def test_a_campaign_is_kept_beside_its_file_or_where_it_says(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (tmp_path / "small.sqlite").is_file()
    other = tmp_path / "other.toml"
    other.write_text('database = "elsewhere.sqlite"\n' + TEXT)
    with begin(other) as campaign:
        assert campaign.database == str(tmp_path / "elsewhere.sqlite")
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path}/third.sqlite")
    with begin(other):
        pass
    assert (tmp_path / "third.sqlite").is_file()


def test_what_is_proposed_counts_as_being_made(file: Path) -> None:
    with begun(file) as campaign:
        numbers = campaign.ask(lambda state: [(RECIPE, {"mean": 0.5}), (recipe("b", 1, 10), {})])
        state = campaign.state()
    assert numbers == [1, 2]
    assert [made.status for made in state.recipes] == ["pending", "pending"]
    assert state.recipes[0].advice == {"mean": 0.5}


def test_a_proposal_that_fails_leaves_nothing(file: Path) -> None:
    def fails(state: object) -> list[tuple[dict[str, float | str], dict[str, object]]]:
        raise DataError("no idea")

    with begun(file) as campaign:
        with pytest.raises(DataError, match="no idea"):
            campaign.ask(fails)
        assert campaign.state().recipes == ()


@pytest.mark.parametrize("status", ["failed", "withdrawn"])
def test_a_recipe_may_fail_or_be_withdrawn(file: Path, status: str) -> None:
    add(file)
    tell(file, 1, Telling(status))  # type: ignore[arg-type]  # one of the two
    with begun(file) as campaign:
        (made,) = campaign.state().recipes
    assert (made.status, made.value) == (status, None)


def test_a_correction_keeps_what_was_told_before(file: Path) -> None:
    add(file)
    tell(file, 1)
    assert tell(file, 1, Telling("told", 0.7), correct=True) == 1
    assert tell(file, 1, Telling("failed"), correct=True) == 2
    with begun(file) as campaign:
        (made,) = campaign.state().recipes
    assert [t.value for t in made.tellings] == [0.5, 0.7, None]
    assert made.status == "failed"


def test_what_was_told_is_not_told_again_by_mistake(file: Path) -> None:
    add(file)
    with pytest.raises(DataError, match="nothing was told of recipe 1 yet"):
        tell(file, 1, correct=True)
    tell(file, 1)
    with pytest.raises(DataError, match=r"recipe 1 was told 0\.5 on .* by .*; to correct it"):
        tell(file, 1, Telling("told", 0.9))
    with begun(file) as campaign:
        assert campaign.state().recipes[0].value == 0.5


@pytest.mark.parametrize("number", [0, 2, -1])
def test_an_unknown_recipe_is_refused(file: Path, number: int) -> None:
    with pytest.raises(DataError, match=f"no recipe {number}; there are none yet"):
        tell(file, number)
    add(file)
    with pytest.raises(DataError, match=f"no recipe {number}; there are 1 to 1"):
        tell(file, number)


def test_a_value_or_a_recipe_that_cannot_be_leaves_nothing(file: Path) -> None:
    add(file)
    with pytest.raises(DataError, match=r"usability 1\.2 is outside 0 to 1"):
        tell(file, 1, Telling("told", 1.2))
    with begun(file) as campaign:
        with pytest.raises(DataError, match="length = 6 um is outside 1 to 5 um"):
            campaign.tell_own({**RECIPE, "length": 6.0}, TOLD)
        with pytest.raises(DataError, match=r"usability -1"):
            campaign.tell_own(RECIPE, Telling("told", -1.0))
        state = campaign.state()
    assert [made.status for made in state.recipes] == ["pending"]


def test_a_persons_own_recipe_and_its_value_are_one(file: Path) -> None:
    with begun(file) as campaign:
        assert campaign.tell_own({**RECIPE, "length": 2.5}, TOLD) == 1
        (made,) = campaign.state().recipes
    assert (made.recipe["length"], made.value) == (2.5, 0.5)


def test_a_file_that_was_changed_is_refused_with_what_changed(file: Path) -> None:
    file.write_text(TEXT.replace("40.0]", "50.0]"))
    with (
        pytest.raises(DataError, match=r"variables\[2\]\.levels\[3\] was 40\.0, is 50\.0"),
        begun(file),
    ):
        pass
    file.write_text(TEXT)
    add(file)


def test_a_key_that_came_with_a_later_version_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "old.toml"
    path.write_text(TEXT)
    with Ledger(str(tmp_path / "old.sqlite"), create=True) as ledger:
        ledger.begin("small", {"name": "small"}, TEXT)
    assert add(path) == 1


def test_a_campaign_is_begun_once(file: Path) -> None:
    with pytest.raises(DataError, match="'small' was begun already"), begin(file):
        pass


def test_one_database_holds_several_campaigns(file: Path) -> None:
    other = file.with_name("other.toml")
    text = TEXT.replace('"small"', '"other"')
    other.write_text('database = "small.sqlite"\n' + text)
    with begin(other) as campaign:
        campaign.add(RECIPE)
    with begun(file) as campaign:
        assert campaign.state().recipes == ()


def test_a_campaign_that_was_not_begun_is_an_error(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('database = "small.sqlite"\n' + TEXT.replace('"small"', '"other"'))
    with pytest.raises(DataError, match=r"no campaign 'other' .* there are: small"), begun(other):
        pass
    other.write_text(TEXT)
    with pytest.raises(StoreError, match="there is no such file"), begun(other):
        pass
    assert not other.with_suffix(".sqlite").exists()


def test_start_is_told_and_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        TEXT + '[[start]]\nrecipe = { type = "a", length = 2, width = 20 }\nvalue = 0.36\n'
        '[[start]]\nrecipe = { type = "b", length = 2, width = 20 }\n'
    )
    with begin(path) as campaign:
        first, second = campaign.state().recipes
    assert (first.value, first.origin, second.status) == (0.36, "start", "pending")


def test_what_earlier_campaigns_were_told_is_taken_when_one_is_begun(
    file: Path, tmp_path: Path
) -> None:
    add(file)
    tell(file, 1, Telling("told", 0.5))
    later = tmp_path / "later.toml"
    later.write_text('earlier = ["small.toml"]\n' + TEXT.replace('"small"', '"later"'))
    with begin(later) as campaign:
        assert campaign.state().earlier == ((dict(RECIPE), 0.5, 0.01),)
    add(file, recipe("b", 1, 10))
    with begun(later) as campaign:
        assert len(campaign.state().earlier) == 1
    other = tmp_path / "unlike.toml"
    other.write_text(later.read_text().replace('"later"', '"x"').replace("width", "height"))
    with pytest.raises(DataError, match="an earlier campaign is of another space"), begin(other):
        pass


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"SQLite format 3\0" + b"x" * 5000])
def test_a_damaged_database_is_an_error_and_stays_as_it_is(file: Path, content: bytes) -> None:
    database = file.with_suffix(".sqlite")
    for left in file.parent.glob("small.sqlite*"):
        left.unlink()
    database.write_bytes(content)
    with pytest.raises(StoreError) as caught, begun(file):
        pass
    assert str(caught.value).startswith(f"database {database}")
    assert "\n" not in str(caught.value)
    assert database.read_bytes() == content


def test_a_database_of_something_else_is_refused(file: Path) -> None:
    database = file.with_name("other.sqlite")
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE things (id INTEGER)")
    file.write_text('database = "other.sqlite"\n' + TEXT)
    with pytest.raises(StoreError, match="holds no campaigns"), begun(file):
        pass


def test_a_newer_database_is_refused(file: Path) -> None:
    with sqlite3.connect(file.with_suffix(".sqlite")) as connection:
        connection.execute("UPDATE campaign_schema SET version = 99")
    with pytest.raises(StoreError, match="is of version 99, this is 1"), begun(file):
        pass


@pytest.mark.parametrize("table", ["tellings", "recipes", "campaigns"])
@pytest.mark.parametrize("statement", ["DELETE FROM {0}", "UPDATE {0} SET id = 9"])
def test_the_tables_refuse_to_forget(file: Path, table: str, statement: str) -> None:
    add(file)
    tell(file, 1)
    with (
        sqlite3.connect(file.with_suffix(".sqlite")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement.format(table))


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("nonsense://somewhere/x", "nonsense"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", r"\*\*\*@127"),
    ],
)
def test_a_database_that_cannot_be_reached_is_an_error_without_its_password(
    tmp_path: Path, database: str, message: str
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f'database = "{database}"\n' + TEXT)
    with pytest.raises(StoreError, match=message) as caught, begin(path):
        pass
    assert "secret" not in str(caught.value)


def test_without_its_driver_postgresql_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    path = tmp_path / "s.toml"
    path.write_text('database = "postgresql+psycopg://me@127.0.0.1:1/x"\n' + TEXT)
    with (
        pytest.raises(StoreError, match=r"pip install 'crossbar-hil\[postgresql\]'"),
        begin(path),
    ):
        pass
