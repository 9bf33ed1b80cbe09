import json
from pathlib import Path
from typing import Any

import pytest

from crossbar.bench import BENCHES, load
from crossbar.cli import run
from crossbar.cli.info import gather
from crossbar.cli.output import console


def parsed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert run(["info", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_info_fits_80_columns_and_names_versions_packages_and_benches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "_width", 80)
    assert run(["info"]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80
    for word in ("numpy", "python", "crossbar", "instruments", "sim_backend", *BENCHES):
        assert word in output


def test_benches_in_the_folder_are_found_and_faulty_ones_told(tmp_path: Path) -> None:
    text = load("ideal").text
    (tmp_path / "lab.toml").write_text(text, encoding="utf-8")
    kept = text.replace("\nseed = 0", '\nseed = 0\nmemory = "a.npz"')
    (tmp_path / "kept.toml").write_text(kept, encoding="utf-8")
    (tmp_path / "odd.toml").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("x = 1\n", encoding="utf-8")
    benches = gather(tmp_path)["benches"]
    assert list(benches)[: len(BENCHES)] == list(BENCHES)
    assert benches[str(tmp_path / "lab.toml")] == "sim bench"
    assert benches[str(tmp_path / "kept.toml")] == (
        f"sim bench, its array kept in {tmp_path / 'a.npz'}"
    )
    assert "not usable: bench odd: missing key 'kind'" in benches[str(tmp_path / "odd.toml")]
    assert len(benches) == len(BENCHES) + 3


def test_the_json_of_info_has_what_the_table_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    facts = parsed(capsys)
    assert set(facts) == {"versions", "packages", "benches", "warnings"}
    assert facts["benches"] == dict(BENCHES)
    assert set(facts["packages"]) == {"crossbar", "instruments", "sim_backend"}


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_is_printed_as_the_file_that_it_is(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["info", "--bench", name]) == 0
    assert capsys.readouterr().out == load(name).text
    made = parsed(capsys, "--bench", name)
    kind = load(name).kind
    assert made == {"name": name, "kind": kind, "memory": None, "toml": load(name).text}


def test_a_bench_that_does_not_exist_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["info", "--bench", "nowhere"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
