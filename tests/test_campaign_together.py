"""Two processes at one campaign, on SQLite and on PostgreSQL, and one that dies at it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from campaigns import RECIPE, TEXT, with_campaign
from crossbar.campaigns.campaign import Campaign, begin
from crossbar.campaigns.records import State, Telling
from postgresql_server import missing, server

WORKER = Path(__file__).with_name("campaign_worker.py")
EACH = 8
PATIENCE = 120  # s


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with server(tmp_path_factory.mktemp("pg")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path, name = tmp_path / "small.toml", f"small {tmp_path.name}"
    text = TEXT.replace('"small"', f'"{name}"')
    if request.param == "postgresql":
        text = f'database = "{request.getfixturevalue("postgresql")}"\n' + text
    path.write_text(text)
    with begin(path):
        pass
    return path


def worker(file: Path, how: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(file), how, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def state_of(file: Path) -> State:
    state = with_campaign(file, Campaign.state)
    assert isinstance(state, State)
    return state


def test_two_who_ask_and_tell_at_once_get_different_recipes_and_lose_none(file: Path) -> None:
    processes = [worker(file, "ask and tell", EACH) for _ in range(2)]
    numbers: list[list[int]] = []
    for process in processes:
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        numbers.append([int(line) for line in out.split()])
    assert sorted(numbers[0] + numbers[1]) == list(range(1, 2 * EACH + 1))
    state = state_of(file)
    recipes = [tuple(made.recipe.items()) for made in state.recipes]
    assert len(set(recipes)) == 2 * EACH
    assert all(made.status == "told" and len(made.tellings) == 1 for made in state.recipes)


@pytest.mark.parametrize(
    ("how", "status"), [("before", "pending"), ("within", "pending"), ("after", "told")]
)
def test_a_process_that_is_killed_while_it_tells_leaves_the_campaign_whole(
    file: Path, how: str, status: str
) -> None:
    assert with_campaign(file, lambda campaign: campaign.add(RECIPE)) == 1
    process = worker(file, how, 1)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, err
    (made,) = state_of(file).recipes
    assert (made.status, len(made.tellings)) == (status, int(status == "told"))
    telling = Telling("told", 0.6)
    with_campaign(file, lambda campaign: campaign.tell(1, telling, correct=status == "told"))
    assert state_of(file).recipes[0].value == 0.6


def test_postgresql_refuses_to_forget(postgresql: str, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f'database = "{postgresql}"\n' + TEXT.replace('"small"', '"kept"'))
    with begin(path) as campaign:
        campaign.tell_own(RECIPE, Telling("told", 0.5))
        assert campaign.database.startswith("postgresql+psycopg://tester@/postgres?host=")
    engine = create_engine(postgresql)
    for statement in ("DELETE FROM tellings", "UPDATE recipes SET number = 9"):
        with engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    assert state_of(path).recipes[0].value == 0.5
