import json
from pathlib import Path

import pytest

from acquired import command

OPTIONS = "--epochs 60 --train-points 80 --points 120 --votes 2300 --drifts 0.1,0.2"


def test_the_command_shows_tables_of_80_columns_and_draws_its_figure_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSBAR_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    assert command(f"certify {OPTIONS} --seed 3") == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80
    flat = " ".join(output.split())
    for words in (
        "the vote of the noisy network",
        "not the class that one chip gives",
        "as printed in arXiv 2412.02779, as recovered; unsound for p2 < (1-p1)/2",
        "seed 3",
        "Clopper-Pearson",
        "typical",
        "and right",
    ):
        assert words in flat
    first = Path("certify.png").read_bytes()
    assert command("runs figure 1 --figure again.png --json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["bench"] == {"kind": "software"}
    assert shown["log-normal"]["votes"] == 2300
    assert [row["drift"] for row in shown["log-normal"]["rows"]] == [0.1, 0.2]
    assert Path("again.png").read_bytes() == first


def test_the_help_says_what_is_certified(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("certify --help") == 0
    flat = " ".join(capsys.readouterr().out.split())
    assert "the vote, not one chip" in flat
    assert "--bench" not in flat
    assert "--resume" in flat
