"""What tests ask of all policies, and a bench whose cells obey their pulses."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from crossbar.backend import Array, Cells, Indices, Reading
from crossbar.programming import Policy
from fake_bench import FakeBench

ALONE = ("fixed", "ispp", "width", "log-step", "pi", "secant")
"""Policies in which a cell's pulses depend on that cell only."""

SHARING = ("coarse-fine", "model")
"""Policies in which cells teach each other."""

SIEMENS = st.one_of(
    st.sampled_from([0.0, -0.0, 1e-6, -1e-6, 5e-5, 1e-4]),
    st.floats(-1e-5, 2e-4),
    st.floats(-1e3, 1e3),
)
"""Conductances that a bench can report, however wrong its offset and range."""


@st.composite
def rounds(draw: st.DrawFn, cells: int = 4) -> list[tuple[Indices, Array, Array]]:
    """Draw what a loop could ask: which cells, where they are, where they should be."""
    asked = []
    target = np.array(draw(st.lists(SIEMENS, min_size=cells, max_size=cells)))
    for _ in range(draw(st.integers(1, 8))):
        chosen = sorted(draw(st.sets(st.integers(0, cells - 1))))
        index = np.array(chosen, dtype=np.intp)
        some = st.lists(SIEMENS, min_size=len(chosen), max_size=len(chosen))
        # Now and then a cell that has not moved, or sits on its target.
        now = np.array(draw(st.one_of(some, st.just([float(t) for t in target[index]]))))
        asked.append((index, now.astype(np.float64), target[index]))
    return asked


def answers(
    policy: Policy, asked: list[tuple[Indices, Array, Array]]
) -> list[tuple[Array, Array, Array]]:
    """Return amplitudes, widths and exhausted cells of each round."""
    return [(*policy.next(i, g, t), np.array(policy.exhausted(i))) for i, g, t in asked]


class ObedientBench(FakeBench):
    """Ohmic cells that move by what a law makes of conductances, amplitudes and widths."""

    def __init__(self, count: int, law: Callable[[Array, Array, Array], Array]) -> None:
        super().__init__((1, count))
        self._law = law

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: float) -> Reading:
        self.pulsed += [(w, b, float(v)) for (w, b), v in zip(cells, voltages, strict=True)]
        where = cells.word, cells.bit
        after = self._law(self.conductance[where], voltages, widths)
        moves = ~self.stuck[where]
        self.conductance[where] = np.where(moves, after, self.conductance[where])
        return self.read(cells, read_voltage)


def linear(scale: float = 0.25, size: float = 0.5e-6) -> Callable[[Array, Array, Array], Array]:
    """Return a law without an end: each pulse the same step, e-fold for each `scale` volts."""

    def moved(conductance: Array, voltages: Array, widths: Array) -> Array:
        reference = np.where(voltages > 0, 3.0, 2.2)
        step = size * np.exp((np.abs(voltages) - reference) / scale) * widths / 1e-4
        return np.asarray(conductance + np.sign(voltages) * step)

    return moved
