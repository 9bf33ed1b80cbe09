import pytest

from crossbar.backend import InstrumentError
from instruments.switch_board_replies import Identity, channels, heard, identity, opened


def test_what_a_board_says_of_itself_is_in_seconds() -> None:
    expected = Identity("crossbar-switch", 2, 32, 0.005, 0.006, 1.0)
    assert identity("crossbar-switch 2 32 5 6 1000") == expected


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("crossbar-switch 1 32 5 5", "wanted crossbar-switch with protocol 2 and 32 channels, "),
        ("crossbar-switch 3 32 5 5 1000", "with protocol 2"),
        ("crossbar-switch 2 16 5 5 1000", "32 channels"),
        ("another 2 32 5 5 1000", "wanted crossbar-switch"),
        ("", "wanted crossbar-switch"),
        ("crossbar-switch 2 32 5 5", "is no identity"),
        ("crossbar-switch 2 32 5 -5 1000", "is no identity"),
        ("crossbar-switch 2 32 5 5 1000 1", "is no identity"),
    ],
)
def test_another_instrument_is_no_switch_board(said: str, message: str) -> None:
    with pytest.raises(InstrumentError, match=message):
        identity(said)


def test_masks_are_channels() -> None:
    assert channels("80000005") == {0, 2, 31}
    assert opened("00000000 00010001") == (frozenset(), frozenset({0, 16}))
    assert heard("00010001 00FF") == (frozenset({0, 16}), 255)


@pytest.mark.parametrize("said", ["", "1", "0000000a", "0x000001", "000000001", " 0000001"])
def test_what_is_no_mask_is_refused(said: str) -> None:
    for read in (channels, opened, heard):
        with pytest.raises(InstrumentError, match="is no"):
            read(said)


@pytest.mark.parametrize("count", ["", "1", "00ff", "00001", "+001"])
def test_a_beat_without_its_count_is_refused(count: str) -> None:
    with pytest.raises(InstrumentError, match="is no answer to a beat"):
        heard(f"00000001 {count}")


def test_the_end_of_a_selection_says_what_it_was() -> None:
    with pytest.raises(InstrumentError, match="is no mask"):
        opened("00000000")
