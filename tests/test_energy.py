import json
from pathlib import Path

import numpy as np
import pytest

from acquired import acquire, acquire_from, command, drawn, interrupted, recorded
from crossbar.backend import CapacityError, DataError
from crossbar.data import moons, standardise
from crossbar.energy.converters import ADCS
from crossbar.experiments.energy import EnergySettings
from crossbar.experiments.energy_summary import summarise
from crossbar.experiments.energy_view import prefixed
from crossbar.network import Layer, Network, save
from crossbar.store import Arrays
from quiet_bench import EXACT
from sim_backend import SimulatedBackend

SHORT = EnergySettings(epochs=20, repeats=2, train_points=60, test_points=50, law_points=2)
BOUND = 0.3
"""Read voltage of the benches that are used here, V."""


def ones(n_in: int, n_out: int, activation: str = "linear") -> Layer:
    return Layer(np.ones((n_in, n_out)), np.ones(n_out), activation)


def saved(folder: Path, *layers: Layer) -> str:
    save(Network(layers), folder / "network.npz")
    return str(folder / "network.npz")


def table(folder: Path, rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> str:
    np.savetxt(folder / "inputs.csv", rows, delimiter=",")
    return str(folder / "inputs.csv")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    return acquire(tmp_path_factory.mktemp("energy"), "energy", SHORT)


def test_equal_weights_and_inputs_of_one_dissipate_v_squared_g(tmp_path: Path) -> None:
    settings = EnergySettings(
        network=saved(tmp_path, ones(3, 2)),
        data=table(tmp_path, np.ones((6, 3))),
        repeats=1,
        law_points=1,
        read_time=2e-8,
    )
    found = acquire(tmp_path, "energy", settings, "ideal")
    summary = summarise(found)
    (layer,) = summary["layers"]
    window = found["draw/0"]["conductance"][:4, :4]
    # 4 inputs with the bias, 2 outputs: 8 cells at the top of the window and 8 at its low end.
    assert layer["devices"] == 16
    assert np.ptp(window[:, [0, 2]]) / window.max() < 0.05
    power = BOUND**2 * window.sum()
    assert layer["power_W"]["mean"] == pytest.approx(power)
    assert layer["power_sd_over_inputs_W"] == pytest.approx(0.0, abs=1e-15)
    assert layer["energy_J"]["mean"] == pytest.approx(power * 2e-8)
    rates = summary["inference"]["tops_per_watt"]["array"]
    assert rates["device"]["mean"] == pytest.approx(2 * 16 / (power * 2e-8) / 1e12)
    assert rates["pair"]["mean"] == pytest.approx(2 * 8 / (power * 2e-8) / 1e12)
    assert summary["accuracy"] is None


def test_inputs_are_driven_in_proportion_and_power_with_their_square(tmp_path: Path) -> None:
    rows = np.array([[0.5, -1.0], [0.0, 0.0], [1.0, 0.25]])
    settings = EnergySettings(
        network=saved(tmp_path, ones(2, 1)),
        data=table(tmp_path, rows),
        repeats=1,
        law_points=1,
    )
    draw = acquire(tmp_path, "energy", settings, "ideal")["draw/0"]
    squares = (BOUND * np.column_stack([rows, np.ones(3)])) ** 2
    own = draw["conductance"][:3, :2].sum(axis=1)
    np.testing.assert_allclose(draw["own_0"], squares @ own, rtol=1e-12)
    idle = draw["conductance"][:3, 2:].sum(axis=1)
    np.testing.assert_allclose(draw["idle_0"], squares @ idle, rtol=1e-9, atol=1e-15)
    assert (draw["cells_0"][3:] == 0).all()


def test_power_is_that_of_the_true_conductances(tmp_path: Path) -> None:
    backend = SimulatedBackend(EXACT)
    settings = EnergySettings(
        network=saved(tmp_path, ones(2, 1)), data=table(tmp_path, np.ones((5, 2))), repeats=1
    )
    draw = acquire_from(backend, tmp_path, "energy", settings)["draw/0"]
    true = BOUND**2 * backend.conductances[:3, :2].sum()
    assert float(draw["own_0"].mean()) == pytest.approx(true, rel=1e-6)


def test_the_law_of_a_nonlinear_device_is_found_by_reading(tmp_path: Path) -> None:
    settings = EnergySettings(
        network=saved(tmp_path, ones(2, 1)),
        data=table(tmp_path, np.ones((5, 2))),
        repeats=1,
        law_points=4,
    )
    law = summarise(acquire(tmp_path, "energy", settings))["law"]
    # The device of `sim` conducts by G sinh(bV)/b with b = 1/V; lines and noise are small.
    steps = np.array(law["voltages_V"])
    expected = np.sinh(steps) / steps / (np.sinh(BOUND) / BOUND)
    np.testing.assert_allclose(steps, BOUND * np.arange(1, 5) / 4)
    np.testing.assert_allclose(law["ratio"], expected, rtol=5e-3)


def test_layers_add_up_to_an_inference(results: dict[str, Arrays]) -> None:
    summary = summarise(results)
    whole, layers = summary["inference"], summary["layers"]
    assert [x["devices"] for x in layers] == [24, 10]
    assert [x["operations"]["pair"] for x in layers] == [24, 10]
    array = sum(x["energy_J"]["mean"] for x in layers)
    idle = sum(x["idle_energy_J"]["mean"] for x in layers)
    adc = 10 * ADCS["isaac"].energy  # 8 and 2 bit lines
    dac = 8 * (3 + 5) * 4e-3 / 1024 / 1e7  # 8 pieces of an input on 3 and 5 word lines
    assert whole["array_energy_J"]["mean"] == pytest.approx(array)
    assert whole["driven_energy_J"]["mean"] == pytest.approx(array + idle)
    assert whole["converter_energy_J"] == pytest.approx(adc + dac)
    assert whole["total_energy_J"]["mean"] == pytest.approx(array + idle + adc + dac)
    rates = [
        whole["tops_per_watt"][name]["device"]["mean"]
        for name in ("array", "with_idle_cells", "with_converters")
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[2] == pytest.approx(2 * 34 / (array + idle + adc + dac) / 1e12, rel=1e-2)


def test_every_cell_on_a_driven_line_is_either_a_device_or_idle(results: dict[str, Arrays]) -> None:
    draw = results["draw/0"]
    for k in range(2):
        total = float((draw[f"own_{k}"] + draw[f"idle_{k}"]).mean())
        assert float(draw[f"cells_{k}"].sum()) == pytest.approx(total)


def test_a_longer_read_costs_more_array_and_no_more_converters(
    results: dict[str, Arrays],
) -> None:
    longer = {**results, "asked": {**results["asked"], "read_time": np.asarray(5e-7)}}
    short, long = summarise(results)["inference"], summarise(longer)["inference"]
    ratio = long["array_energy_J"]["mean"] / short["array_energy_J"]["mean"]
    assert ratio == pytest.approx(10.0)
    assert long["converter_energy_J"] == short["converter_energy_J"]


def test_the_benchs_own_read_time_is_measured_beside_the_hypothetical(
    results: dict[str, Arrays],
) -> None:
    summary = summarise(results)
    assert summary["read_time_s"] == 50e-9
    assert summary["bench_read_time_s"]["mean"] == pytest.approx(1e-4)  # `read_time` of sim
    whole = summary["inference"]
    slower = whole["array_energy_at_bench_read_time_J"]["mean"] / whole["array_energy_J"]["mean"]
    assert slower == pytest.approx(1e-4 / 50e-9)


def test_a_shared_reference_line_is_a_device_line_of_each_layer(tmp_path: Path) -> None:
    settings = EnergySettings(
        network=saved(tmp_path, ones(2, 3, "tanh"), ones(3, 1)), mapping="reference", repeats=1
    )
    layers = summarise(acquire(tmp_path, "energy", settings, "ideal"))["layers"]
    assert [x["devices"] for x in layers] == [3 * 4, 4 * 2]
    assert [x["operations"]["pair"] for x in layers] == [2 * 9, 2 * 4]


def test_a_saved_network_of_two_inputs_runs_on_the_moons_with_its_accuracy(tmp_path: Path) -> None:
    sign = Layer(np.array([[0.0], [-1.0]]), np.zeros(1))  # below the middle: class 1
    settings = EnergySettings(network=saved(tmp_path, sign), repeats=1, test_points=200)
    summary = summarise(acquire(tmp_path, "energy", settings, "ideal"))
    points = moons(2000, 0.1, np.random.default_rng(0))
    lower = standardise(points)(points).inputs[:, 1] < 0
    assert summary["software_accuracy"] == pytest.approx(np.mean(lower == points.labels), abs=0.06)
    assert summary["accuracy"]["mean"] == pytest.approx(summary["software_accuracy"], abs=0.02)


def test_a_column_of_classes_gives_an_accuracy_of_several_outputs(tmp_path: Path) -> None:
    network = saved(tmp_path, Layer(np.eye(2), np.zeros(2)))
    rows = np.array([[1.0, 0.0, 0], [0.2, 0.9, 1], [1.0, 0.3, 1], [0.1, 0.8, 1]])
    settings = EnergySettings(network=network, data=table(tmp_path, rows), repeats=1)
    summary = summarise(acquire(tmp_path, "energy", settings, "ideal"))
    assert summary["software_accuracy"] == summary["accuracy"]["mean"] == 0.75


def test_without_converters_only_the_array_is_counted(tmp_path: Path) -> None:
    settings = EnergySettings(
        network=saved(tmp_path, ones(2, 1)), adc="none", dac="none", repeats=1
    )
    results = acquire(tmp_path, "energy", settings, "ideal")
    summary = summarise(results)
    assert summary["adc"] is summary["dac"] is None
    assert summary["inference"]["converter_energy_J"] == 0
    assert len(drawn(tmp_path, "energy", settings, results)) > 10_000


def test_what_was_finished_before_an_interrupt_is_kept_and_shown(tmp_path: Path) -> None:
    found = interrupted(tmp_path, "energy", SHORT, "programming draws", 1)
    assert set(found) == {"asked", "network", "draw/0"}
    assert len(drawn(tmp_path, "energy", SHORT, found)) > 10_000


def test_a_record_without_a_draw_has_the_papers_figures_only() -> None:
    assert set(summarise({})) == {"papers"}


def test_the_command_fits_eighty_columns_and_says_what_is_not_in_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    options = "--epochs 20 --repeats 2 --train-points 60 --test-points 50"
    assert command(f"energy {options} --store s.sqlite --adc liu-12b") == 0
    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines()) <= 80
    assert "…" not in said
    joined = " ".join(said.split())
    for words in (
        "hypothetical read time",
        "Charging of lines",
        "precision is not simulated",
        "Liu, ISSCC 2016, 27.4",
        "2 of this ADC keep up with reads of 50 ns",
        "This bench's own read takes 100 µs",
        "no figure here is ours",
        "27548 GOPS/W",
    ):
        assert words in joined
    assert recorded(tmp_path)[0].experiment == "energy"
    assert (tmp_path / "energy.png").exists()


def test_json_holds_layers_inference_conventions_and_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"energy --network {saved(tmp_path, ones(2, 1))} --repeats 1 --store s.sqlite --json"
    assert command(text) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layers"][0]["power_W"]["n"] == 1
    assert found["inference"]["tops_per_watt"]["array"]["pair"]["mean"] > 0
    assert set(found["conventions"]) >= {"per device", "per pair", "not_counted"}
    assert {row["kind"] for row in found["papers"]} == {"printed", "follows", "other source"}


def test_it_runs_on_virtual_instruments(tmp_path: Path) -> None:
    settings = EnergySettings(
        network=saved(tmp_path, ones(2, 1)), repeats=1, test_points=20, law_points=1
    )
    results = acquire(tmp_path, "energy", settings, "virtual")
    (layer,) = summarise(results)["layers"]
    window = results["draw/0"]["conductance"][:3, :2]
    assert 0 < layer["power_W"]["mean"] < 0.5**2 * window.sum()
    assert layer["idle_power_W"]["mean"] > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"read_time": 0.0}, "--read-time 0"),
        ({"adc": "ideal"}, "--adc 'ideal' is not one of isaac"),
        ({"dac": "kull"}, "--dac 'kull' is not one of isaac, none"),
        ({"repeats": 0}, "--repeats 0"),
        ({"law_points": 0}, "--law-points 0"),
        ({"mapping": "pairs"}, "--mapping 'pairs'"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        EnergySettings(**given)  # type: ignore[arg-type]  # the wrong value is the test


def test_an_unknown_objective_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--training 'luck' is not one of erm"):
        acquire(tmp_path, "energy", EnergySettings(training="luck"))


def test_a_network_that_does_not_fit_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(CapacityError, match="3x13 and 14x1"):
        acquire(tmp_path, "energy", EnergySettings(hidden=13))


def test_inputs_that_do_not_fit_a_network_are_refused(tmp_path: Path) -> None:
    network = saved(tmp_path, ones(3, 1))
    with pytest.raises(DataError, match="3 inputs and 1 outputs, moons 2 and 1"):
        acquire(tmp_path, "energy", EnergySettings(network=network))
    data = table(tmp_path, np.ones((4, 2)))
    with pytest.raises(DataError, match=r"has 2 columns; .* takes 3 inputs"):
        acquire(tmp_path, "energy", EnergySettings(network=network, data=data))


@pytest.mark.parametrize(
    ("value", "shown"), [(2.5e-12, (2.5, "pJ")), (0.0, (0.0, "fJ")), (999e-9, (999, "nJ"))], ids=str
)
def test_numbers_are_shown_with_the_prefix_that_fits(
    value: float, shown: tuple[float, str]
) -> None:
    factor, unit = prefixed(value, "J")
    assert value * factor == pytest.approx(shown[0])
    assert unit == shown[1]
