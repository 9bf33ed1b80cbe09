"""Numbers that tell which question a reply is to.

A question travels as ``*ESE 123;SOUR:VOLT?;*ESE?``, and 123 comes back with its reply. The register
only chooses which events would ask for service, and nobody here waits for that. It takes a message
with two questions, which an instrument in 488.1 mode does not answer.
"""

from collections.abc import Iterator, Sequence

MARKS = tuple(number for number in range(101, 255) if number % 10)
"""Three digits, none of them a state or a round setting, so that nothing else is taken for one."""
INDEFINITE = ("*IDN?",)
"""Questions that have to be the last of a message, as their reply has no end of its own."""
LONGEST_MESSAGE = 200
"""Characters; well below what the instruments' input buffers hold. # assumed"""


def marked(question: str, mark: int) -> str:
    """Return the message that asks a question and has its reply marked."""
    asked = ("*ESE?", question) if is_indefinite(question) else (question, "*ESE?")
    return f"*ESE {mark};{';'.join(asked)}"


def unmarked(question: str, reply: str) -> tuple[str, int | None]:
    """Return the reply to a question without its mark, and the mark; None if it has none."""
    if is_indefinite(question):
        mark, _, rest = reply.partition(";")
    else:
        rest, _, mark = reply.rpartition(";")
    found = _mark(mark)
    return (reply, None) if found is None else (rest, found)


def is_stale(reply: str) -> bool:
    """Return True if a reply has the mark of some question, wherever it stands."""
    return any(
        _mark(part) is not None for part in (reply.partition(";")[0], reply.rpartition(";")[2])
    )


def is_indefinite(question: str) -> bool:
    """Return True for a question that no other may follow in its message."""
    return question.upper().endswith(INDEFINITE)


def messages(questions: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield messages that ask several questions, and how many of them each asks."""
    message, count = "", 0
    for question in questions:
        # From the root, whatever the one before it was about.
        spelled = question if question.startswith(("*", ":")) else f":{question}"
        if count and len(message) + len(spelled) >= LONGEST_MESSAGE:
            yield message, count
            message, count = "", 0
        message = f"{message};{spelled}" if count else spelled
        count += 1
    if count:
        yield message, count


def _mark(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number in MARKS else None
