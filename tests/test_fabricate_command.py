"""`xbar fabricate` as a person and as a script see it, from the first recipe to the report."""

import json
from pathlib import Path
from typing import Any

import pytest

from campaigns import TEXT, true_value
from crossbar.cli import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("CROSSBAR_CAMPAIGN", "CROSSBAR_DATABASE"):
        monkeypatch.delenv(name, raising=False)


def said(capsys: Capture, *arguments: str, code: int = 0) -> str:
    assert run(["fabricate", *arguments]) == code
    captured = capsys.readouterr()
    text = captured.err if code else captured.out
    assert max((len(line) for line in text.splitlines()), default=0) <= 80 or code
    return " ".join(text.split())


def facts(capsys: Capture, *arguments: str) -> Any:
    assert run(["fabricate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def small(capsys: Capture) -> None:
    Path("campaign.toml").write_text(TEXT)
    said(capsys, "new")


def test_the_whole_loop_against_a_simulated_laboratory(capsys: Capture) -> None:
    assert "no end of recipes" in said(capsys, "new", "--example", "simulated")
    assert "from the middle" in said(capsys, "ask")
    for number in (1, 2):
        made = facts(capsys, "make", str(number), "--devices", "2")
        assert made["simulated"]
        row = facts(capsys, "tell", str(number), "--iv", *made["files"])["recipes"][0]
        assert 0 < row["value"] < 1
        assert len(row["tellings"][0]["source"]["files"]) == 2
    text = said(capsys, "ask", "-n", "1")
    for part in ("recipe 3:", "expected usability", "better than the best so far", "most alike"):
        assert part in text
    assert "simulated device(s)" in said(capsys, "make", "3", "--devices", "2")
    text = said(capsys, "tell", "3", "--iv", "made/recipe-3")
    assert "form exponential" in text
    status = facts(capsys, "status")
    assert status["counts"] == {"told": 3, "pending": 0, "failed": 0, "withdrawn": 0}
    assert len(status["next"]) == 5
    assert "next candidates" in said(capsys, "status")
    assert len(facts(capsys, "plot")["figures"]) == 4
    assert facts(capsys, "report") == {"report": "campaign.html"}
    assert Path("campaign.html").stat().st_size > 100_000


@pytest.mark.usefixtures("small")
def test_status_shows_pending_failed_corrected_and_the_best(capsys: Capture) -> None:
    for k, value in enumerate(("0.2", "0.5")):
        said(capsys, "add", "type=a", f"length={k + 1}", "width=10")
        said(capsys, "tell", str(k + 1), value, "--sd", "0.02", "--note", "mine")
    said(capsys, "add", "type=b", "length=1.5", "width=12")
    said(capsys, "add", "type=c", "length=1", "width=10")
    assert "recipe 4: failed" in said(capsys, "tell", "4", "--failed")
    assert "correcting" in said(capsys, "tell", "1", "0.3", "--correct")
    text = said(capsys, "status", "--next", "0")
    for part in ("2 told, 1 pending, 1 failed", "0.300 c", "0.500 ± 0.020 *", "failed", "pending"):
        assert part in text
    assert "next candidates" not in text
    told = facts(capsys, "status", "--next", "2")
    assert [len(row["tellings"]) for row in told["recipes"]] == [2, 1, 0, 1]
    assert told["best"]["number"] == 2
    assert 0 < told["next"][0]["feasible"] < 1


@pytest.mark.usefixtures("small")
def test_a_batch_is_asked_for_while_others_are_in_the_oven(capsys: Capture) -> None:
    first = facts(capsys, "ask", "-n", "2")["recipes"]
    said(capsys, "tell", "1", f"{true_value(first[0]['recipe']):.4f}")
    second = facts(capsys, "ask", "-n", "2")["recipes"]
    everything = [tuple(row["recipe"].items()) for row in (*first, *second)]
    assert len(set(everything)) == 4
    assert second[0]["advice"]["nearest"][0][0] == 1


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tell", "1", "1.5"), "usability 1.5 is outside 0 to 1"),
        (("tell", "1", "nan"), "usability nan is outside 0 to 1"),
        (("tell", "9", "0.5"), "there is no recipe 9; there are 1 to 1"),
        (("tell", "1"), "tell one value, --iv FILES, --failed or --withdrawn"),
        (("tell", "1", "0.5", "--failed"), "one of them"),
        (("tell", "1", "a.csv"), "'a.csv' is no number; files are told with --iv"),
        (("tell", "1", "--iv"), "--iv needs files"),
        (("tell", "1", "--iv", "none.csv"), "none.csv"),
        (("tell", "1", "0.5", "--sd", "-1"), "standard deviation -1"),
        (("tell", "1", "0.5", "--correct"), "nothing was told of recipe 1 yet"),
        (("add", "type=a", "length=9", "width=10"), "length = 9 um is outside 1 to 5 um"),
        (("add", "type=d", "length=1", "width=10"), "type = 'd' is not one of a, b, c"),
        (("add", "type=a", "length=x", "width=10"), "length = 'x' is no number"),
        (("add", "type=a", "length=1"), "a point of type, length"),
        (("add", "type"), "'type' is not NAME=VALUE"),
        (("new",), "was begun already"),
        (("new", "--example", "paper"), "campaign.toml exists; it is not written over"),
        (("new", "--example", "none", "-c", "n.toml"), "'none' is not one of paper, simulated"),
        (("ask", "-c", "none.toml"), "none.toml cannot be read"),
        (("plot",), "told nothing yet"),
        (("compare", "campaign.toml"), "two campaigns or more"),
        (("make", "1"), "the simulated laboratory knows"),
    ],
)
def test_bad_input_is_one_sentence_and_loses_nothing(
    capsys: Capture, arguments: tuple[str, ...], message: str
) -> None:
    said(capsys, "add", "type=a", "length=1", "width=10")
    before = facts(capsys, "status")["recipes"]
    text = said(capsys, *arguments, code=2)
    assert message in text
    assert "Traceback" not in text
    assert facts(capsys, "status")["recipes"] == before


