"""SCPI as an instrument hears it: trees of headers, compound messages, errors and status bytes."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Parameters: TypeAlias = list[str]

NO_ERROR = '0,"No error"'
ERRORS = {
    -102: "Syntax error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -104: "Data type error",
    -221: "Settings conflict",
    -222: "Parameter data out of range",
    -224: "Illegal parameter value",
    -230: "Data corrupt or stale",
    -350: "Queue overflow",
    -410: "Query INTERRUPTED",
    -440: "Query UNTERMINATED after indefinite response",
}
"""Texts of the standard's errors; SCPI-99, volume 2, section 21.8."""
QUEUE_LENGTH = 10
"""Errors that are kept; 2400S-900-01, appendix B."""

INDEFINITE = ("*IDN",)
"""Questions whose reply has no end of its own: no other may follow them; IEEE 488.2."""

EVENT_SUMMARY, ERROR_AVAILABLE, MESSAGE_AVAILABLE = 1 << 5, 1 << 2, 1 << 4
MEASUREMENT_SUMMARY, MASTER_SUMMARY = 1 << 0, 1 << 6
OPERATION_COMPLETE, QUERY_ERROR, DEVICE_ERROR = 1 << 0, 1 << 2, 1 << 3
EXECUTION_ERROR, COMMAND_ERROR, POWER_ON = 1 << 4, 1 << 5, 1 << 7


