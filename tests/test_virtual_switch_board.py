import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_backend.virtual.clock import FastClock, WallClock
from sim_backend.virtual.signals import Signal, Stimulus
from sim_backend.virtual.switch_board import (
    MOST_DROPS,
    OPERATE,
    RELEASE,
    BoardFaults,
    ProgramTime,
    VirtualSwitchBoard,
)
from sim_backend.virtual.world import Loopback, World
from switch_board_dialogue import ANSWERED, ASKED, TENTH, checksum, framed


class Relays(Loopback):
    """A wiring that remembers what was switched."""

    def __init__(self) -> None:
        self.closed: list[frozenset[int]] = []

    def switch(self, closed: frozenset[int]) -> None:
        self.closed.append(closed)


@pytest.fixture
def relays() -> Relays:
    return Relays()


@pytest.fixture
def watch() -> FastClock:
    return FastClock(latency=0.0)


@pytest.fixture
def board(relays: Relays, watch: FastClock) -> VirtualSwitchBoard:
    return VirtualSwitchBoard(World(FastClock(latency=0.0), relays), watch=watch)


def test_the_checksum_is_the_published_one() -> None:
    assert checksum("123456789") == "29B1"  # reveng's catalogue, CRC-16/IBM-3740


def test_the_board_answers_as_its_page_says(board: VirtualSwitchBoard, watch: FastClock) -> None:
    answered: list[str | None] = [board.boot()]
    for line in ASKED:
        if line == TENTH:
            watch.sleep(0.1001)
        else:
            answered.append(board.handle(line))
    assert answered == ANSWERED


def test_everything_is_open_between_two_selections(
    board: VirtualSwitchBoard, relays: Relays
) -> None:
    for mask in ("00010001", "00020002"):
        board.handle(framed(f"0001 CLOSE {mask}"))
    assert relays.closed == [{0, 16}, frozenset(), {1, 17}]


def test_a_selection_takes_the_relays_times(board: VirtualSwitchBoard) -> None:
    for mask in ("00000001", "00000002"):
        board.handle(framed(f"0001 CLOSE {mask}"))
    release, operate = RELEASE * 1e-3, OPERATE * 1e-3
    times = [time for time, _ in board.events]
    assert times == pytest.approx([release, release + operate, release + operate + release])


def test_a_board_that_forgot_the_break_has_both_closed_at_once(relays: Relays) -> None:
    board = VirtualSwitchBoard(World(FastClock(), relays), faults=BoardFaults(breaks=False))
    for mask in ("00000001", "00000002"):
        board.handle(framed(f"0001 CLOSE {mask}"))
    assert frozenset({0, 1}) in relays.closed


def test_a_stuck_output_is_read_back_and_nothing_is_closed_beside_it() -> None:
    faults = BoardFaults(stuck=frozenset({4}))
    board = VirtualSwitchBoard(World(FastClock(), Relays()), faults=faults)
    assert board.handle(framed("0001 OPEN")) == framed("0001 OPEN 00000010 00000010")
    assert board.handle(framed("0002 CLOSE 00000001")) == framed("0002 ERR READBACK 00000010")
    assert board.closed == {4}


def test_a_dead_output_and_a_swapped_one_are_read_back(relays: Relays) -> None:
    faults = BoardFaults(dead=frozenset({4}), swapped={5: 6})
    board = VirtualSwitchBoard(World(FastClock(), relays), faults=faults)
    assert board.handle(framed("0001 CLOSE 00000031")) == framed("0001 CLOSE 00000041")
    assert relays.closed == [{0, 6}]


def test_a_welded_contact_is_closed_and_no_read_back_shows_it(relays: Relays) -> None:
    world = World(FastClock(), relays)
    board = VirtualSwitchBoard(world, faults=BoardFaults(welded=frozenset({4})))
    world.advance()
    assert board.handle(framed("0001 CLOSE 00000001")) == framed("0001 CLOSE 00000001")
    assert board.handle(framed("0002 OPEN")) == framed("0002 OPEN 00000000 00000001")
    assert relays.closed == [{4}, {0, 4}, {4}]


def closed(relays: Relays) -> frozenset[int]:
    return relays.closed[-1] if relays.closed else frozenset()


def test_a_second_of_silence_opens_the_relays_when_the_world_is_asked_next(
    board: VirtualSwitchBoard, relays: Relays, watch: FastClock
) -> None:
    board.handle(framed("0001 CLOSE 00000001"))
    watch.sleep(0.999)
    board._world.advance()  # type: ignore[attr-defined]
    assert closed(relays) == {0}
    watch.sleep(0.0011)
    board._world.advance()  # type: ignore[attr-defined]
    assert closed(relays) == frozenset()
    assert board.closed == frozenset()


