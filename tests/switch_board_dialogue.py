"""What the page about the switch board says is sent and answered, and more that must agree."""

from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "switch-board.md"
MARKS = ("> ", "< ", "~ ")
SAID = [line.strip() for line in PAGE.read_text("utf-8").splitlines() if line[4:6] in MARKS]
TENTH = "a tenth of a second in which nothing is said"
SECOND = [TENTH] * 10
ASKED = [
    each
    for line in SAID
    for each in ([line[2:]] if line.startswith("> ") else SECOND if line == "~ one second" else [])
]
ANSWERED = [line[2:] for line in SAID if line.startswith("< ")]
"""The first is the ready line; the others answer `ASKED`, one by one."""


def checksum(body: str) -> str:
    """Return the checksum of docs/switch-board.md, bit by bit as its polynomial division."""
    remainder = 0xFFFF
    for byte in body.encode("latin-1"):
        for shift in range(7, -1, -1):
            carry = (byte >> shift & 1) ^ (remainder >> 15)
            remainder = (remainder << 1 & 0xFFFF) ^ (0x1021 if carry else 0)
    return f"{remainder:04X}"


def framed(body: str) -> str:
    """Return a line without its end."""
    return f"{body} {checksum(body)}"


ODD = [
    framed("0010 READ "),
    framed("0011 READ 0"),
    framed("0012 close 00000001"),
    framed("0013 CLOSE 0000000a"),
    framed("0014 CLOSE 000000001"),
    framed("0015 CLOSE"),
    framed("0016 CLOSE  0000001"),
    framed("0017 CLOSE 80000000") + "\r",
    framed("0018 CLOSE FFFFFFFF"),
    framed("0019 CLOSE 00000000"),
    framed("001A"),
    framed("00 OPEN"),
    framed("0" * 42),
    framed("0" * 43),
    "0" * 200,
    framed("001B READ").lower(),
    framed("001C  READ"),
    "",
    "\r",
    "x",
    "é",
]
"""Requests at the edges of the protocol; nobody says here what is answered, only that all agree."""

SILENCES = [
    framed("0020 CLOSE 00000101"),
    *SECOND[1:],
    framed("0021 READ"),
    *SECOND[1:],
    framed("0022 BEAT"),
    *SECOND[1:],
    framed("0023 HELP"),
    *SECOND[1:],
    framed("0024 CLOSE 1"),
    *SECOND[1:],
    framed("0025 BEAT"),
    *SECOND[1:],
    "noise",
    "0026 BEAT 0000",
    *SECOND[:2],
    framed("0027 READ"),
    framed("0028 CLOSE 00000101"),
    framed("0029 CLOSE"),
    framed("002A IDENT"),
    framed("002B BEAT"),
    *SECOND,
    *SECOND,
    framed("002C BEAT"),
    framed("002D CLOSE 00000000"),
    framed("002E OPEN"),
    framed("002F CLOSE 00000000"),
    *SECOND,
    framed("0030 BEAT"),
    framed("0031 CLOSE 80000000"),
    *SECOND,
    *SECOND[:1],
    framed("0032 OPEN"),
    framed("0033 BEAT"),
    framed("0034 BEAT "),
    framed("0035 BEAT 0"),
]
"""Requests around silences that are nearly, and more than, what the watchdog takes."""
