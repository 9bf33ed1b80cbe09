import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.marks import LONGEST_MESSAGE, MARKS, is_stale, marked, messages, unmarked


def test_a_mark_is_told_and_comes_back_after_the_reply() -> None:
    assert marked("SOUR:VOLT?", 123) == "*ESE 123;SOUR:VOLT?;*ESE?"
    assert unmarked("SOUR:VOLT?", "+1.0E+00;123") == ("+1.0E+00", 123)
    assert unmarked("A?;B?", "1;2;+1.230000E+02") == ("1;2", 123)


def test_nothing_is_asked_after_an_identity() -> None:
    assert marked("*IDN?", 123) == "*ESE 123;*ESE?;*IDN?"
    assert unmarked("*IDN?", "123;MAKER,MODEL,1,2") == ("MAKER,MODEL,1,2", 123)


def test_a_reply_that_is_only_a_mark_is_empty() -> None:
    assert unmarked("READ?", "123") == ("", 123)


@pytest.mark.parametrize("reply", ["", "+1.0E+00", "1;0", "1;12", "1;300", "1;", "1;nan", "a;b"])
def test_what_has_no_mark_has_none(reply: str) -> None:
    assert unmarked("READ?", reply) == (reply, None)
    assert not is_stale(reply)


@pytest.mark.parametrize("reply", ["1;101", "101;MAKER,MODEL", "101"])
def test_a_mark_of_any_question_makes_a_reply_stale(reply: str) -> None:
    assert is_stale(reply)


@given(st.sampled_from(MARKS), st.integers(0, 20))
def test_half_a_mark_is_no_mark(mark: int, cut: int) -> None:
    whole = f"+2.500000E-01;{mark}"
    _, found = unmarked("READ?", whole[:cut])
    assert found is None or whole[:cut] == whole


def test_marks_are_no_states_and_no_round_numbers() -> None:
    assert len(MARKS) > 100
    assert all(100 < mark < 255 and mark % 10 for mark in MARKS)


def test_questions_share_messages_that_are_not_too_long() -> None:
    questions = [f"SENS:CURR:NUMB{number}?" for number in range(30)] + ["*OPC?"]
    made = list(messages(questions))
    assert all(len(message) < LONGEST_MESSAGE + 30 for message, _ in made)
    assert sum(count for _, count in made) == len(questions)
    assert [part for message, _ in made for part in message.split(";")] == [
        *(f":{question}" for question in questions[:-1]),
        "*OPC?",
    ]
    assert list(messages([])) == []
