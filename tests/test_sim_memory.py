import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossbar.backend import Array, BenchError, Cells
from sim_backend import DEVICES, Ideal, Perovskite, SimulatedBackend, SimulationSettings, Tia
from sim_backend.devices.device import DeviceModel
from sim_backend.memory import FORMAT, remembered

SHAPE = (4, 3)
SETTINGS = SimulationSettings(word_lines=4, bit_lines=3, seed=5)
CELLS = Cells.all(SHAPE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "array.npz"


@pytest.fixture
def kept(file: Path) -> bytes:
    """Return the content of the file after one program."""
    with remembered(SETTINGS, file) as backend:
        pulse(backend)
    return file.read_bytes()


def pulse(backend: SimulatedBackend) -> Array:
    volts, widths = np.where(CELLS.bit == 1, -2.6, 3.2), np.full(len(CELLS), 1e-4)
    return backend.pulse(CELLS, volts, widths, 0.2).current


def after_a_wait(backend: SimulatedBackend) -> Array:
    backend.wait(7.3)
    return backend.read(CELLS, 0.3).current


STEPS: tuple[Callable[[SimulatedBackend], Array], ...] = (
    pulse,
    after_a_wait,
    lambda b: b.drive(np.linspace(-0.4, 0.4, 20).reshape(5, 4)).current,
    lambda b: b.sweep((1, 2), np.linspace(0.0, 3.0, 9), 5e-5, 1e-3).current,
    pulse,
    lambda b: np.array(b.now),
    lambda b: b.conductances,
)
"""Every verb, then the clock and the state; each returns its numbers."""


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, line_resistance=0.0),
        replace(SETTINGS, line_resistance=30.0, write_scheme="floating", read_scheme="floating"),
        replace(SETTINGS, device=Ideal()),
    ],
    ids=["line resistance", "no line resistance", "floating", "ideal"],
)
def test_a_run_split_at_every_call_gives_bit_for_bit_the_numbers_of_one(
    settings: SimulationSettings, file: Path
) -> None:
    with SimulatedBackend(settings) as whole:
        expected = [step(whole) for step in STEPS]
    for split in range(len(STEPS)):
        file.unlink(missing_ok=True)
        with remembered(settings, file) as backend:
            found = [step(backend) for step in STEPS[:split]]
        with remembered(settings, file) as backend:
            found += [step(backend) for step in STEPS[split:]]
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def arrays(device: object) -> dict[str, NDArray[Any]]:
    """Return every array of a device, those of the device that it wraps too."""
    found = {name.lstrip("_"): a for name, a in vars(device).items() if isinstance(a, np.ndarray)}
    inner = vars(device).get("_cells")
    if inner is not None:
        found |= {f"of.{name}": a for name, a in arrays(inner).items()}
    return found


@pytest.mark.parametrize("model", DEVICES.values(), ids=DEVICES.keys())
def test_a_snapshot_holds_every_array_of_the_device_and_is_a_copy(
    model: Callable[[], DeviceModel],
) -> None:
    device = model().build(SHAPE, np.random.default_rng(0))
    own = arrays(device)
    state = device.snapshot()
    assert set(state) == set(own)
    for name, values in state.items():
        np.testing.assert_array_equal(values, own[name])
    before = device.conductance(0.0)
    for values in state.values():
        values[...] = 0
    np.testing.assert_array_equal(device.conductance(0.0), before)


def test_amplifiers_clock_and_conductances_are_those_of_the_last_time(file: Path) -> None:
    with remembered(SETTINGS, file) as first:
        first.wait(1e4)
        before, now = first.snapshot(), first.now
    with remembered(SETTINGS, file) as again:
        assert again.now == now == 1e4
        after = again.snapshot()
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name])


def test_converters_and_limits_may_change_between_programs(file: Path, kept: bytes) -> None:
    changed = replace(SETTINGS, read_time=1e-3, read_scheme="half")
    with remembered(changed, file) as backend:
        assert backend.now > 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_array_is_kept_and_closed_however_the_block_is_left(
    file: Path, error: type[BaseException]
) -> None:
    opened: list[SimulatedBackend] = []

    def broken() -> None:
        with remembered(SETTINGS, file) as backend:
            opened.append(backend)
            pulse(backend)
            raise error

    with pytest.raises(error):
        broken()
    with pytest.raises(Exception, match="closed"):
        opened[0].wait(0.0)
    with remembered(SETTINGS, file) as again:
        np.testing.assert_array_equal(again.conductances, opened[0].conductances)
    # The lock file stays on POSIX: removing it would race with whoever is waiting for it.
    assert {p.name for p in file.parent.iterdir()} - {"array.npz.lock"} == {"array.npz"}


DIFFERENT: dict[str, tuple[SimulationSettings, str]] = {
    "seed": (replace(SETTINGS, seed=6), "seed = 5, this bench has 6;"),
    "shape": (replace(SETTINGS, bit_lines=7), "array.bit_lines = 3, this bench has 7;"),
    "wires": (replace(SETTINGS, line_resistance=0.5), "line_resistance = 2.0, this bench has 0.5;"),
    "amplifiers": (replace(SETTINGS, tia=Tia(0.0, 1e-8)), "gain_sigma = 0.005, this bench has 0.0"),
    "constant": (
        replace(SETTINGS, device=Perovskite(read_sigma=0.01, relax_sigma=0.02)),
        r"device.read_sigma = 0.005, this bench has 0.01 \(and 1 more settings differ\)",
    ),
    "model": (
        replace(SETTINGS, device=Ideal()),
        "device.model = perovskite, this bench has ideal",
    ),
}


