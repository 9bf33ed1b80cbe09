"""What a format is: how it recognises its files, and how it reads them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crossbar.backend import DataError
from crossbar.curves.columns import Asked
from crossbar.curves.measured import Measurements
from crossbar.curves.source import HEAD, Source, decoded
from crossbar.curves.table import Table, text_table


@dataclass(frozen=True, slots=True)
class Clue:
    """How sure a format is that a file is its own.

    Parameters
    ----------
    sureness
        0 for certainly not, 1 for certainly; only compared with other formats'.
    reason
        What speaks for it, to be read after "because".
    """

    sureness: float
    reason: str = ""


NO = Clue(0.0)

_LINES = 200  # from which a format is recognised; Keithley's settings above a table take 60


@dataclass(frozen=True, slots=True)
class Peek:
    """What a format may look at before it says whether a file is its own.

    Parameters
    ----------
    source
        The file.
    head
        Its first bytes, unpacked.
    lines
        The first lines that are not blank; none if it is not text.
    table
        The table in them; None if there is none.
    """

    source: Source
    head: bytes
    lines: tuple[str, ...] = ()
    table: Table | None = None

    @classmethod
    def at(cls, source: Source) -> "Peek":
        """Look at a file.

        Raises
        ------
        DataError
            If it is empty, or cannot be opened or unpacked.
        """
        head = source.content(HEAD)
        if not head.strip():
            raise DataError(f"{source}: the file is empty")
        try:
            lines = decoded(head, "").splitlines()
        except DataError:
            return cls(source, head)
        # The last line may have been cut.
        whole = lines if len(head) < HEAD else lines[:-1]
        some = tuple(line for line in whole if line.strip())[:_LINES]
        try:
            table = text_table("\n".join(some), str(source))
        except DataError:
            table = None
        return cls(source, head, some, table)


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file.

    Parameters
    ----------
    title
        What it is, for people.
    clue
        How sure it is that a file is its own.
    read
        Reads a file; columns that a person states overrule the format's.
    takes_columns
        Whether columns may be stated.
    """

    title: str
    clue: Callable[[Peek], Clue]
    read: Callable[[Source, Sequence[Asked]], Measurements]
    takes_columns: bool = True
