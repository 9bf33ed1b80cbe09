import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import crossbar

ROOT = Path(__file__).parents[1]


def modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import crossbar",
        "import crossbar.cli",
        "from crossbar import open_bench\nwith open_bench('sim') as b: b.crossbar().read()",
    ],
    ids=["crossbar", "the command line", "a simulated bench in use"],
)
def test_a_bench_waits_neither_for_torch_nor_for_drivers_nor_for_plots(statement: str) -> None:
    loaded = modules_after(f"exec({statement!r})")
    assert not loaded & {"torch", "sklearn", "pydwf", "pyvisa", "pymeasure", "serial", "matplotlib"}


def test_everything_that_is_exported_exists() -> None:
    for name in crossbar.__all__:
        assert getattr(crossbar, name) is not None


def test_every_dependency_is_pinned_and_the_pins_are_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))
    named = project["dependencies"] + project["optional-dependencies"]["dev"]
    for requirement in named:
        assert requirement.split(">=")[0].partition("[")[0] in pins
    assert pins["torch"] == "2.13.0"
    for package in ("numpy", "scipy", "torch"):
        assert version(package).split("+")[0] == pins[package]


def test_the_version_is_the_newest_of_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    headings = [
        line
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("## [") and "Unreleased" not in line
    ]
    assert headings[0].startswith(f"## [{project['version']}]")
