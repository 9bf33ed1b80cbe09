"""The README's promises name tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_names_a_test_that_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## When something goes wrong")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) .*$", section, flags=re.MULTILINE)
    assert rows == [str(number) for number in range(1, 14)]
    named = set(re.findall(r"`(test_\w+)`", section))
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert named
    assert {name for name in named if f"def {name}(" not in sources} == set()


def test_every_promise_names_a_test() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## When something goes wrong")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| \d+ .*$", section, flags=re.MULTILINE):
        assert "`test_" in row, row
