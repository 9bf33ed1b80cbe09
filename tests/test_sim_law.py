import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_backend.devices.law import SinhLaw, limited_voltage


@settings(deadline=None)
@given(st.floats(-4, 4), st.floats(0, 3))
def test_law_inverts_and_its_slope_is_its_derivative(voltage: float, b: float) -> None:
    b = b if b > 1e-3 else 0.0
    law, V = SinhLaw(b), np.array([voltage])
    np.testing.assert_allclose(law.inverse(law.effective(V)), V, atol=1e-9)
    h = 1e-5
    numeric = (law.effective(V + h) - law.effective(V - h)) / (2 * h)
    np.testing.assert_allclose(law.slope(V), numeric, rtol=1e-4)


def test_limited_voltage_carries_exactly_the_compliance() -> None:
    G, law = np.array([1e-6, 1e-4]), SinhLaw(1.0)
    V = limited_voltage(law, G, -2.0, 5e-5)
    assert V[0] == -2.0
    np.testing.assert_allclose(G[1] * law.effective(V)[1], -5e-5, rtol=1e-12)