class ScpiError(Exception):
    """What an instrument puts into its error queue instead of doing what it was told.

    Parameters
    ----------
    code
        Negative for the standard's errors, positive for the instrument's own.
    text
        The instrument's own words; the standard's are known.
    """

    def __init__(self, code: int, text: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = ERRORS[code] if text is None else text


@dataclass(frozen=True, slots=True)
class Command:
    """What a header does.

    Parameters
    ----------
    set
        Takes the parameters of a command; None if it can only be asked.
    ask
        Takes the parameters of a question and returns the reply; None if it cannot be asked.
    """

    set: Callable[[Parameters], None] | None = None
    ask: Callable[[Parameters], str] | None = None


Nodes: TypeAlias = tuple[str, ...]


class Tree:
    """Commands by header, as manuals write them: ``[:SENSe]:CURRent[:DC]:NPLCycles``.

    Parameters
    ----------
    commands
        What each header does. Capitals are the short form, brackets may be left out, a
        suffix of 1 may be added.
    """

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = [
            (nodes, command)
            for pattern, command in commands.items()
            for nodes in _spellings(pattern)
        ]
        self._found: dict[Nodes, Command] = {}

    def find(self, nodes: Nodes) -> Command:
        """Return the command of a header in any of its spellings.

        Raises
        ------
        ScpiError
            If there is none.
        """
        if nodes not in self._found:
            for known, command in self._commands:
                if len(known) == len(nodes) and all(map(_is, nodes, known)):
                    self._found[nodes] = command
                    break
            else:
                raise ScpiError(-113)
        return self._found[nodes]


def _spellings(pattern: str) -> Iterator[Nodes]:
    """Yield the nodes of a pattern with and without each of its bracketed parts."""
    match = re.search(r"\[([^\[\]]+)\]", pattern)
    if match is None:
        yield tuple(node for node in pattern.split(":") if node)
        return
    for inner in ("", match[1]):
        yield from _spellings(pattern[: match.start()] + inner + pattern[match.end() :])


def _short(node: str) -> str:
    return "".join(sign for sign in node if not sign.islower())


def _is(token: str, node: str) -> bool:
    given = token.upper()
    # SOUR1 is SOUR: every subsystem of these instruments exists once.
    return any(form in (given, given.removesuffix("1")) for form in (_short(node), node.upper()))


class Status:
    """Error queue and status registers of IEEE 488.2, with one measurement register."""

    def __init__(self) -> None:
        self._errors: deque[tuple[int, str]] = deque()
        self.events = POWER_ON
        self.events_enabled = 0
        self.requests_enabled = 0
        self.measurement_events = 0
        self.measurement_enabled = 0

    def fail(self, error: ScpiError) -> None:
        """Queue an error; when the queue is full, its last entry says so."""
        kinds = ((-499, QUERY_ERROR), (-399, DEVICE_ERROR), (-299, EXECUTION_ERROR))
        kind = next((bit for lowest, bit in kinds if error.code <= lowest + 99), COMMAND_ERROR)
        self.events |= kind if error.code < 0 else DEVICE_ERROR
        if len(self._errors) == QUEUE_LENGTH:
            self._errors[-1] = (-350, ERRORS[-350])
        else:
            self._errors.append((error.code, error.text))

    def next_error(self) -> str:
        """Take the oldest error out of the queue."""
        if not self._errors:
            return NO_ERROR
        code, text = self._errors.popleft()
        return f'{code},"{text}"'

    def clear(self) -> None:
        """Forget errors and events."""
        self._errors.clear()
        self.events = self.measurement_events = 0

    def byte(self, *, message_available: bool = False) -> int:
        """Return the status byte."""
        value = MESSAGE_AVAILABLE if message_available else 0
        value |= ERROR_AVAILABLE if self._errors else 0
        value |= EVENT_SUMMARY if self.events & self.events_enabled else 0
        measured = self.measurement_events & self.measurement_enabled
        value |= MEASUREMENT_SUMMARY if measured else 0
        return value | (MASTER_SUMMARY if value & self.requests_enabled else 0)

    def commands(self) -> dict[str, Command]:
        """Return the headers that every instrument understands."""

        def take_events(_: Parameters) -> str:
            taken, self.events = self.events, 0
            return str(taken)

        def take_measurement(_: Parameters) -> str:
            taken, self.measurement_events = self.measurement_events, 0
            return str(taken)

        def enable(field: str) -> Command:
            return Command(
                lambda given: setattr(self, field, int(number(given, 0, 65535))),
                lambda _: str(getattr(self, field)),
            )

        return {
            "*CLS": Command(lambda _: self.clear()),
            "*ESR": Command(ask=take_events),
            "*ESE": enable("events_enabled"),
            "*SRE": enable("requests_enabled"),
            "*STB": Command(ask=lambda _: str(self.byte())),
            "*OPC": Command(lambda _: self._complete(), lambda _: "1"),
            "*WAI": Command(lambda _: None),
            "SYSTem:ERRor[:NEXT]": Command(ask=lambda _: self.next_error()),
            "STATus:PRESet": Command(lambda _: setattr(self, "measurement_enabled", 0)),
            "STATus:MEASurement[:EVENt]": Command(ask=take_measurement),
            "STATus:MEASurement:ENABle": enable("measurement_enabled"),
        }

    def _complete(self) -> None:
        self.events |= OPERATION_COMPLETE


class Interpreter:
    """Takes messages apart, finds what they say in a tree, and queues errors.

    Parameters
    ----------
    tree
        What the instrument understands.
    status
        Where errors go.
    """

    one_question = False
    """True in 488.1 mode: what follows a question in its message is not heard (assumed)."""

    def __init__(self, tree: Tree, status: Status) -> None:
        self._tree = tree
        self._status = status

    def handle(self, line: str) -> str | None:
        """Do what a line says; return the reply to its questions, None if there is no question."""
        replies: list[str] = []
        path: Nodes = ()
        ended = False
        for unit in _split(line, ";"):
            header, _, rest = unit.strip().partition(" ")
            if not header:
                continue
            if self.one_question and replies:
                break
            nodes, path = _placed(header.removesuffix("?"), path)
            question = header.endswith("?")
            try:
                if ended and question:
                    raise ScpiError(-440)
                reply = self._do(nodes, rest, question=question)
                ended |= question and header.removesuffix("?").upper() in INDEFINITE
            except ScpiError as error:
                self._status.fail(error)
                if -199 <= error.code <= -100:
                    # IEEE 488.2, 6.1.4.2.2: after a command error the rest is not understood.
                    break
            else:
                if reply is not None:
                    replies.append(reply)
        return ";".join(replies) if replies else None

    def _do(self, nodes: Nodes, rest: str, *, question: bool) -> str | None:
        if not all(nodes):
            raise ScpiError(-102)
        command = self._tree.find(nodes)
        given = [value.strip() for value in _split(rest, ",") if value.strip()]
        action = command.ask if question else command.set
        if action is None:
            raise ScpiError(-113)
        return action(given)


def _placed(header: str, path: Nodes) -> tuple[Nodes, Nodes]:
    """Return a header from the root, and where the next one starts."""
    if header.startswith("*"):
        return (header,), path
    start = () if header.startswith(":") else path
    nodes = (*start, *header.removeprefix(":").split(":"))
    return nodes, nodes[:-1]


def _split(text: str, at: str) -> Iterator[str]:
    """Split, but not inside quotes."""
    part, quote = "", ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == at:
            yield part
            part = ""
            continue
        part += sign
    yield part


def only(given: Sequence[str]) -> str:
    """Return the one parameter of a command."""
    if not given:
        raise ScpiError(-109)
    if len(given) > 1:
        raise ScpiError(-108)
    return given[0]


def number(given: Sequence[str], lowest: float, highest: float) -> float:
    """Return the one parameter as a number, refused outside its range."""
    try:
        value = float(only(given))
    except ValueError:
        raise ScpiError(-104) from None
    if not lowest <= value <= highest:
        raise ScpiError(-222)
    return value


def boolean(given: Sequence[str]) -> bool:
    """Return the one parameter as on or off."""
    text = only(given).upper()
    if text in ("ON", "OFF"):
        return text == "ON"
    return number([text], -32767, 32767) != 0


def word(given: Sequence[str], allowed: Sequence[str]) -> str:
    """Return the short form of the one parameter, which is one of these words."""
    text = only(given).strip("'\"")
    for known in allowed:
        if _is(text, known):
            return _short(known)
    raise ScpiError(-224)
