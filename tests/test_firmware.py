"""The firmware compiled for this computer, held against the page and the virtual board."""

import os
import shutil
import subprocess
import tty
from pathlib import Path

import pytest

from instruments.switch_board import SwitchBoard
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.switch_board import VirtualSwitchBoard
from sim_backend.virtual.world import Loopback, World
from switch_board_dialogue import ANSWERED, ASKED, ODD, framed

SKETCH = Path(__file__).parents[1] / "instruments" / "firmware" / "switch_board.ino"
BREAK = "  open_all();  // break before make, whoever asks\n"
ARDUINO = r"""
// As much of an Arduino as the sketch needs: pins that are logged, and a serial port on 0 and 1.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
enum { LOW = 0, HIGH = 1, INPUT = 0, OUTPUT = 1 };
static unsigned long now_ms = 0;
static int level[70], mode[70];
static int stuck = -1;
static FILE *pins;
static void delay(unsigned long duration) { now_ms += duration; }
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
  void begin(long) {}
  int available() {
    if (!full && ::read(0, &held, 1) != 1) exit(0);
    return full = true;
  }
  int read() { full = false; return (unsigned char)held; }
  void print(const char *text) { if (::write(1, text, strlen(text)) < 0) exit(1); }
} Serial;
#include SKETCH
int main(int, char **arguments) {
  pins = fopen(arguments[1], "w");
  if (arguments[2]) stuck = atoi(arguments[2]);
  setup();
  for (;;) loop();
}
"""

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ here")


def compiled(sketch: str, folder: Path) -> Path:
    (folder / "sketch.ino").write_text(sketch, encoding="utf-8")
    (folder / "board.cpp").write_text(ARDUINO, encoding="utf-8")
    warn = ["-Wall", "-Wextra", "-Werror", "-Wno-misleading-indentation"]
    define = f'-DSKETCH="{folder / "sketch.ino"}"'
    subprocess.run(
        ["g++", "-std=c++11", *warn, define, "board.cpp", "-o", "board"], cwd=folder, check=True
    )
    return folder / "board"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(SKETCH.read_text("utf-8"), tmp_path_factory.mktemp("firmware"))


def talk(board: Path, lines: list[str], *stuck: str) -> tuple[list[str], list[frozenset[int]]]:
    """Return what the firmware answers, and the channels that were closed after each change."""
    log = board.parent / "pins"
    sent = "".join(f"{line}\n" for line in lines).encode("latin-1")
    said = subprocess.run([board, log, *stuck], input=sent, capture_output=True, check=True).stdout
    closed: list[frozenset[int]] = [frozenset()]
    for line in log.read_text("ascii").splitlines():
        _, pin, high, _ = map(int, line.split())
        channel = frozenset({pin - 22})
        closed.append(closed[-1] | channel if high else closed[-1] - channel)
    return said.decode("latin-1").splitlines(), closed


def test_the_firmware_answers_as_its_page_says(board: Path) -> None:
    answered, _ = talk(board, ASKED)
    assert answered == ANSWERED


def test_the_virtual_board_answers_whatever_the_firmware_answers(board: Path) -> None:
    virtual = VirtualSwitchBoard(World(FastClock(), Loopback()))
    expected = [virtual.handle(line) for line in ODD]
    answered, _ = talk(board, ODD)
    assert answered[1:] == [line for line in expected if line is not None]


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


def test_the_driver_switches_the_firmware(board: Path) -> None:
    near, far = os.openpty()
    tty.setraw(far)
    child = subprocess.Popen([board, board.parent / "pins"], stdin=near, stdout=near)
    try:
        ready = b""
        while not ready.endswith(b"\n"):
            ready += os.read(far, 1)
        assert ready.decode().rstrip() == ANSWERED[0]
        with SwitchBoard(os.ttyname(far)) as driver:
            driver.select({3, 19})
            assert driver.closed() == {3, 19}
        assert driver.strays == 0
    finally:
        child.kill()
        child.wait()
        os.close(near)
        os.close(far)
