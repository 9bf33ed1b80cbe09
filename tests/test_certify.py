from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acquired import STORE, drawn, quiet
from crossbar.backend import DataError
from crossbar.certificates import equation2, lognormal
from crossbar.certificates.confidence import lower_limit
from crossbar.certificates.trinomial import Trinomial, radius
from crossbar.experiments.certify import CertifySettings, network_of, run
from crossbar.experiments.certify_summary import measured, spreads, summarise
from crossbar.experiments.certify_votes import CHIPS, SELECTION
from crossbar.network import Layer, Network, classify, load, save
from crossbar.resumable import Record, interrupted
from crossbar.session import software_session
from crossbar.store import Arrays, Store

SHORT = CertifySettings(epochs=60, train_points=80, points=120, votes=2300, drifts="0.1,0.2")
PIECES = [
    *("points", "network", "noise"),
    *("selection/log-normal", *(f"votes/log-normal/{k}" for k in range(3))),
    *("selection/trinomial", *(f"votes/trinomial/{k}" for k in range(3))),
    "chips",
]


@contextmanager
def recorded(
    folder: Path, settings: CertifySettings, seed: int = 3
) -> Iterator[tuple[Record, Store]]:
    with software_session(
        folder / STORE, experiment="certify", settings=asdict(settings), seed=seed
    ) as s:
        yield Record(s.run), s.store


def results_of(
    folder: Path,
    settings: CertifySettings = SHORT,
    seed: int = 3,
    progress: Callable[[str, int, int], None] = quiet,
) -> dict[str, Arrays]:
    with recorded(folder, settings, seed) as (record, store):
        run(settings, record, seed, progress)
        return store.results(record.id)


def rows(results: dict[str, Arrays], law: str = "log-normal") -> list[dict[str, Any]]:
    return summarise(results)[law]["rows"]  # type: ignore[index,no-any-return]


