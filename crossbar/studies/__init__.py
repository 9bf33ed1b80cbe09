"""Studies: the systems that others evaluated on crossbars, as small models on honest data.

A task is one file with a `TASK`, and one line of `TASKS`. Each says what its data are, and none
makes a claim about the numbers of the paper whose evaluation it follows.

References
----------
BayesMulti, arXiv 2412.02779: the systems.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from crossbar.backend import DataError

if TYPE_CHECKING:
    from crossbar.studies.task import Task

TASKS: Mapping[str, str] = MappingProxyType(
    {
        "mnist": "crossbar.studies.mnist",
        "images": "crossbar.studies.images",
        "pillars": "crossbar.studies.pillars",
        "antibody": "crossbar.studies.antibody",
        "glycans": "crossbar.studies.glycans",
        "connector": "crossbar.studies.connector",
    }
)
"""Where the `TASK` of each name is: imported when it is asked for, because torch takes seconds."""

READERS = ("mnist", "images")
"""Those that read a person's own data from a folder, if there is one."""


def named(name: str) -> "Task":
    """Return a task by its name.

    Raises
    ------
    DataError
        If there is none of this name.
    """
    if name not in TASKS:
        raise DataError(f"task {name!r} is not one of {', '.join(TASKS)}")
    found: Task = import_module(TASKS[name]).TASK
    return found
