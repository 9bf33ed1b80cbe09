from dataclasses import replace

import numpy as np
import pytest

from campaigns import RANGE, SOME, TEXT, definition, known, recipe, true_value
from crossbar.backend import DataError
from crossbar.campaigns.adviser import Adviser
from crossbar.campaigns.records import State

SMALL = definition()


def proposed(state: State, count: int = 1, text: str = TEXT) -> list[dict[str, float | str]]:
    return [dict(p.recipe) for p in Adviser(definition(text), state).propose(count)]


def test_the_best_of_60_recipes_is_found_within_a_dozen() -> None:
    told = [(recipe("a", 1, 40), true_value(recipe("a", 1, 40)))]
    while told[-1][0] != recipe("b", 4, 20):
        (next_one,) = proposed(known(*told))
        told.append((next_one, true_value(next_one)))
        assert len(told) <= 12


def test_the_same_knowledge_gives_the_same_advice() -> None:
    one, other = (Adviser(SMALL, known(*SOME)).propose(2) for _ in range(2))
    assert one == other


def test_what_is_made_or_being_made_is_not_proposed_again() -> None:
    grid = SMALL.space.points(SMALL.space.grid())
    left = [recipe("c", 1, 10), recipe("c", 1, 20)]
    told = [(dict(p), 0.5) for p in grid if dict(p) not in left]
    for k in (0, 20):
        told[k] = (told[k][0], "failed")  # type: ignore[assignment]  # a value or a word
    state = known(*told, (left[0], None))
    assert proposed(state) == [left[1]]
    with pytest.raises(DataError, match="all 60 recipes are made, or being made"):
        proposed(known(*told, (left[0], None), (left[1], None)))


def test_what_was_withdrawn_may_be_proposed_again() -> None:
    (first,) = proposed(known(*SOME))
    assert proposed(known(*SOME, (first, None))) != [first]
    assert proposed(known(*SOME, (first, "withdrawn"))) == [first]


def test_a_batch_is_of_different_recipes_that_are_not_next_to_each_other() -> None:
    batch = proposed(known(*SOME), 4)
    assert len({tuple(one.items()) for one in batch}) == 4
    assert batch[0] == proposed(known(*SOME))[0]
    assert batch[1] == proposed(known(*SOME, (batch[0], None)))[0]


def test_before_anything_is_told_recipes_are_from_the_middle_and_apart() -> None:
    batch = proposed(known(), 3, RANGE)
    for one in batch:
        assert 2 <= float(one["length"]) <= 4
    assert len({(one["type"], one["length"], one["width"]) for one in batch}) == 3
    assert len({one["type"] for one in batch}) > 1


def test_ranges_are_searched_too_in_thousandths() -> None:
    told = [(recipe("a", 2, 20), true_value(recipe("a", 2, 20)))]
    for _ in range(14):
        (next_one,) = proposed(known(*told), 1, RANGE)
        code = (float(next_one["length"]) - 1) / 4
        assert 0 <= code <= 1
        assert code * 1000 == pytest.approx(round(code * 1000), abs=1e-6)
        told.append((next_one, true_value(next_one)))
    assert max(value for _, value in told) > 0.87
    assert len({tuple(made.items()) for made, _ in told}) == len(told)


def test_candidates_of_a_range_do_not_stand_for_each_other() -> None:
    found = Adviser(definition(RANGE), known(*SOME)).ranking(5)
    assert len(found) == 5
    places = [(p.recipe["type"], float(p.recipe["length"]), p.recipe["width"]) for p in found]
    for k, (kind, length, width) in enumerate(places):
        for other in places[:k]:
            assert other[0] != kind or other[2] != width or abs(other[1] - length) >= 0.4 - 1e-9


def test_candidates_are_ranked_and_the_first_is_what_is_proposed() -> None:
    adviser = Adviser(SMALL, known(*SOME))
    found = adviser.ranking(5)
    assert dict(found[0].recipe) == dict(adviser.propose(1)[0].recipe)
    assert [p.gain for p in found] == sorted((p.gain for p in found), reverse=True)


