"""The last look at a message before an instrument gets it, whoever wrote it."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from crossbar.backend import LimitError

IMPLIED = ("LEV", "IMM", "AMPL", "DC", "UPP")
"""Nodes that mean nothing: SOUR:VOLT:LEV:IMM:AMPL is SOUR:VOLT."""
FORBIDDEN = ("MEAS", "CONF")
"""Both set all that belongs to the function back to *RST values, the current limit too, and switch
the output on; 2400S-900-01, 17-2 and 17-5."""

Rule = Callable[[Sequence[str]], None]
"""Called with the parameters of a command, as text; raises to refuse it."""


class WireGuard:
    """Refuses messages by their headers, whatever their spelling.

    Parameters
    ----------
    rules
        By header in its short form without implied nodes and without ``SENS``. Questions pass.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = dict(rules)

    def check(self, message: str) -> None:
        """Look at every command of a message.

        Raises
        ------
        LimitError
            If one of them must not be sent.
        """
        for header, given in _commands(message):
            if header.partition(":")[0].removesuffix("?") in FORBIDDEN:
                raise LimitError(
                    f"{message!r} would reset the current limit and switch the output on"
                )
            # The longest rule that covers the header: SOUR:CURR is about all of SOUR:CURR:*.
            parts = header.split(":")
            for length in range(len(parts), 0, -1):
                start = ":".join(parts[:length])
                rule = self._rules.get(start if length == len(parts) else f"{start}:*")
                if rule is not None and not header.endswith("?"):
                    rule(given)
                    break


def as_number(given: Sequence[str]) -> float:
    """Return the one parameter of a command as a number.

    Raises
    ------
    LimitError
        If it is none: what MAX or DEF would set is not known here.
    """
    try:
        (text,) = given
        return float(text)
    except ValueError:
        raise LimitError(f"{', '.join(given)!r} is not one number") from None


def is_on(given: Sequence[str]) -> bool:
    """Return False only if the parameter of a command clearly means off."""
    return [text.upper() for text in given] not in (["OFF"], ["0"])


def _commands(message: str) -> Iterator[tuple[str, list[str]]]:
    path: list[str] = []
    for unit in message.split(";"):
        spelled, _, rest = unit.strip().partition(" ")
        if not spelled:
            continue
        if spelled.startswith("*"):
            nodes = [spelled.upper()]
        else:
            start = [] if spelled.startswith(":") else path
            nodes = start + spelled.removeprefix(":").split(":")
            path = nodes[:-1]
        yield _canonical(nodes), [text.strip() for text in rest.split(",") if text.strip()]


def _canonical(nodes: Sequence[str]) -> str:
    question = "?" if nodes[-1].endswith("?") else ""
    short = [_short(node.upper().removesuffix("?").removesuffix("1")) for node in nodes]
    kept = [node for node in short if node not in IMPLIED]
    if kept[:1] == ["SENS"]:
        kept = kept[1:]
    return ":".join(kept) + question


def _short(node: str) -> str:
    # SCPI-99, 6.2.1: four letters, or three if there are more and the fourth is a vowel.
    if len(node) <= 4 or node.startswith("*"):
        return node
    return node[:3] if node[3] in "AEIOU" else node[:4]
