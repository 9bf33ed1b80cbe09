"""The firmware compiled for this computer, held against the page and the virtual board."""

import os
import shutil
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crossbar.backend import InstrumentError
from instruments.switch_board import SwitchBoard
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.switch_board import VirtualSwitchBoard
from sim_backend.virtual.world import Loopback, World
from switch_board_dialogue import ANSWERED, ASKED, ODD, SECOND, SILENCES, TENTH, framed

SKETCH = Path(__file__).parents[1] / "instruments" / "firmware" / "switch_board.ino"
BREAK = "  open_all();  // break before make, whoever asks\n"
ARDUINO = r"""
// As much of an Arduino as the sketch needs: pins that are logged, and a serial port on 0 and 1.
// Time passes by waiting, and by the character 1: a tenth of a second; in LIVE also by the wall.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <poll.h>
#include <unistd.h>
enum { LOW = 0, HIGH = 1, INPUT = 0, OUTPUT = 1 };
static unsigned long now_ms = 0;
static int level[70], mode[70];
static int stuck = -1;
static FILE *pins;
static void delay(unsigned long duration) { now_ms += duration; }
static uint32_t millis() {
  timespec now = {0, 0};
#ifdef LIVE
  clock_gettime(CLOCK_MONOTONIC, &now);
#endif
  return now_ms + now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
static void pinMode(int pin, int as) { mode[pin] = as; }
static void digitalWrite(int pin, int high) {
  if (level[pin] == high) return;
  level[pin] = high;
  fprintf(pins, "%lu %d %d %d\n", now_ms, pin, high, mode[pin]);
  fflush(pins);
}
static int digitalRead(int pin) { return pin == stuck ? HIGH : level[pin]; }
struct {
  char held; bool full = false;
  int silent = 0;
  void begin(long) {}
  int available() {
    if (silent) { silent--; now_ms++; return 0; }
#ifdef LIVE
    pollfd input = {0, POLLIN, 0};
    if (!full && poll(&input, 1, 1) == 0) return 0;
#endif
    if (!full && ::read(0, &held, 1) != 1) exit(0);
    if (held == 1) { silent = 100; return 0; }
    return full = true;
  }
  int read() { full = false; return (unsigned char)held; }
  void print(const char *text) { if (::write(1, text, strlen(text)) < 0) exit(1); }
} Serial;
#include SKETCH
int main(int, char **arguments) {
  pins = fopen(arguments[1], "w");
  now_ms = atol(arguments[2]);
  if (arguments[3]) stuck = atoi(arguments[3]);
  setup();
  for (;;) loop();
}
"""

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ here")


def compiled(sketch: str, folder: Path, *options: str) -> Path:
    (folder / "sketch.ino").write_text(sketch, encoding="utf-8")
    (folder / "board.cpp").write_text(ARDUINO, encoding="utf-8")
    warn = ["-Wall", "-Wextra", "-Werror", "-Wno-misleading-indentation"]
    define = f'-DSKETCH="{folder / "sketch.ino"}"'
    subprocess.run(
        ["g++", "-std=c++11", *warn, define, *options, "board.cpp", "-o", "board"],
        cwd=folder,
        check=True,
    )
    return folder / "board"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(SKETCH.read_text("utf-8"), tmp_path_factory.mktemp("firmware"))


def talk(
    board: Path, lines: list[str], *stuck: str, start: int = 0
) -> tuple[list[str], list[frozenset[int]]]:
    """Return what the firmware answers, and the channels that were closed after each change."""
    log = board.parent / "pins"
    sent = "".join("\1" if line == TENTH else f"{line}\n" for line in lines).encode("latin-1")
    command = [str(board), str(log), str(start), *stuck]
    said = subprocess.run(command, input=sent, capture_output=True, check=True).stdout
    return said.decode("latin-1").splitlines(), closed_by(log)


def closed_by(log: Path) -> list[frozenset[int]]:
    """Return the channels that were closed at first and after each change of a pin."""
    closed: list[frozenset[int]] = [frozenset()]
    for line in log.read_text("ascii").splitlines():
        _, pin, high, _ = map(int, line.split())
        channel = frozenset({pin - 22})
        closed.append(closed[-1] | channel if high else closed[-1] - channel)
    return closed


def test_the_firmware_answers_as_its_page_says(board: Path) -> None:
    answered, _ = talk(board, ASKED)
    assert answered == ANSWERED


def answers(lines: list[str]) -> tuple[list[str], list[frozenset[int]]]:
    """Return what the virtual board answers, and what was closed after each of its changes."""
    watch = FastClock(latency=0.0)
    virtual = VirtualSwitchBoard(World(FastClock(), Loopback()), watch=watch)
    answered = []
    for line in lines:
        if line == TENTH:
            watch.sleep(0.1001)
            virtual.look()
        elif (answer := virtual.handle(line)) is not None:
            answered.append(answer)
    return answered, [frozenset(), *(closed for _, closed in virtual.events)]