def identical(first: dict[str, Arrays], second: dict[str, Arrays]) -> bool:
    assert list(first) == list(second)
    return all(
        first[name][key].tobytes() == second[name][key].tobytes()
        for name in first
        for key in first[name]
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    return results_of(tmp_path_factory.mktemp("certify"))


@pytest.fixture
def saved(tmp_path: Path) -> str:
    """Return a network that is a line: class 1 above it."""
    save(Network((Layer(np.array([[-1.0], [2.0]]), np.array([0.5])),)), tmp_path / "line.npz")
    return str(tmp_path / "line.npz")


def test_votes_are_recorded_in_pieces(results: dict[str, Arrays]) -> None:
    assert list(results) == PIECES
    sizes = [int(results[f"votes/log-normal/{k}"]["votes"]) for k in range(3)]
    assert sizes == [1000, 1000, 300]
    assert int(results["selection/trinomial"]["votes"]) == SELECTION
    assert results["chips"]["accuracy"].shape == (2, CHIPS)


def test_the_summary_follows_from_the_votes(results: dict[str, Arrays]) -> None:
    summary: Any = summarise(results)
    labels = results["points"]["labels"]
    chosen = (results["selection/log-normal"]["ones"][:120] > SELECTION / 2).astype(int)
    ones = np.sum([results[f"votes/log-normal/{k}"]["ones"][:120] for k in range(3)], axis=0)
    shares = lower_limit(np.where(chosen == 1, ones, 2300 - ones), 2300, 1e-3)
    found = summary["log-normal"]
    assert found["votes"] == 2300
    assert found["vote_accuracy"]["share"] == np.mean((chosen == labels) & (shares > 0.5))
    assert found["abstained"]["share"] == np.mean(shares <= 0.5)
    noise = spreads(results)
    for row in found["rows"]:
        for name, quantile in (("typical", 0.5), ("most", 0.95)):
            length = noise.drift_distance(row["drift"], quantile)
            held = lognormal.margins(shares) >= length
            assert row[name]["certified"]["share"] == np.mean(held)
            assert row[name]["certified_and_right"]["share"] == np.mean(held & (chosen == labels))
    assert summary["software_accuracy"] == np.mean(
        classify(network_of(results["network"])(results["points"]["inputs"])) == labels
    )


def test_less_is_certified_against_more_drift(results: dict[str, Arrays]) -> None:
    first, second = rows(results)
    for name in ("typical", "most"):
        shares = [row[name]["certified"]["share"] for row in (first, second)]
        assert shares[0] > shares[1]
        assert all(
            row[name]["certified_and_right"]["share"] <= row[name]["certified"]["share"]
            for row in (first, second)
        )
    assert second["most"]["certified"]["share"] <= second["typical"]["certified"]["share"]
    assert first["typical"]["certified"]["share"] > 0.5


def test_trinomial_radii_are_those_of_each_points_votes(results: dict[str, Arrays]) -> None:
    chosen = results["selection/trinomial"]["ones"] > SELECTION / 2
    ones = np.sum([results[f"votes/trinomial/{k}"]["ones"] for k in range(3)], axis=0)
    shares = lower_limit(np.where(chosen, ones, 2300 - ones), 2300, 1e-3)
    law = Trinomial(0.02, 0.02)
    row: Any = rows(results, "trinomial")[0]
    exact = [radius(float(s), 17, law, half_allowed=False) >= 0 for s in shares]
    halved = [radius(float(s), 17, law) >= 0 for s in shares]
    claimed = [equation2.radius(float(s), 17, law) >= 0 for s in shares]
    assert row["exact"]["share"] == np.mean(exact)
    assert row["exact_halved"]["share"] == np.mean(halved)
    assert row["equation_2"]["share"] == np.mean(claimed)
    # What the published equation claims of nearly every point the exact bound proves of none.
    assert np.mean(claimed) > 0.8
    assert not any(halved)


def test_noise_that_mostly_zeroes_certifies_changes(results: dict[str, Arrays]) -> None:
    noise = results["noise"] | {"p": np.array([0.9, 0.1])}
    unanimous = {
        name: arrays | {"ones": np.full(120, arrays["votes"])}
        for name, arrays in results.items()
        if name.endswith("trinomial") or "/trinomial/" in name
    }
    found = rows({**results, **unanimous, "noise": noise}, "trinomial")
    share = float(lower_limit(2300, 2300, 1e-3))
    expected = radius(share, 17, Trinomial(0.9, 0.1), half_allowed=False)
    assert expected > 3
    assert [row["exact"]["share"] for row in found][: expected + 2] == [1.0] * (expected + 1) + [
        0.0
    ]
    assert found[-1]["changed"] > expected


def test_the_same_seed_gives_the_same_votes_bit_for_bit(
    results: dict[str, Arrays], tmp_path: Path
) -> None:
    assert identical(results_of(tmp_path), results)
    assert not identical(results_of(tmp_path, seed=4), results)


@pytest.mark.parametrize("stop", [("votes under log-normal noise", 1500), ("training", 60)])
def test_an_interrupted_run_goes_on_bit_for_bit(
    results: dict[str, Arrays], tmp_path: Path, stop: tuple[str, int]
) -> None:
    def impatient(work: str, done: int, _total: int) -> None:
        if work.startswith(stop[0]) and done >= stop[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        results_of(tmp_path, progress=impatient)
    with Store.open(tmp_path / STORE) as store:
        (before,) = store.runs()
        found = interrupted(store, before, "certify")
        assert before.status == "interrupted"
    kept = PIECES[:5] if stop[0].startswith("votes") else PIECES[:1]
    assert list(found.results) == kept
    trained = []

    def watched(work: str, _done: int, _total: int) -> None:
        trained.append(work.startswith("training"))

    with recorded(tmp_path, SHORT) as (record, store):
        run(SHORT, Record(record.run, found.results), 3, watched)
        again = store.results(record.id)
    assert identical(again, results)
    assert any(trained) is (stop[0] == "training")


def test_what_was_voted_before_an_interrupt_is_shown(
    results: dict[str, Arrays], tmp_path: Path
) -> None:
    with recorded(tmp_path, SHORT):
        pass
    some = {name: results[name] for name in PIECES[:6]}
    summary: Any = summarise(some)
    assert summary["log-normal"]["votes"] == 2000
    assert summary["trinomial"] is None
    assert drawn(tmp_path, "certify", SHORT, some).startswith(b"\x89PNG")
    fewer = {name: results[name] for name in PIECES[:4]}
    assert not measured(fewer)
    assert summarise(fewer)["log-normal"] is None


def test_more_votes_certify_larger_drifts(results: dict[str, Arrays]) -> None:
    limits: Any = summarise(results)["log-normal"]
    # All votes agreeing, the share is at least alpha to the power of one over their number.
    margin = float(lognormal.margins(1e-3 ** (1 / 2300)))
    for name, quantile in (("typical", 0.5), ("most", 0.95)):
        expected = margin / float(spreads(results).drift_distance(1.0, quantile))
        assert limits["largest_drift_if_unanimous"][name] == pytest.approx(expected)


def test_equal_noise_is_the_chi_law(tmp_path: Path) -> None:
    found = results_of(tmp_path, replace(SHORT, allotment="equal", votes=200))
    noise = spreads(found)
    assert noise.sigmas.tolist() == [0.4] * 17
    # 17 parameters, of which a common factor of the last layer's 5 is not counted.
    expected = float(lognormal.drift_norm(0.2, 16, 0.5)) / 0.4
    assert float(noise.drift_distance(0.2, 0.5)) == pytest.approx(expected)


def test_a_saved_network_is_certified_on_the_same_moons(saved: str, tmp_path: Path) -> None:
    settings = replace(SHORT, network=saved, votes=200)
    found = results_of(tmp_path, settings)
    again = network_of(found["network"])
    np.testing.assert_array_equal(again.layers[0].matrix, load(saved).layers[0].matrix)
    np.testing.assert_array_equal(
        found["points"]["inputs"],
        results_of(tmp_path, replace(SHORT, votes=200))["points"]["inputs"],
    )
    assert found["network"]["losses"].size == 0


def test_points_of_ones_own_reach_a_saved_network_as_they_are(saved: str, tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(3.0, 5.0, size=(60, 2))
    text = "\n".join(f"{x},{y},{'up' if 2 * y - x + 0.5 > 0 else 'down'}" for x, y in points)
    (tmp_path / "own.csv").write_text(text, encoding="utf-8")
    settings = replace(SHORT, network=saved, data=str(tmp_path / "own.csv"), votes=300)
    found = results_of(tmp_path, settings)
    np.testing.assert_allclose(found["points"]["inputs"], points)
    assert float(found["network"]["accuracy"]) == 1.0
    trained = results_of(tmp_path, replace(settings, network=None))
    assert len(trained["points"]["inputs"]) == 30
    assert trained["points"]["train_inputs"].std(axis=0) == pytest.approx([1, 1])


def test_a_network_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    save(Network((Layer(np.ones((3, 1)), np.zeros(1)),)), tmp_path / "three.npz")
    with pytest.raises(DataError, match="3 inputs and 1 outputs"):
        results_of(tmp_path, replace(SHORT, network=str(tmp_path / "three.npz")))
    with pytest.raises(DataError, match="--training 'luck'"):
        results_of(tmp_path, replace(SHORT, training="luck"))
    with pytest.raises(DataError, match="--training 'device'"):
        results_of(tmp_path, replace(SHORT, training="device"))


@pytest.mark.parametrize(
    "change",
    [
        {"smoothing": 0.0},
        {"votes": 10},
        {"points": 3},
        {"allotment": "more"},
        {"alpha": 0.7},
        {"drifts": "0.1,much"},
        {"drifts": "0,0.1"},
        {"drifts": " , "},
        {"p1": 0.6, "p2": 0.5},
        {"sigma": -1.0},
        {"hidden": 0},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match=next(iter(change))):
        replace(SHORT, **change)  # type: ignore[arg-type]  # the wrong value is the test
