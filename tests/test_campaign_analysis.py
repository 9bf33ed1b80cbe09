import re
from pathlib import Path

import numpy as np
import pytest

from campaigns import RANGE, SOME, TEXT, definition, known, recipe, true_value
from crossbar.backend import DataError
from crossbar.campaigns.analysis import course, importance, pairs, slices
from crossbar.campaigns.campaign import Campaign, begin
from crossbar.campaigns.drawing import draw_all
from crossbar.campaigns.knowledge import Knowledge
from crossbar.campaigns.records import Telling
from crossbar.campaigns.report import write_report
from crossbar.figures.campaign import course_figure

SMALL = definition()


def everything(text: str = TEXT) -> Knowledge:
    space = definition(text).space
    return Knowledge(
        definition(text), known(*((p, true_value(p)) for p in space.points(space.grid())))
    )


def test_the_course_is_the_best_so_far() -> None:
    one = course(Knowledge(SMALL, known(*SOME, (recipe("a", 1, 10), None))))
    assert one.numbers.tolist() == [1, 2, 3, 4]
    assert one.values.tolist() == [value for _, value in SOME]
    assert one.best.tolist() == np.maximum.accumulate(one.values).tolist()
    assert (one.sds == 0.01).all()


def test_the_course_to_a_target_is_the_nearest_so_far() -> None:
    text = TEXT.replace("noise = 0.01", 'goal = "target"\ntarget = 0.5')
    told = [(recipe("a", k, 10), value) for k, value in ((1, 0.9), (2, 0.45), (3, 0.2), (4, 0.52))]
    knows = Knowledge(definition(text), known(*told))
    assert course(knows).best.tolist() == [0.9, 0.45, 0.45, 0.52]
    assert np.isnan(course(knows).sds).all()


def test_slices_go_through_the_leading_recipe() -> None:
    knows = everything()
    kind, length, width = slices(knows)
    assert knows.told[knows.leader].recipe == recipe("b", 4, 20)
    assert (kind.labels, kind.ordered) == (["a", "b", "c"], False)
    truth = [true_value(recipe("b", x, 20)) for x in (1, 2, 3, 4, 5)]
    assert length.mean == pytest.approx(truth, abs=0.03)
    assert (width.unit, width.labels) == ("nm", ["10", "20", "30", "40"])
    assert width.here == pytest.approx(1 / 3)


def test_a_range_has_a_slice_of_many_points() -> None:
    knows = Knowledge(definition(RANGE), known(*SOME))
    assert len(slices(knows)[1].labels) == 41


def test_pairs_are_of_every_two_variables() -> None:
    found = pairs(everything())
    names = [(pair.first.name, pair.second.name) for pair in found]
    assert names == [("type", "length"), ("type", "width"), ("length", "width")]
    assert found[2].mean.shape == (4, 5)
    truth = [[true_value(recipe("b", x, w)) for x in range(1, 6)] for w in (10, 20, 30, 40)]
    assert found[2].mean == pytest.approx(np.array(truth), abs=0.04)


def test_importance_is_that_of_what_was_told() -> None:
    found = importance(everything())
    grid = SMALL.space.points(SMALL.space.grid())
    values = np.array([true_value(p) for p in grid]).reshape(3, 5, 4)
    for axis, name in enumerate(("type", "length", "width")):
        others = tuple(k for k in range(3) if k != axis)
        alone = values.mean(axis=others).var() / values.var()
        assert found[name][0] == pytest.approx(alone, abs=0.03)
        total = values.var(axis=axis).mean() / values.var()
        assert found[name][1] == pytest.approx(total, abs=0.03)
        assert found[name][0] <= found[name][1]


def test_where_nothing_differs_nothing_matters() -> None:
    text = 'name = "x"\n[objective]\nnoise = 0.3\n[[variables]]\nname = "t"\nchoices = ["a", "b"]\n'
    same = Knowledge(definition(text), known(({"t": "a"}, 0.5), ({"t": "b"}, 0.5)))
    assert importance(same) == {"t": (0.0, 0.0)}


def test_what_is_left_out_is_foretold_once_much_is_known() -> None:
    knows = everything()
    mean, sd = knows.model.left_out()
    assert np.corrcoef(mean, knows.values)[0, 1] > 0.97
    assert (sd > 0).all()


@pytest.fixture
def campaign_file(tmp_path: Path) -> Path:
    path = tmp_path / "s.toml"
    text = TEXT.replace('"small"', '"<b>&small"').replace("[objective]", '[objective]\n# "<i>"')
    path.write_text(text)
    return path


def filled(campaign: Campaign) -> None:
    for given, value in SOME:
        campaign.tell_own(given, Telling("told", value, note="<script>alert(1)</script>"))
    campaign.tell(1, Telling("told", 0.2), correct=True)
    campaign.tell(campaign.add(recipe("c", 5, 40)), Telling("failed"))
    campaign.add(recipe("a", 5, 40))


def test_every_figure_is_drawn(campaign_file: Path, tmp_path: Path) -> None:
    with begin(campaign_file) as campaign:
        filled(campaign)
        written = draw_all(campaign.definition, campaign.state(), tmp_path / "c.png")
    assert [p.name for p in written] == ["c.png", "c-slices.png", "c-pairs.png", "c-trust.png"]
    assert all(p.stat().st_size > 10_000 for p in written)


def test_there_is_nothing_to_draw_before_a_value(campaign_file: Path, tmp_path: Path) -> None:
    with begin(campaign_file) as campaign, pytest.raises(DataError, match="nothing to draw"):
        draw_all(campaign.definition, campaign.state(), tmp_path / "c.png")


def test_a_report_needs_nothing_outside_it_and_runs_nothing(
    campaign_file: Path, tmp_path: Path
) -> None:
    page = tmp_path / "r.html"
    with begin(campaign_file) as campaign:
        filled(campaign)
        write_report(campaign, page)
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 4
    outside = re.findall(r'(?:src|href)="(?!data:)', text)
    assert outside == []
    assert "<script" not in text.lower()
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;b&gt;&amp;small" in text
    assert "http" not in text
    for part in ("Next candidates", "Recipes", "Everything that was told", "What was asked"):
        assert f"<h2>{part}</h2>" in text
    assert "0.2000" in text
    assert f"{SOME[0][1]:.4f}" in text  # what was corrected is told too


def test_a_report_of_nothing_told_is_a_page_too(campaign_file: Path, tmp_path: Path) -> None:
    with begin(campaign_file) as campaign:
        write_report(campaign, tmp_path / "r.html")
        with pytest.raises(DataError, match="cannot be written"):
            write_report(campaign, tmp_path / "none" / "r.html")
    assert "<h2>Recipes</h2>" in (tmp_path / "r.html").read_text()


def test_several_campaigns_are_drawn_side_by_side() -> None:
    one = course(Knowledge(SMALL, known(*SOME)))
    figure = course_figure({"one": one, "two": one}, "usability", "", "", failed=[2])
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]  # type: ignore[union-attr]
    assert {"one: best so far", "two: best so far", "failed"} <= set(labels)