def settled(closed: list[frozenset[int]]) -> list[frozenset[int]]:
    """Return what was closed, without the pins that follow one another at the same moment."""
    return [
        now
        for before, now, after in zip([None, *closed], closed, [*closed[1:], None], strict=False)
        if before is None or after is None or (now < before) != (after < now)
    ]


@pytest.mark.parametrize("lines", [ODD, SILENCES], ids=["odd", "silences"])
def test_the_virtual_board_answers_whatever_the_firmware_answers(
    lines: list[str], board: Path
) -> None:
    expected, switched = answers(lines)
    answered, closed = talk(board, lines)
    assert answered[1:] == expected
    assert settled(closed) == switched


@pytest.mark.parametrize("start", [2**32 - 1 - 1000 * k for k in range(3)])
def test_the_watchdog_is_right_when_the_milliseconds_begin_anew(board: Path, start: int) -> None:
    assert talk(board, SILENCES, start=start)[0] == talk(board, SILENCES)[0]


def test_noise_does_not_keep_the_firmwares_relays_closed(board: Path) -> None:
    noise = [each for _ in range(10) for each in ("noise", *SECOND[:1])]
    answered, closed = talk(board, [framed("0001 CLOSE 00000001"), *noise, framed("0002 BEAT")])
    assert closed == [frozenset(), {0}, frozenset()]
    assert answered[-1] == framed("0002 BEAT 00000000 0001")


def test_a_firmware_whose_watchdog_never_fires_is_found(tmp_path: Path) -> None:
    text = SKETCH.read_text("utf-8")
    assert "  watch();" in text
    deaf = compiled(text.replace("  watch();", "  "), tmp_path)
    assert talk(deaf, SILENCES)[0][1:] != answers(SILENCES)[0]


def test_no_relay_is_closed_at_boot(board: Path) -> None:
    _, closed = talk(board, [])
    assert closed == [frozenset()]


def test_the_firmware_opens_everything_before_it_closes_anything(board: Path) -> None:
    _, closed = talk(board, [framed("0001 CLOSE 00000001"), framed("0002 CLOSE 00000002")])
    assert closed[1:] == [{0}, frozenset(), {1}]


def test_a_firmware_that_forgot_the_break_is_found(tmp_path: Path) -> None:
    text = SKETCH.read_text("utf-8")
    assert BREAK in text
    left = "  uint32_t left = read_outputs();\n"
    forgetful = compiled(text.replace(BREAK, "").replace(left, "  uint32_t left = 0;\n"), tmp_path)
    _, closed = talk(forgetful, [framed("0001 CLOSE 00000002"), framed("0002 CLOSE 00000001")])
    assert {0, 1} in closed


def test_a_stuck_output_keeps_the_firmware_from_closing_others(board: Path) -> None:
    answered, closed = talk(board, [framed("0001 CLOSE 00000001")], "26")
    assert answered[1] == framed("0001 ERR READBACK 00000010")
    assert closed == [frozenset()]


@contextmanager
def running(board: Path) -> Iterator[str]:
    """Run the firmware behind a pseudo-terminal; yield its name when the ready line has come."""
    near, far = os.openpty()
    tty.setraw(far)
    child = subprocess.Popen([board, board.parent / "pins", "0"], stdin=near, stdout=near)
    try:
        ready = b""
        while not ready.endswith(b"\n"):
            ready += os.read(far, 1)
        assert ready.startswith(b"BOOT READY crossbar-switch 2 ")
        yield os.ttyname(far)
    finally:
        child.kill()
        child.wait()
        os.close(near)
        os.close(far)


def test_the_driver_switches_the_firmware(board: Path) -> None:
    with running(board) as port, SwitchBoard(port) as driver:
        driver.select({3, 19})
        assert driver.closed() == {3, 19}
        driver.confirm()
        assert driver.strays == 0


class CountsItsBeats(SwitchBoard):
    """A driver that says when it has beaten often enough."""

    enough = threading.Event()
    left = 15

    def _look(self) -> None:
        super()._look()
        self.left -= 1
        if not self.left:
            self.enough.set()


def test_the_drivers_beats_keep_the_firmwares_relays_closed_and_their_end_opens_them(
    tmp_path: Path,
) -> None:
    live = compiled(SKETCH.read_text("utf-8"), tmp_path, "-DLIVE")
    with running(live) as port:
        driver = CountsItsBeats(port, beat=0.1)
        driver.open()
        driver.select({3})
        assert driver.enough.wait(60)
        driver.confirm()
        assert closed_by(tmp_path / "pins") == [frozenset(), {3}]
        driver._port.close()  # as a program that dies
        end = time.monotonic() + 20
        while closed_by(tmp_path / "pins")[-1]:
            assert time.monotonic() < end
            time.sleep(0.01)
        with pytest.raises(InstrumentError, match=r"after 1 s of silence, in which 3 beats 0\.5 s"):
            SwitchBoard(port, beat=0.5).open()
