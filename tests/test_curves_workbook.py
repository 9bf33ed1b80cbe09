"""Sheets of workbooks, on workbooks that the test writes itself."""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from crossbar.backend import DataError
from crossbar.curves.reading import guess, read
from crossbar.curves.source import Source
from crossbar.curves.workbook import sheets

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def written(path: Path, content: dict[str, list[list[str | float | None]]]) -> Path:
    """Write a workbook: texts as shared strings, None as no cell at all."""
    strings: list[str] = []

    def cell(value: str | float | None, row: int, column: int) -> str:
        if value is None:
            return ""
        reference = f"{chr(ord('A') + column)}{row}"
        if isinstance(value, str):
            strings.append(value)
            return f'<c r="{reference}" t="s"><v>{len(strings) - 1}</v></c>'
        return f'<c r="{reference}"><v>{value!r}</v></c>'

    with zipfile.ZipFile(path, "w") as book:
        for number, rows in enumerate(content.values(), start=1):
            lines = "".join(
                f'<row r="{r}">{"".join(cell(v, r, c) for c, v in enumerate(row))}</row>'
                for r, row in enumerate(rows, start=1)
            )
            xml = f'<worksheet xmlns="{MAIN}"><sheetData>{lines}</sheetData></worksheet>'
            book.writestr(f"xl/worksheets/sheet{number}.xml", xml)
        names = "".join(
            f'<sheet name="{escape(name)}" sheetId="{k}" r:id="r{k}"/>'
            for k, name in enumerate(content, start=1)
        )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>{names}</sheets></workbook>',
        )
        links = "".join(
            f'<Relationship Id="r{k}" Target="worksheets/sheet{k}.xml"/>'
            for k in range(1, len(content) + 1)
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{PACKAGE}">{links}</Relationships>',
        )
        items = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
        book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{items}</sst>')
    return path


def test_cells_are_text_and_missing_ones_empty(tmp_path: Path) -> None:
    path = written(tmp_path / "a.xlsx", {"one": [["x", None, 1.5], [None, 2.0]], "two": []})
    assert sheets(Source(path)) == {"one": [["x", "", "1.5"], ["", "2.0", ""]], "two": []}
    assert sheets(Source(path), most=1)["one"] == [["x", "", "1.5"]]


def test_inline_strings_and_cells_without_references_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.xlsx", {"one": []})
    xml = (
        f'<worksheet xmlns="{MAIN}"><sheetData><row>'
        '<c t="inlineStr"><is><r><t>ri</t></r><r><t>ch</t></r></is></c><c><v>2</v></c>'
        '<c t="e"><v>#DIV/0!</v></c><c t="str"><v>sum</v></c></row></sheetData></worksheet>'
    )
    with zipfile.ZipFile(path) as old:
        kept = {n: old.read(n) for n in old.namelist() if "sheet1" not in n}
    with zipfile.ZipFile(path, "w") as book:
        for name, content in kept.items():
            book.writestr(name, content)
        book.writestr("xl/worksheets/sheet1.xml", xml)
    assert sheets(Source(path)) == {"one": [["rich", "2", "", "sum"]]}


def test_a_workbook_of_sweeps_gives_a_device_per_sheet(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [
        ["CH1 Source", "CH1 Current", "abs_Current"],
        [0.0, 1e-9, 1e-9],
        [0.5, -2e-9, 2e-9],
    ]
    path = written(tmp_path / "a.xlsx", {"D1": rows, "about": [["a", "word"]], "D2": rows})
    assert guess(path).format == "sheets"
    first, second = read(path).curves
    assert (first.name, second.name) == ("D1", "D2")
    assert first.current.tolist() == [1e-9, -2e-9]
    assert any("a sheet left out" in note and "about" in note for note in first.origin.notes)


def test_a_workbook_without_units_needs_them_stated(tmp_path: Path) -> None:
    path = written(tmp_path / "a.xlsx", {"D1": [["Voltage", "Current"], [0.0, 1.0], [1.0, 2.0]]})
    with pytest.raises(DataError, match=r"sheet D1: the unit of the voltage"):
        read(path)
    (curve,) = read(path, columns="V=Voltage:V,I=Current:nA").curves
    assert curve.current.tolist() == pytest.approx([1e-9, 2e-9])


LEVELS: list[list[str | float | None]] = [
    ["Voltage", "Current1", "Current2"],
    [-0.5, -1e-6, -2e-6],
    [-0.5, -1.5e-6, None],
]


def test_a_workbook_of_retention_gives_a_cell_per_level(tmp_path: Path) -> None:
    path = written(tmp_path / "2-levels-retention.xlsx", {"LRS": LEVELS})
    assert guess(path).format == "levels"
    (readings,) = read(path).readings
    assert readings.labels == ("Current1", "Current2")
    assert readings.conductance.tolist() == pytest.approx([2e-6, 3e-6, 4e-6])
    assert readings.cell.tolist() == [0, 0, 1]
    assert readings.voltage == -0.5
    notes = readings.origin.notes
    assert "1 cells left out without a number (levels read fewer times)" in notes
    assert "V and A: not in the header, documented for these files" in notes


def test_currents_without_their_sign_give_positive_conductances(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [LEVELS[0], [-0.5, 1e-6, 2e-6]]
    (readings,) = read(written(tmp_path / "2-levels-retention.xlsx", {"LRS": rows})).readings
    assert readings.conductance.tolist() == pytest.approx([2e-6, 4e-6])
    assert any("sign opposite" in note for note in readings.origin.notes)


def test_levels_of_another_workbook_need_their_units(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.xlsx", {"LRS": LEVELS})
    with pytest.raises(DataError, match=r"say it as in columns='V=1:V,I=Current\*:A'"):
        read(path)
    (readings,) = read(path, columns="V=1:mV,I=Current*:nA").readings
    assert readings.conductance.tolist() == pytest.approx([2e-12, 3e-12, 4e-12])
    assert readings.voltage == pytest.approx(-5e-4)


def test_an_old_workbook_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    with pytest.raises(DataError, match=r"save it as \.xlsx"):
        read(tmp_path / "a.xlsx", format="sheets")
