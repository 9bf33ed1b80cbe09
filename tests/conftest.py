"""What all tests share: the option that runs the contract suite on somebody's bench."""

import os

# Before NumPy is imported: a thread per core slows small matrices down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# The machines that run these tests are shared and slow at times; a deadline would test them.
settings.register_profile("house", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bench",
        metavar="FILE",
        default=None,
        help="bench TOML: run the backend contract suite on it too. On real hardware it pulses "
        "two cells, within the file's own limits; by default it is not run",
    )