@pytest.mark.usefixtures("small")
def test_a_changed_file_is_refused_and_says_what_changed(capsys: Capture) -> None:
    Path("campaign.toml").write_text(TEXT.replace('"c"]', '"d"]'))
    text = said(capsys, "ask", code=2)
    assert 'variables[0].choices[2] was "c", is "d"' in text


def test_campaigns_are_compared(capsys: Capture) -> None:
    for name in ("one", "two"):
        Path(f"{name}.toml").write_text(TEXT.replace('"small"', f'"{name}"'))
        said(capsys, "new", "-c", f"{name}.toml")
        said(capsys, "add", "type=a", "length=1", "width=10", "-c", f"{name}.toml")
    text = said(capsys, "compare", "one.toml", "two.toml", code=2)
    assert "'one' was told nothing yet" in text
    for name, value in (("one", "0.4"), ("two", "0.6")):
        said(capsys, "tell", "1", value, "-c", f"{name}.toml")
    rows = facts(capsys, "compare", "one.toml", "two.toml")["campaigns"]
    assert [(row["campaign"], row["best"], row["best_recipe"]) for row in rows] == [
        ("one", 0.4, 1),
        ("two", 0.6, 1),
    ]
    assert "compare.png" in said(capsys, "compare", "one.toml", "two.toml")
    assert Path("compare.png").stat().st_size > 10_000


def test_the_papers_campaign_begins_at_its_first_device(capsys: Capture) -> None:
    said(capsys, "new", "--example", "paper", "-c", "paper.toml")
    row = facts(capsys, "ask", "-c", "paper.toml")["recipes"][0]
    assert row["number"] == 2
    assert row["advice"]["nearest"] == [[1, 0.36, pytest.approx(row["advice"]["nearest"][0][2])]]