def test_a_watchdog_that_never_fires_is_seen_to(relays: Relays, watch: FastClock) -> None:
    world = World(FastClock(), relays)
    board = VirtualSwitchBoard(world, faults=BoardFaults(watches=False), watch=watch)
    board.handle(framed("0001 CLOSE 00000001"))
    watch.sleep(3600.0)
    world.advance()
    assert closed(relays) == {0}


def test_hours_of_bench_time_are_no_silence_where_time_is_fast(relays: Relays) -> None:
    world = World(FastClock(), relays)
    board = VirtualSwitchBoard(world)
    board.handle(framed("0001 CLOSE 00000001"))
    world.clock.sleep(3600.0)
    world.advance()
    assert closed(relays) == {0}


def test_a_beat_takes_no_bench_time(board: VirtualSwitchBoard) -> None:
    clock = board._world.clock
    before = clock.now, clock.calls
    assert board.handle(framed("0001 BEAT")) == framed("0001 BEAT 00000000 0000")
    assert (clock.now, clock.calls) == before


def test_where_the_bench_goes_by_the_wall_a_drop_was_a_second_after_the_last_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wall = 100.0
    monkeypatch.setattr("time.monotonic", lambda: wall)
    lived: list[tuple[float, float, frozenset[int]]] = []

    class Lives(Relays):
        def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
            lived.append((stimulus.start, stimulus.end, closed(self)))
            return super().respond(stimulus)

    world = World(WallClock(), Lives())
    board = VirtualSwitchBoard(world)
    wall = 102.0
    board.handle(framed("0001 CLOSE 00000001"))
    wall = 110.0
    world.advance()
    moments = (0.0, 2.0, frozenset[int]()), (2.0, 3.0, {0}), (3.0, 10.0, frozenset[int]())
    assert lived == list(moments)
    assert board.events[-1] == (3.0, frozenset())


def test_what_the_world_takes_to_compute_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = 100.0
    monkeypatch.setattr("time.monotonic", lambda: wall)

    class Slow(Relays):
        def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
            nonlocal wall
            wall += 30.0
            return super().respond(stimulus)

    world = World(FastClock(), Slow())
    time = ProgramTime(world)
    world.clock.sleep(1.0)
    world.advance()
    assert (wall, time.now) == (130.0, 100.0)


def test_drops_are_counted_until_the_count_is_full(
    board: VirtualSwitchBoard, watch: FastClock
) -> None:
    board._drops = MOST_DROPS - 1
    for _ in range(3):
        board.handle(framed("0001 OPEN"))
        board.handle(framed("0002 CLOSE 00000001"))
        watch.sleep(1.1)
    assert board.handle(framed("0003 BEAT")) == framed("0003 BEAT 00000000 FFFF")
    board.boot()
    assert board.handle(framed("0003 BEAT")) == framed("0003 BEAT 00000000 0000")


def test_bytes_may_come_in_any_pieces(board: VirtualSwitchBoard) -> None:
    said = ASKED[: ASKED.index(TENTH)]
    sent = "".join(f"{line}\r\n" for line in said).encode()
    got = b"".join(board.receive(sent[k : k + 1]) for k in range(len(sent)))
    assert got.decode().splitlines() == ANSWERED[1 : 1 + len(said)]


def test_a_restart_opens_everything_and_forgets_half_a_line(board: VirtualSwitchBoard) -> None:
    board.handle(framed("0001 CLOSE 00000001"))
    board.receive(b"0002 CLO")
    board.boot()
    assert board.closed == frozenset()
    assert board.receive(framed("0003 READ").encode() + b"\n").startswith(b"0003 READ 00000000 ")


@given(st.integers(0, 2**32 - 1), st.integers(0, 31), st.integers(0, 30))
def test_a_garbled_request_switches_nothing(mask: int, place: int, shift: int) -> None:
    board = VirtualSwitchBoard(World(FastClock(), Relays()))
    line = framed(f"0001 CLOSE {mask:08X}")
    at = place % len(line)
    garbled = line[:at] + chr(32 + (ord(line[at]) - 32 + 1 + shift) % 95) + line[at + 1 :]
    assert board.handle(garbled) == framed("???? ERR CHECKSUM")
    assert board.events == []
