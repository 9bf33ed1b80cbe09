import pytest

from crossbar.energy.papers import FOLLOWS, OTHER, PRINTED, checks


def values() -> dict[str, float]:
    return {figure.what: figure.value for figure in checks()}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        # Worked out by hand from 27,548 GOPS/W and 270.
        ("so that V100 has", 102.03),
        ("V100, FP16 without tensor cores, peak/300 W", 100.0),
        ("times that, FP16 without tensor cores", 275.5),
        ("V100, FP16 on tensor cores, peak/300 W", 416.7),
        ("times that, FP16 on tensor cores", 66.1),
        ("V100, FP32, peak/300 W", 52.3),
        ("times that, FP32", 526.4),
        ("energy of an operation", 36.30),
        ("of a cell's read, 2 operations", 72.60),
        ("V² G t of 0.2 V, 36 µS, 50 ns (assumed)", 72.0),
        # From 0.715 and 381 TOPS/W at 2 x 19,885 operations in 50 ns.
        ("pairs, 784-25-10 with biases", 19_885),
        ("power at the first", 1.1124),
        ("power at the second", 2.0877),
        ("ratio of the two", 532.9),
        ("ratio of G_on", 1317),
    ],
)
def test_the_papers_arithmetic_comes_out(what: str, expected: float) -> None:
    assert values()[what] == pytest.approx(expected, rel=1e-3)


def test_of_the_v100s_figures_only_fp16_without_tensor_cores_fits_270_times() -> None:
    found = values()
    near = [
        what for what in found if what.startswith("times that") and abs(found[what] / 270 - 1) < 0.1
    ]
    assert near == ["times that, FP16 without tensor cores"]


def test_every_figure_says_whose_it_is() -> None:
    figures = checks()
    assert {figure.kind for figure in figures} == {PRINTED, OTHER, FOLLOWS}
    assert len({(figure.paper, figure.what) for figure in figures}) == len(figures)
    printed = [figure.value for figure in figures if figure.kind == PRINTED]
    assert printed == [27_548, 270, 0.715, 381]
