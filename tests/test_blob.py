import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import StoreError
from crossbar.blob import pack, plain_json, unpack


@given(
    st.dictionaries(
        st.text(),
        hnp.arrays(
            st.one_of(
                hnp.boolean_dtypes(),
                hnp.integer_dtypes(),
                hnp.floating_dtypes(),
                hnp.complex_number_dtypes(),
                hnp.unicode_string_dtypes(),
            ),
            hnp.array_shapes(min_dims=0, min_side=0),
        ),
        max_size=4,
    )
)
def test_arrays_come_back_with_every_bit(arrays: dict[str, NDArray[np.generic]]) -> None:
    back = unpack(pack(arrays))
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].shape == array.shape
        assert back[name].dtype == array.dtype.newbyteorder("<")
        assert back[name].tobytes() == array.astype(back[name].dtype).tobytes()


@pytest.mark.parametrize("value", [None, [object()], np.array(["2020"], "M8[D]"), {1, 2}])
def test_objects_are_never_packed(value: ArrayLike) -> None:
    with pytest.raises(StoreError, match="cannot be stored"):
        pack({"value": value})


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"{}x",
        b"[1]\n",
        b'[["a", "<f8", [1]]]\n1234567',
        b'[["a", "<f8", [1]]]\n123456789',
        b'[["a", "<f8", [-1]]]\n12345678',
        b'[["a", "<f8", 1]]\n12345678',
        b'[["a", "|O", [1]]]\n12345678',
        b'[["a", "O", [1]]]\n12345678',
        b'[["a", "<f8", [9999999999999]]]\n12345678',
        b'[["a", "<f8,<f8", [1]]]\n1234567812345678',
        b'\xff\xfe\n[["a"]]',
    ],
)
def test_damaged_arrays_are_refused(blob: bytes) -> None:
    with pytest.raises(StoreError, match="damaged"):
        unpack(blob)


def test_every_cut_of_a_blob_is_noticed() -> None:
    blob = pack({"a": np.arange(5), "b": 1.5})
    for end in range(len(blob)):
        with pytest.raises(StoreError, match="damaged"):
            unpack(blob[:end])


def test_what_is_not_plain_has_no_json() -> None:
    assert plain_json({"a": np.arange(2), "b": np.float32(0.5)}) == '{"a": [0, 1], "b": 0.5}'
    with pytest.raises(StoreError, match=r"only plain values .* object"):
        plain_json({"a": object()})
