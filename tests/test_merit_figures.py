from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from crossbar.backend import DataError
from crossbar.figures.merit import LISTED, cycles_figure, distributions_figure
from crossbar.figures.merit_map import usability_map
from crossbar.figures.style import save
from crossbar.merit.device import Merit, MeritSettings, merit, merit_of_pulses
from crossbar.merit.usability import Usability, usability
from merit_curves import curve, pulses, rising, swept, switched, triangle


def device(v_set: float = 1.2, cycles: int = 3, name: str = "D1") -> Merit:
    voltage = triangle(2, -2, 0.05, cycles)
    return merit(curve(voltage, switched(voltage, v_set=v_set, v_reset=-0.8), name))


def worth(sigma: float, form: str = "exponential") -> Usability:
    return usability(0, sigma, sigma, form)


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for each in figure.legends for text in each.get_texts()]


def test_cycles_are_drawn_with_mean_band_and_operative_segment(tmp_path: Path) -> None:
    found = merit(swept(rising(4, 40, 0.02)))
    figure = cycles_figure(found)
    axes = figure.axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == [
        "4 cycles",
        "mean ×/÷ exp(95 % bound)",
        "mean ×/÷ exp(sigma)",
        "mean",
        f"operative segment: {found.lcis.length} points",
    ]
    drawn = next(line for line in axes.lines if str(line.get_label()).startswith("operative"))
    segment = slice(found.lcis.start, found.lcis.end + 1)
    np.testing.assert_allclose(np.asarray(drawn.get_xdata()), found.grid[segment])
    np.testing.assert_allclose(np.asarray(drawn.get_ydata()), 1e6 * found.mean[segment])
    assert "(exponential)" in figure.get_supxlabel()
    save(figure, tmp_path / "cycles.png")


def test_one_cycle_is_drawn_without_a_band() -> None:
    figure = cycles_figure(merit(swept(rising(1, 40, 0.0))))
    assert figure.axes[0].get_legend_handles_labels()[1][:2] == ["one cycle", "mean"]
    assert "no spread, no usability" in figure.get_supxlabel()


def test_conductances_without_a_unit_are_drawn_without_one() -> None:
    found = merit_of_pulses(
        pulses(rising(3, 40, 0.1) * 1e5, normalised=True), MeritSettings(mode="subsequence")
    )
    axes = cycles_figure(found).axes[0]
    assert axes.get_ylabel() == "conductance (unit not stated)"
    assert axes.get_xlabel() == "SET pulse"
    assert any(
        label.startswith("span of the LCIS") for label in axes.get_legend_handles_labels()[1]
    )


def test_distributions_have_a_curve_for_each_device(tmp_path: Path) -> None:
    figure = distributions_figure([device(1.0, name="A"), device(1.4, name="B")])
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "V_set",
        "V_reset",
        "On/off ratio",
    ]
    assert legend(figure) == ["A", "B"]
    x, y = (np.asarray(data) for data in figure.axes[0].lines[1].get_data())
    np.testing.assert_allclose(x, 1.4)
    assert (y.min(), y.max()) == (0, 1)
    save(figure, tmp_path / "distributions.png")


def test_many_devices_are_drawn_as_one_distribution() -> None:
    figure = distributions_figure([device(name=f"D{k}") for k in range(LISTED + 1)])
    assert legend(figure) == [f"all {LISTED + 1} devices"]


def test_cycles_that_do_not_switch_are_counted() -> None:
    figure = distributions_figure([merit(swept(rising(3, 40, 0.0)))])
    assert figure.axes[1].get_xlabel() == "V_reset (V)\n3 of 3 cycles have none"


def test_a_map_of_usability_names_its_form(tmp_path: Path) -> None:
    figure = usability_map({(0, 0): worth(0.1), (1, 2): worth(1.0), (1, 1): None}, note="run 1")
    axes, bar = figure.axes
    assert bar.get_ylabel() == "usability, exponential: (1 - rho) exp(-sigma)"
    assert axes.get_title(loc="left") == "Usability of 2 of 6 cells"
    assert [text.get_text() for text in axes.texts] == ["0.90", "0.37", "×"]
    save(figure, tmp_path / "map.png")


def test_a_map_takes_what_fits_the_array_and_one_form() -> None:
    with pytest.raises(DataError, match=r"cell \(3, 0\) is outside an array of 3 by 3"):
        usability_map({(3, 0): worth(0.1)}, shape=(3, 3))
    with pytest.raises(DataError, match="several forms"):
        usability_map({(0, 0): worth(0.1), (0, 1): worth(0.1, "linear")})
    with pytest.raises(DataError, match="needs a cell"):
        usability_map({})