def test_a_proposal_says_what_is_expected_and_why() -> None:
    adviser = Adviser(SMALL, known(*SOME, (recipe("a", 5, 40), "failed")))
    (one,) = adviser.propose(1)
    mean, sd = adviser.knows.predict(SMALL.space.rows([one.recipe]))
    assert one.mean == pytest.approx(mean[0])
    assert one.sd == pytest.approx(sd[0])
    assert 0 < one.better < 1
    assert 0 < one.feasible < 1
    now, after = one.teaches
    assert 0 < after < now
    assert len(one.nearest) == 3
    numbers = [number for number, _, _ in one.nearest]
    assert set(numbers) <= {1, 2, 3, 4, 5}
    alike = [share for _, _, share in one.nearest]
    assert alike == sorted(alike, reverse=True)
    assert set(one.plain()) >= {"mean", "sd", "gain", "better", "teaches", "nearest"}


def test_more_that_is_like_failures_is_avoided() -> None:
    bad = [(recipe("b", length, 20), "failed") for length in (3.0, 5.0)]
    without = Adviser(SMALL, known(*SOME))
    wary = Adviser(SMALL, known(*SOME, *bad))
    row = SMALL.space.rows([recipe("b", 4, 20)])
    assert without.knows.feasible(row) == 1
    far = SMALL.space.rows([recipe("c", 1, 40)])
    assert wary.knows.feasible(row)[0] < wary.knows.feasible(far)[0]


def test_a_target_is_hit_not_passed() -> None:
    text = TEXT.replace("noise = 0.01", 'noise = 0.01\ngoal = "target"\ntarget = 0.5')
    told = list(SOME)
    for _ in range(8):
        (next_one,) = proposed(known(*told), 1, text)
        told.append((next_one, true_value(next_one)))
    assert min(abs(float(value) - 0.5) for _, value in told) < 0.03
    adviser = Adviser(definition(text), known(*told))
    assert abs(adviser.knows.values[adviser.knows.leader] - 0.5) < 0.05


def test_noisy_expected_improvement_can_be_asked_for() -> None:
    text = TEXT + '\n[asking]\nacquisition = "nei"\n'
    state = known(*SOME)
    (one,) = proposed(state, 1, text)
    assert one not in [dict(made.recipe) for made in state.recipes]
    assert proposed(state, 2, text)[1] != one
    with pytest.raises(DataError, match="not one of ei, nei"):
        definition(text.replace('"nei"', '"ucb"'))


def test_limits_are_kept() -> None:
    text = TEXT + "\n[[limits]]\nweights = { length = 1.0 }\nmost = 3.0\n"
    told = [(recipe("a", 1, 40), true_value(recipe("a", 1, 40)))]
    for _ in range(6):
        (next_one,) = proposed(known(*told), 1, text)
        assert float(next_one["length"]) <= 3
        told.append((next_one, true_value(next_one)))


def test_a_recipe_between_the_levels_counts() -> None:
    own = recipe("b", 3.7, 22)
    with_it = Adviser(SMALL, known(*SOME, (own, true_value(own))))
    near = SMALL.space.rows([recipe("b", 4, 20)])
    assert (
        with_it.knows.predict(near)[1] < 0.5 * Adviser(SMALL, known(*SOME)).knows.predict(near)[1]
    )


def test_a_value_of_its_own_uncertainty_counts_by_it() -> None:
    state = known(*SOME)
    first = state.recipes[1]
    said = first.current
    assert said is not None
    vague = replace(first, tellings=(replace(said, sd=0.3),))
    other = State((state.recipes[0], vague, *state.recipes[2:]))
    rows = SMALL.space.rows([first.recipe])
    spread = [Adviser(SMALL, s).knows.predict(rows)[1][0] for s in (state, other)]
    assert spread[1] > 3 * spread[0]


def test_earlier_campaigns_show_where_to_begin() -> None:
    grid = SMALL.space.points(SMALL.space.grid())
    earlier = tuple((p, true_value(p), 0.01) for p in grid[::2])
    (first,) = Adviser(SMALL, State((), earlier)).propose(1)
    assert true_value(first.recipe) > 0.8
    state = State(known((recipe("a", 1, 40), true_value(recipe("a", 1, 40)))).recipes, earlier)
    (second,) = Adviser(SMALL, state).propose(1)
    assert true_value(second.recipe) > 0.8


def test_without_a_value_nothing_can_be_said() -> None:
    with pytest.raises(DataError, match="no value was told yet"):
        Adviser(SMALL, known()).knows.predict(np.zeros((1, 3)))
