from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import BenchError, Cells, ClosedError, CrossbarError, LimitError
from crossbar.bench import BENCHES, load, open_bench, remembering

SIM = load("sim").text
KIND = {name: "sim" if name in ("sim", "ideal") else name.partition("-")[0] for name in BENCHES}
KIND |= {name: "hardware" for name in BENCHES if name.startswith("lab-")}


def changed(tmp_path: Path, *changes: tuple[str, str]) -> str:
    """Write the bench `sim` with lines replaced, and return its path."""
    text = SIM
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "lab.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_that_ships_is_complete(name: str) -> None:
    description = load(name)
    assert (description.name, description.kind, description.memory) == (name, KIND[name], None)


@pytest.mark.parametrize("name", [name for name, kind in KIND.items() if kind != "hardware"])
def test_every_bench_without_hardware_opens_and_reads(name: str) -> None:
    description = load(name)
    with open_bench(description) as bench:
        assert bench.backend.read(Cells.of([(0, 0)]), 0.1).current.shape == (1,)
        described = bench.describe()
        assert (described["name"], described["seed"], described["memory"]) == (name, 0, None)
        assert described["kind"] == KIND[name]
        assert bench.crossbar().settings == description.programming.cell


@pytest.mark.parametrize("name", BENCHES)
def test_the_text_of_a_bench_is_a_bench_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.toml"
    path.write_text(load(name).text, encoding="utf-8")
    assert replace(load(str(path)), name=name) == load(name)


def test_a_seed_replaces_the_one_in_the_file_and_chooses_the_array(tmp_path: Path) -> None:
    def first_read(bench: str, seed: int | None) -> bytes:
        with open_bench(bench, seed=seed) as opened:
            assert opened.seed == opened.describe()["seed"]
            return opened.backend.read(Cells.all((10, 10)), 0.2).current.tobytes()

    written = changed(tmp_path, ("\nseed = 0", "\nseed = 7"))
    assert first_read(written, None) == first_read("sim", 7) != first_read("sim", None)
    assert first_read(written, 0) == first_read("sim", None)


MISTAKES: dict[str, tuple[str, str, str]] = {
    "top": ("\nseed = 0", "\nsead = 0", "unknown key 'sead'; did you mean 'seed'"),
    "kind": ("\nkind =", "\nknid =", "missing key 'kind'; did you mean it by 'knid'"),
    "table": ("[limits]", "[limts]", r"missing table \[limits\]; did you mean it by 'limts'"),
    "array": ("\nword_lines", "\nword_line", "'array.word_line'; did you mean 'word_lines'"),
    "device": (
        "\n[device]",
        "\n[device]\nred_sigma = 0.1",
        r"\[device\]: .*did you mean 'read_sigma'",
    ),
    "dac": ("\nrange = ", "\nrang = ", r"\[dac\]: unknown key 'rang'; did you mean 'range'"),
    "tia": ("\n[tia]", "\n[tia]\ngain_sigm = 0.1", r"\[tia\]: .*did you mean 'gain_sigma'"),
    "adc": ("\nranges = ", "\nrange_s = ", r"\[adc\]: .*did you mean 'ranges'"),
    "limits": ("\nwidth_min =", "\nwidth_mni =", r"\[limits\]: .*did you mean 'width_min'"),
    "programming": ("\nstuck_pulses", "\nstuck_pulse", "did you mean 'stuck_pulses'"),
    "policy": ("\nset_step", "\nsetstep", r"\[programming.ispp\]: .*did you mean 'set_step'"),
    "unknown policy": ('"ispp"', '"guess"', "programming.policy = 'guess' is not one of"),
    "another policy's table": ("[programming.ispp]", "[programming.secant]", "programming.ispp|is"),
    "unknown device": ('"perovskite"', '"oxide"', "device.model = 'oxide' is not one of ideal"),
    "unknown scheme": ('"half"', '"halves"', "no scheme is called 'halves'; there are grounded"),
    "unknown kind": ('kind = "sim"', 'kind = "lab"', "kind = 'lab' is not one of sim, virtual"),
    "not TOML": ("\n[tia]", "\n[tia", "not TOML"),
    "a value for a table": ("\n[tia]", "\n[[tia]]", "tia is a table, not"),
    "size": ("word_lines = 10", "word_lines = 0", "0 x 10 lines have no cells"),
    "limit": ("\nvoltage = 5.0", "\nvoltage = nan", "limit voltage = nan|voltage"),
    "text for a number": ("word_lines = 10", 'word_lines = "ten"', "array.word_lines = 'ten'"),
    "bits": ("bits = 16", 'bits = "exactly"', r"\[dac\]: bits = 'exactly'"),
    "no memory": ("\nseed = 0", '\nseed = 0\nmemory = ""', "memory names a file"),
    "memory": ("\nseed = 0", "\nseed = 0\nmemory = 1", "memory = 1"),
}


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_a_bench_file_is_refused_before_anything_opens(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match=message) as told:
        load(changed(tmp_path, (old, new)))
    assert str(told.value).startswith("bench lab")


