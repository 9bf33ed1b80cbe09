from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import DataError
from crossbar.memsim import DeviceProfile
from crossbar.memsim.out_of_range import out_of_range
from crossbar.merit.usability import FORMS
from memsim_devices import noisy, short

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
level = st.floats(0, 3)


@st.composite
def profiles(draw: st.DrawFn) -> DeviceProfile:
    curve = draw(st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=9))
    k0 = draw(st.integers(0, len(curve) - 1))
    k1 = draw(st.integers(k0, len(curve) - 1))
    length = draw(st.integers(1, k1 - k0 + 1))
    l_min = draw(st.integers(1, 64))
    return DeviceProfile(
        name=draw(text),
        curve=tuple(curve),
        k0=k0,
        k1=k1,
        length=length,
        l_min=l_min,
        rho=max(0.0, 1 - length / l_min),
        sigma=draw(level),
        sigma_ub=draw(level),
        form=draw(st.sampled_from(sorted(FORMS))),
        normalised=draw(st.booleans()),
        source=draw(text),
        convention=draw(text),
        choices=tuple(draw(st.lists(text, max_size=3))),
        notes=tuple(draw(st.lists(text, max_size=3))),
    )


@given(profiles())
def test_a_saved_profile_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, profile: DeviceProfile
) -> None:
    path = tmp_path_factory.mktemp("profiles", numbered=True) / "device.toml"
    profile.save(path)
    assert DeviceProfile.load(path) == profile
    assert [p.name for p in path.parent.iterdir()] == ["device.toml"]


def test_a_profile_file_tells_a_person_units_and_the_form(tmp_path: Path) -> None:
    short(sigma=0.2).save(tmp_path / "device.toml")
    written = (tmp_path / "device.toml").read_text()
    assert "# Mean conductance at each step of the positive branch, S." in written
    assert "usability = " in written
    assert f'form = "{short().form}"' in written
    assert max(map(len, written.splitlines())) <= 100
    replace(short(), normalised=True).save(tmp_path / "device.toml")
    assert "in units that nobody stated." in (tmp_path / "device.toml").read_text()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("l_min =", "lmin =", "unknown key 'lmin'; did you mean 'l_min'"),
        ("k0 = 0\n", "", "missing key 'k0'"),
        ("k0 = 0", 'k0 = "first"', "k0 = 'first'"),
        ("k0 = 0", "k0 = 0.5", "k0 = 0.5"),
        ("k1 = 4", "k1 = 9", "points 0 to 9 are no segment of a curve of 9"),
        ("sigma_ub = 0.2", "sigma_ub = 0.3", "usability = .*, but .* gives .* correct one"),
        ("sigma_ub = 0.2", "sigma_ub = nan", "sigma_ub = nan is not 0 or more"),
        ("usability = 0", 'usability = "much"\n# ', "usability = much, but"),
        ("length = 5", "length = 6", "6 points in order, where the segment has 5"),
        ("rho = 0.4", "rho = -0.4", "rho = -0.4"),
        ("name = ", "name = [", "is not TOML"),
    ],
)
def test_a_file_that_is_not_a_profile_is_refused_with_the_key(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    path = tmp_path / "device.toml"
    short(sigma=0.2).save(path)
    written = path.read_text()
    assert before in written
    path.write_text(written.replace(before, after, 1))
    with pytest.raises(DataError, match=message) as refused:
        DeviceProfile.load(path)
    assert str(path) in str(refused.value)


def test_a_file_may_leave_out_what_follows_from_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    short(sigma=0.2).save(path)
    kept = [line for line in path.read_text().splitlines() if not line.startswith("usability")]
    path.write_text("\n".join(kept))
    assert DeviceProfile.load(path) == short(sigma=0.2)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.toml cannot be read: No such file"):
        DeviceProfile.load(tmp_path / "missing.toml")
    with pytest.raises(DataError, match="cannot be written"):
        short().save(tmp_path / "nowhere" / "device.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="is not TOML"):
        DeviceProfile.load(tmp_path / "binary.toml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"curve": ()}, "needs points"),
        ({"curve": (1.0, float("nan"))}, "all of them finite"),
        ({"k0": 5}, "points 5 to 4"),
        ({"k0": -1}, "points -1 to 4"),
        ({"length": 0}, "0 points in order"),
        ({"l_min": 0}, "l_min = 0"),
        ({"sigma": float("inf")}, "sigma = inf"),
        ({"rho": 0.0}, "rho = 0.0 does not fit 5 points in order, where 9 are wanted"),
        ({"l_min": 3}, "rho = .* does not fit"),
        ({"form": "paper"}, "form 'paper' is unknown; known are"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(short(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("usability", [1.0, 0.93, 0.5, 0.36, 0.12])
def test_a_device_at_a_usability_is_worth_just_that(form: str, usability: float) -> None:
    profile = DeviceProfile.at(usability, form=form)
    assert profile.usability() == pytest.approx(usability, abs=1e-9)
    assert profile.rho == 0
    assert profile.sigma == profile.sigma_ub
    assert out_of_range(profile).identity
    assert form in profile.convention
    assert "not measured" in profile.convention


def test_the_default_form_gives_the_sigma_worked_out_by_hand() -> None:
    # (1 - rho) exp(-sigma): the logarithms of 0.7 and 0.36.
    assert DeviceProfile.at(0.7).sigma_ub == pytest.approx(0.356675, abs=1e-6)
    assert DeviceProfile.at(0.36).sigma_ub == pytest.approx(1.021651, abs=1e-6)
    assert str(DeviceProfile.at(1.0).sigma_ub) == "0.0"


def test_a_device_like_a_measured_one_keeps_its_range_and_takes_only_sigma() -> None:
    profile = DeviceProfile.at(0.4, like=short(sigma=0.1))
    assert (profile.curve, profile.rho) == (short().curve, short().rho)
    assert profile.usability() == pytest.approx(0.4)
    assert "short" in profile.convention
    with pytest.raises(DataError):
        DeviceProfile.at(0.9, like=short())


@pytest.mark.parametrize("usability", [0.0, -0.1, 1.01, float("nan"), float("inf")])
def test_a_usability_that_no_sigma_gives_is_refused(usability: float) -> None:
    with pytest.raises(DataError):
        DeviceProfile.at(usability)


def test_a_usability_may_be_asked_for_by_any_form() -> None:
    values = {form: noisy(0.3).usability(form) for form in FORMS}
    assert len(set(values.values())) > 1
    assert noisy(0.3).usability() == values[noisy(0.3).form]
    with pytest.raises(DataError, match="is unknown"):
        noisy(0.3).usability("paper")
