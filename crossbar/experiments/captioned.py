"""A table with a title above it and what has to be known below."""

from rich.box import SIMPLE_HEAD
from rich.table import Table


def captioned(title: str, columns: tuple[str, ...], caption: str) -> Table:
    """Return an empty table, its first column of words and the others of numbers."""
    made = Table(
        title=title,
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for k, name in enumerate(columns):
        made.add_column(name, justify="right" if k else "left", no_wrap=not k)
    return made
