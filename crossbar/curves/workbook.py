"""Sheets of an .xlsx workbook as rows of text cells: numbers and strings, nothing else.

ECMA-376 part 1, section 18.3.1 (worksheets), 18.4 (shared strings), 18.2 (workbook).
"""

import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import IO
from xml.etree import ElementTree

from crossbar.backend import DataError
from crossbar.curves.source import Source

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_OLD = b"\xd0\xcf\x11\xe0"  # [MS-CFB] 2.2: .xls, and .xlsx with a password
_A = ord("A") - 1
_LETTERS = re.compile(r"[A-Z]+")


def sheets(source: Source, most: int | None = None) -> dict[str, list[list[str]]]:
    """Return the rows of every sheet by its name, cells as text, all rows of a sheet equally long.

    Parameters
    ----------
    source
        The workbook.
    most
        Rows wanted of each sheet; all by default.

    Raises
    ------
    DataError
        If the file is not a workbook of this format, or is damaged.
    """
    raw = source.content()
    if raw.startswith(_OLD):
        raise DataError(f"{source}: an old or an encrypted workbook; save it as .xlsx without one")
    try:
        with zipfile.ZipFile(BytesIO(raw)) as book:
            strings = _strings(book)
            return {
                name: _rows(book.open(part), strings, most) for name, part in _parts(book).items()
            }
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, ValueError) as problem:
        raise DataError(f"{source}: not a workbook that can be read: {problem}") from problem


def _tree(book: zipfile.ZipFile, part: str) -> ElementTree.Element:
    return ElementTree.fromstring(book.read(part))  # noqa: S314 - expat stops entity expansion


def _parts(book: zipfile.ZipFile) -> dict[str, str]:
    """Return where in the archive each sheet is, in the order of the workbook."""
    links = {
        link.attrib["Id"]: link.attrib["Target"]
        for link in _tree(book, "xl/_rels/workbook.xml.rels")
    }
    found = {}
    for sheet in _tree(book, "xl/workbook.xml").iter(f"{_MAIN}sheet"):
        target = links[sheet.attrib[_LINK]]
        if "chartsheet" not in target:
            absolute = target.startswith("/")
            found[sheet.attrib["name"]] = target[1:] if absolute else f"xl/{target}"
    return found


def _strings(book: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in book.namelist():
        return []
    return [_text(item) for item in _tree(book, "xl/sharedStrings.xml").iter(f"{_MAIN}si")]


def _text(item: ElementTree.Element) -> str:
    """Return a string's text; pronunciation (rPh) is not part of it."""
    own = [item, *item.findall(f"{_MAIN}r")]
    return "".join(text.text or "" for part in own for text in part.findall(f"{_MAIN}t"))


def _rows(stream: IO[bytes], strings: list[str], most: int | None) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in _elements(stream):
        cells: list[str] = []
        for place, cell in enumerate(row.findall(f"{_MAIN}c")):
            column = _column(cell.attrib.get("r", ""), max(place, len(cells)))
            cells.extend([""] * (column - len(cells)))
            cells.append(_cell(cell, strings))
        if any(cells):
            rows.append(cells)
        row.clear()
        if most is not None and len(rows) >= most:
            break
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _elements(stream: IO[bytes]) -> Iterator[ElementTree.Element]:
    for _, element in ElementTree.iterparse(stream):  # noqa: S314 - expat stops entity expansion
        if element.tag == f"{_MAIN}row":
            yield element


def _column(reference: str, otherwise: int) -> int:
    """Return the column, counted from 0, of a cell like AB12."""
    letters = _LETTERS.match(reference)
    if letters is None:
        return otherwise
    column = 0
    for letter in letters[0]:
        column = 26 * column + ord(letter) - _A
    return column - 1


def _cell(cell: ElementTree.Element, strings: list[str]) -> str:
    kind = cell.attrib.get("t", "n")
    if kind == "inlineStr":
        inside = cell.find(f"{_MAIN}is")
        return "" if inside is None else _text(inside)
    value = cell.findtext(f"{_MAIN}v", "")
    if kind == "s" and value:
        return strings[int(value)]
    return "" if kind == "e" else value