@pytest.mark.parametrize(("settings", "message"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_a_file_of_other_settings_is_refused_with_both_values_and_left_alone(
    settings: SimulationSettings, message: str, file: Path, kept: bytes
) -> None:
    with pytest.raises(BenchError, match=message), remembered(settings, file):
        pytest.fail("opened")
    assert file.read_bytes() == kept
    # The lock file stays on POSIX: removing it would race with whoever is waiting for it.
    assert {p.name for p in file.parent.iterdir()} - {"array.npz.lock"} == {"array.npz"}


def rewritten(content: bytes, file: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return the file with its arrays changed."""
    file.write_bytes(content)
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    np.savez(file, **arrays)
    return file.read_bytes()


def header(**changes: object) -> Callable[[dict[str, NDArray[Any]]], None]:
    def change(arrays: dict[str, NDArray[Any]]) -> None:
        arrays["header"] = np.array(json.dumps(json.loads(str(arrays["header"])) | changes))

    return change


def swap(name: str, value: object) -> Callable[[dict[str, NDArray[Any]]], None]:
    return lambda arrays: arrays.update({name: np.array(value)})


FOREIGN: dict[str, bytes] = {
    "empty": b"",
    "text": b"1,2,3\n",
    "pickle": b"\x80\x04K\x01.",
    "zip of nothing": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_file_is_refused_in_one_sentence_and_left_alone(
    content: bytes, file: Path
) -> None:
    file.write_bytes(content)
    with pytest.raises(BenchError, match="is not the memory of a simulated array") as told:
        remembered(SETTINGS, file).__enter__()
    assert "\n" not in str(told.value)
    assert file.read_bytes() == content


def test_an_array_of_objects_is_not_unpickled(file: Path) -> None:
    np.savez(file, header=np.array({"format": FORMAT}, dtype=object))
    with pytest.raises(BenchError, match="is not the memory"):
        remembered(SETTINGS, file).__enter__()


def test_one_array_alone_is_not_a_memory(file: Path) -> None:
    with file.open("wb") as opened:
        np.save(opened, np.zeros(3))
    with pytest.raises(BenchError, match="is not the memory"):
        remembered(SETTINGS, file).__enter__()


def test_a_truncated_or_altered_file_is_refused_and_left_alone(file: Path, kept: bytes) -> None:
    flipped = bytearray(kept)
    flipped[kept.index(b"device.base") + 200] ^= 1
    for content in (*(kept[:n] for n in range(1, len(kept), 997)), bytes(flipped)):
        file.write_bytes(content)
        with pytest.raises(BenchError, match="is not the memory of a simulated array"):
            remembered(SETTINGS, file).__enter__()
        assert file.read_bytes() == content


DAMAGED: dict[str, tuple[Callable[[dict[str, NDArray[Any]]], None], str]] = {
    "newer": (header(version=3), "version 3 of the format; this program knows version 2"),
    "other program": (header(format="another"), "is not the memory"),
    "no settings": (header(settings=None), "settings are missing"),
    "missing array": (lambda arrays: arrays.__delitem__("device.base"), "'device.base' is missing"),
    "strange array": (swap("notes", 1.0), "'notes' is missing or does not belong"),
    "shape": (swap("device.base", np.zeros(3)), "'device.base' has the wrong shape"),
    "type": (swap("device.base", np.zeros(SHAPE, np.int8)), "'device.base' has the wrong type"),
    "value": (swap("device.base", np.full(SHAPE, np.nan)), "'device.base' is not finite"),
    "generator": (swap("generator", "{}"), "damaged"),
    "generator's text": (swap("generator", "nonsense"), "damaged"),
}


@pytest.mark.parametrize(("change", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_file_that_says_something_impossible_is_refused_and_left_alone(
    change: Callable[[dict[str, Any]], None], message: str, file: Path, kept: bytes
) -> None:
    content = rewritten(kept, file, change)
    with pytest.raises(BenchError, match=message):
        remembered(SETTINGS, file).__enter__()
    assert file.read_bytes() == content


def test_a_second_opening_is_refused_and_says_who_holds_the_array(file: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(remembered(SETTINGS, file))
        with pytest.raises(BenchError, match=f"in use by process {os.getpid()} on"):
            stack.enter_context(remembered(SETTINGS, file))
    assert not file.with_name("array.npz.holder").exists()


def test_another_process_is_refused_through_a_link_too(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.npz"
    link.symlink_to(file)
    program = (
        "import sys; from pathlib import Path; from sim_backend import SimulationSettings\n"
        "from sim_backend.memory import remembered\n"
        "remembered(SimulationSettings(), Path(sys.argv[1])).__enter__()"
    )
    with remembered(SETTINGS, file):
        done = subprocess.run(
            [sys.executable, "-c", program, str(link)], capture_output=True, text=True, check=False
        )
    assert f"in use by process {os.getpid()}" in done.stderr
    with remembered(SETTINGS, link):
        pass
    assert link.is_symlink()


def test_a_folder_that_does_not_exist_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no lock can be made beside it: there is no such folder"):
        remembered(SETTINGS, tmp_path / "missing" / "array.npz").__enter__()


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be read"):
        remembered(SETTINGS, tmp_path).__enter__()


def test_a_save_that_fails_leaves_the_old_file_and_no_other(
    file: Path, kept: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with ExitStack() as stack:
        backend = stack.enter_context(remembered(SETTINGS, file))
        pulse(backend)
        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(BenchError, match="cannot be saved: No space left"):
            stack.close()
    assert file.read_bytes() == kept
    # The lock file stays on POSIX: removing it would race with whoever is waiting for it.
    assert {p.name for p in file.parent.iterdir()} - {"array.npz.lock"} == {"array.npz"}
