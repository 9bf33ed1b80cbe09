"""The array's circuit against other programs: ngspice and badcrossbar."""

import importlib
import importlib.util
import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import Array, Mask
from sim_backend.array import Circuit
from sim_backend.devices.law import SinhLaw
from spice import needs_ngspice, spice

OHMS = 2.0, 30.0, 7.0
AGREE = 1e-10
"""Of the largest current or voltage: ngspice prints 16 digits and iterates to 12."""


def task(shape: tuple[int, int]) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(shape[0])
    G = rng.uniform(1e-5, 1e-4, shape)
    return G, rng.uniform(0, 0.8, shape[0]), rng.uniform(0, 0.1, shape[1])


def some(shape: tuple[int, int]) -> tuple[Mask, Mask]:
    return np.arange(shape[0]) % 3 != 1, np.arange(shape[1]) % 2 == 0


@needs_ngspice
@pytest.mark.parametrize("shape", [(10, 10), (32, 32), (7, 12)])
@pytest.mark.parametrize("b", [0.0, 3.0], ids=["ohmic", "sinh"])
@pytest.mark.parametrize("floats", [False, True], ids=["driven", "some float"])
def test_ngspice_finds_the_same(
    shape: tuple[int, int], b: float, floats: bool, tmp_path: Path
) -> None:
    G, word, bit = task(shape)
    driven = some(shape) if floats else None
    theirs = spice(tmp_path, G, OHMS, word, bit, driven, b)
    ours = Circuit(shape, *OHMS).solve(G, SinhLaw(b), word[None], bit[None], driven)
    volts, ampere = np.abs(theirs.voltage).max(), np.abs(theirs.bit_current).max()
    np.testing.assert_allclose(ours.voltage[0], theirs.voltage, rtol=0, atol=AGREE * volts)
    for mine, other in (
        (ours.bit_current[0], theirs.bit_current),
        (ours.word_current[0], theirs.word_current),
    ):
        np.testing.assert_allclose(mine, other, rtol=0, atol=AGREE * ampere)


@needs_ngspice
@pytest.mark.parametrize(
    "mutant",
    [
        "rows reversed",
        "columns reversed",
        "source and sense exchanged",
        "a segment too many",
        "a segment missing",
        "sign of the bit lines",
        "word and bit lines exchanged",
    ],
)
def test_ngspice_notices_a_mistake_in_the_circuit(mutant: str, tmp_path: Path) -> None:
    shape = (10, 10)
    G, word, bit = task(shape)
    theirs = spice(tmp_path, G, OHMS, word, bit)
    segment, source, sense = OHMS
    circuit = Circuit(shape, *OHMS)
    back: Callable[[Array], Array] = np.asarray
    if mutant == "rows reversed":
        G, word, back = G[::-1], word[::-1], np.flipud
    elif mutant == "columns reversed":
        G, bit, back = G[:, ::-1], bit[::-1], np.fliplr
    elif mutant == "source and sense exchanged":
        circuit = Circuit(shape, segment, sense, source)
    elif mutant == "a segment too many":
        circuit = Circuit(shape, segment, source + segment, sense)
    elif mutant == "a segment missing":
        circuit = Circuit(shape, segment, source, sense - segment)
    elif mutant == "sign of the bit lines":
        bit = -bit
    else:
        G, word, bit, back = G.T, -bit, -word, np.transpose
    found = back(circuit.solve(G, SinhLaw(0.0), word[None], bit[None]).voltage[0])
    assert np.abs(found - theirs.voltage).max() > 1e4 * AGREE * np.abs(theirs.voltage).max()


@pytest.mark.skipif(
    importlib.util.find_spec("badcrossbar") is None,
    reason="badcrossbar is not installed (pip install badcrossbar; it needs libcairo2-dev)",
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", [(10, 10), (32, 20), (64, 64)])
def test_badcrossbar_finds_the_same(shape: tuple[int, int]) -> None:
    badcrossbar = importlib.import_module("badcrossbar")
    G, word, _ = task(shape)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        theirs = badcrossbar.compute(word[:, None], 1 / G, 2.0)
    ours = Circuit(shape, 2.0).solve(G, SinhLaw(0.0), word[None], np.zeros((1, shape[1])))
    np.testing.assert_allclose(ours.bit_current, theirs.currents.output, rtol=1e-10)
    np.testing.assert_allclose(ours.current[0], theirs.currents.device, rtol=1e-9)
