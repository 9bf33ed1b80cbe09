import gc
import threading
import weakref

from instruments.heartbeat import Heartbeat


class Heart:
    """Counts its beats."""

    def __init__(self) -> None:
        self.count = 0
        self.enough = threading.Event()

    def beat(self) -> None:
        self.count += 1
        if self.count >= 10:
            self.enough.set()


def test_it_beats_between_start_and_stop() -> None:
    heart = Heart()
    beats = Heartbeat(heart.beat, 0.001)
    for _ in range(2):
        heart.count = 0
        heart.enough.clear()
        beats.start()
        beats.start()
        assert heart.enough.wait(60)
        thread = beats._thread
        beats.stop()
        beats.stop()
        assert thread is not None
        assert not thread.is_alive()


def test_an_interval_of_zero_is_no_beat_at_all() -> None:
    beats = Heartbeat(Heart().beat, 0)
    beats.start()
    assert beats._thread is None
    beats.stop()


def test_it_keeps_neither_the_process_alive_nor_what_beats() -> None:
    heart = Heart()
    beats = Heartbeat(heart.beat, 0.001)
    beats.start()
    thread, gone = beats._thread, weakref.ref(heart)
    assert thread is not None
    assert thread.daemon
    del heart
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()
    assert gone() is None
