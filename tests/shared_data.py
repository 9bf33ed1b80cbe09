"""Where real measurements lie, which are not part of the repository; tests skip without them."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("CROSSBAR_DATA", Path(__file__).parents[2] / "shared" / "data"))


def shared(name: str) -> Path:
    """Return a file or folder of the measured data; skip the test where it is absent."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not in {FOLDER}; CROSSBAR_DATA says where measured data lie")
    return path
