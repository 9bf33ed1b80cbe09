from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.figures.levels import levels_figure
from crossbar.figures.style import save
from crossbar.memsim import DeviceProfile
from crossbar.memsim.result import LevelSweep
from memsim_devices import short

LEVELS = (0.5, 1.0, 0.8)


def result(*, draws: int = 9) -> LevelSweep:
    values = np.add.outer(LEVELS, np.linspace(-0.1, 0.1, draws)) / 2
    profiles = tuple(DeviceProfile.at(usability) for usability in LEVELS)
    return LevelSweep(profiles, profiles[0].form, values, 0.55, "accuracy", 3, "by hand")


def test_levels_are_drawn_from_ideal_to_worst_with_their_means() -> None:
    figure = levels_figure({"erm": result()}, "a network", "a note")
    axes = figure.axes[0]
    line = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(np.asarray(line.get_xdata()), [1.0, 0.8, 0.5])
    np.testing.assert_allclose(np.asarray(line.get_ydata()), [50, 40, 25])
    left, right = axes.get_xlim()
    assert left > right
    assert result().form in axes.get_xlabel()


def test_a_figure_says_what_made_it() -> None:
    figure = levels_figure({"erm": result()}, "a network", "a note", chance=0.5)
    below = str(figure.get_supxlabel())
    for words in ("a note", "9 draws", "seed 3", "standard deviation", "95 %"):
        assert words in below
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"erm", "chance"}


def test_devices_that_lost_a_part_of_their_range_are_ringed_and_not_joined() -> None:
    lossy = replace(result(), profiles=(short(), *result().profiles[1:]))
    figure = levels_figure({"erm": lossy}, "a network")
    lines = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    joined = [line for line in lines if line.get_linestyle() == "-"]
    np.testing.assert_allclose(np.asarray(joined[0].get_xdata()), [1.0, 0.8])
    ringed = next(line for line in lines if line.get_markerfacecolor() == "none")
    np.testing.assert_allclose(np.asarray(ringed.get_xdata()), [short().usability()])
    assert any("rho above 0" in text.get_text() for text in figure.legends[0].get_texts())


def test_sigma_is_written_above_only_where_it_alone_makes_the_level() -> None:
    assert figure_has_sigma(result())
    lossy = replace(result(), profiles=(short(), *result().profiles[1:]))
    assert not figure_has_sigma(lossy)


def figure_has_sigma(sweep: LevelSweep) -> bool:
    axes = levels_figure({"erm": sweep}, "a network").axes[0]
    return any("sigma" in child.get_xlabel() for child in axes.child_axes)


def test_one_draw_and_several_networks_are_drawn_and_saved(tmp_path: Path) -> None:
    sweeps = {f"network {k}": result(draws=1) for k in range(7)}
    save(levels_figure(sweeps, "many", percent=False), tmp_path / "levels.png")
    assert (tmp_path / "levels.png").stat().st_size > 10_000


def test_usabilities_of_different_forms_share_no_axis() -> None:
    other = replace(result(), form="reciprocal")
    with pytest.raises(DataError, match="one form can share an axis; found exponential, recipr"):
        levels_figure({"a": result(), "b": other}, "both")
    with pytest.raises(DataError, match="found none"):
        levels_figure({}, "nothing")
