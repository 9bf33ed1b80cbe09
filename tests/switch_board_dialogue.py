"""What the page about the switch board says is sent and answered, and more that must agree."""

from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "switch-board.md"
SAID = [line.strip() for line in PAGE.read_text("utf-8").splitlines() if line[4:6] in ("> ", "< ")]
ASKED = [line[2:] for line in SAID if line.startswith("> ")]
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