@pytest.mark.parametrize("table", ["array", "device", "dac", "tia", "adc", "limits", "programming"])
def test_a_missing_table_is_named(table: str, tmp_path: Path) -> None:
    kept = [part for part in SIM.split("\n\n") if not part.startswith(f"[{table}")]
    path = tmp_path / "lab.toml"
    path.write_text("\n\n".join(kept), encoding="utf-8")
    with pytest.raises(BenchError, match=f"missing (table|key).*{table}"):
        load(str(path))


def test_a_bench_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BenchError, match="'nowhere' is neither a file nor one of sim, ideal"):
        load("nowhere")


def test_a_folder_or_a_binary_file_is_no_bench(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be read"):
        load(str(tmp_path))
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchError, match="cannot be read"):
        load(str(tmp_path / "b.toml"))


def test_exact_converters_do_not_round(tmp_path: Path) -> None:
    exact = changed(tmp_path, ("bits = 16", 'bits = "exact"'), ("bits = 14", 'bits = "exact"'))
    with open_bench(exact) as bench:
        described = bench.describe()
        current = bench.backend.read(Cells.all((10, 10)), 0.2).current
    for converter in ("dac", "adc"):
        part = described[converter]
        assert isinstance(part, dict)
        assert part["bits"] is None
    codes = current / 1e-5 * (2**13 - 1)
    assert np.abs(codes - np.rint(codes)).max() > 0.1


CELL, WIDTH = Cells.of([(0, 0)]), np.array([1e-4])


def test_the_limits_are_in_force_behind_open_bench(tmp_path: Path) -> None:
    lower = changed(
        tmp_path, ("\nvoltage = 5.0", "\nvoltage = 4.9"), ("pulses = 100000", "pulses = 1")
    )
    with open_bench(lower) as bench:
        with pytest.raises(LimitError, match=r"4\.95 V is outside ±4\.9 V"):
            bench.backend.pulse(CELL, np.array([4.95]), WIDTH, 0.1)
        with pytest.raises(LimitError, match=r"0\.6 V is outside ±0\.5 V"):
            bench.backend.read(CELL, 0.6)
        with pytest.raises(LimitError):
            bench.backend.drive(np.full((1, 10), np.nan))
        bench.backend.pulse(CELL, np.array([3.0]), WIDTH, 0.1)
        with pytest.raises(LimitError, match="1 pulses used"):
            bench.backend.pulse(CELL, np.array([3.0]), WIDTH, 0.1)


def test_leaving_the_block_closes_the_bench_also_after_an_exception() -> None:
    with open_bench("ideal") as bench:
        pass
    with pytest.raises(ClosedError):
        bench.backend.wait(0.0)

    def broken() -> None:
        nonlocal bench
        with open_bench("ideal") as bench:
            raise CrossbarError("in the middle")

    with pytest.raises(CrossbarError, match="in the middle"):
        broken()
    with pytest.raises(ClosedError):
        bench.backend.read(CELL, 0.1)


def test_memory_in_a_file_lies_beside_it_and_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = changed(tmp_path, ("\nseed = 0", '\nseed = 0\nmemory = "kept.npz"'))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with open_bench(spec) as bench:
        assert bench.memory == tmp_path / "kept.npz"
        assert bench.describe()["memory"] == str(tmp_path / "kept.npz")
        bench.backend.wait(5.0)
    assert not list(elsewhere.iterdir())
    with open_bench(spec) as bench:
        assert bench.backend.now == 5.0
    with open_bench("sim") as bench:
        assert bench.backend.now == 0.0


def test_another_seed_than_the_memory_has_is_refused(tmp_path: Path) -> None:
    description = remembering(load("ideal"), tmp_path / "a.npz")
    with open_bench(description):
        pass
    with pytest.raises(BenchError, match="seed = 0, this bench has 3"):
        open_bench(description, seed=3).__enter__()


def test_only_a_simulated_array_is_kept_in_a_file(tmp_path: Path) -> None:
    real = replace(load("sim"), kind="laboratory")
    with pytest.raises(BenchError, match="is of kind 'laboratory' and keeps its own array"):
        remembering(real, tmp_path / "a.npz")


def test_loading_opens_nothing(tmp_path: Path) -> None:
    load(changed(tmp_path, ("\nseed = 0", '\nseed = 0\nmemory = "kept.npz"')))
    assert [p.name for p in tmp_path.iterdir()] == ["lab.toml"]


def test_floating_lines_are_warned_of_with_their_error_before_anything_is_driven(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with open_bench("virtual-mux"):
        (said,) = caplog.messages
    assert said.startswith("bench virtual-mux: ")
    assert "%" in said
    caplog.clear()
    with open_bench("virtual-switched"):
        assert caplog.messages == []
