"""A file somebody measured: its bytes, unpacked, and its text, whatever program wrote it."""

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from crossbar.backend import DataError

HEAD = 65536  # bytes that a format may look at before it says whether the file is one of its own
_GZIP = b"\x1f\x8b"  # RFC 1952, section 2.3.1
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Byte order marks, and how Python calls the encodings that begin with them."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be read, and which of its runs is meant if it is a run store.

    Parameters
    ----------
    path
        The file.
    run
        Number after ``#``, for run stores; None if none is asked for.
    """

    path: Path
    run: int | None = None

    @classmethod
    def of(cls, path: "str | Path | Source") -> "Source":
        """Return the source that a path names; ``laboratory.sqlite#7`` names a run.

        Raises
        ------
        DataError
            If there is no such file.
        """
        if isinstance(path, Source):
            return path
        given = Path(path)
        if given.exists():
            return cls(given)
        before, mark, number = str(path).rpartition("#")
        if mark and number.isdigit() and Path(before).is_file():
            return cls(Path(before), int(number))
        raise DataError(f"{path}: there is no such file")

    def __str__(self) -> str:
        return str(self.path) if self.run is None else f"{self.path}#{self.run}"

    @property
    def stem(self) -> str:
        """Name of the file without ``.gz`` and without what is left of its ending."""
        name = self.path.name
        for ending in (".gz", self.ending):
            if ending and name.lower().endswith(ending):
                name = name[: -len(ending)]
        return name

    @property
    def ending(self) -> str:
        """Ending of the file's name in lower case, ``.gz`` not counted; may be empty."""
        bare = self.path.with_suffix("") if self.path.suffix.lower() == ".gz" else self.path
        return bare.suffix.lower()

    def content(self, most: int = -1) -> bytes:
        """Return the file's bytes, unpacked if it is gzipped; by default all of them.

        Raises
        ------
        DataError
            If the file cannot be opened or unpacked.
        """
        try:
            with self.path.open("rb") as raw:
                packed = raw.read(len(_GZIP)) == _GZIP
                raw.seek(0)
                if not packed:
                    return raw.read(most)
                with gzip.open(raw) as unpacked:
                    return unpacked.read(most)
        except (OSError, EOFError, zlib.error) as problem:
            raise DataError(f"{self.path}: cannot be read: {problem}") from problem

    def text(self) -> str:
        """Return the whole file as text.

        Raises
        ------
        DataError
            If the file is empty, cannot be opened, or is not text.
        """
        return decoded(self.content(), str(self.path))


def decoded(raw: bytes, where: str) -> str:
    """Return bytes as text: UTF-8, UTF-16 or, failing both, Latin-1.

    Raises
    ------
    DataError
        If there is nothing in it, or it is not text in any of them.
    """
    if not raw.strip(b" \t\r\n\x00"):
        raise DataError(f"{where}: the file is empty")
    text = _decoded(raw)
    if _CONTROL.search(text):
        raise DataError(f"{where}: not text: it holds control characters, so it is a binary file")
    return text


def _decoded(raw: bytes) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw.decode(encoding, errors="replace")
    # UTF-16 without a mark: every second byte of western text is 0.
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if raw[1 - start :: 2].count(0) == 0 and raw[start::2].count(0) > 0.9 * len(raw) / 2:
            return raw.decode(encoding, errors="replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
