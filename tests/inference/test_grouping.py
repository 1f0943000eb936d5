"""Groups are brought together as a stable sort would."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directloss.inference.grouping import ascending_starts, group_entries, kept_entries


def check(groups: np.ndarray) -> None:
    starts, position = group_entries(groups)
    order = np.argsort(groups, kind="stable")
    assert position[order].tolist() == list(range(groups.size))
    numbers, counts = np.unique(groups, return_counts=True)
    assert groups[order][starts].tolist() == numbers.tolist()
    assert np.diff(np.append(starts, groups.size)).tolist() == counts.tolist()
    ascending = ascending_starts(groups)
    if groups.tolist() == sorted(groups.tolist()):
        assert ascending is not None and ascending.tolist() == starts.tolist()
    else:
        assert ascending is None
    in_order = ascending_starts(np.sort(groups))
    assert in_order is not None and in_order.dtype == np.int64
    assert in_order.tolist() == starts.tolist()


@given(st.lists(st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1), max_size=30))
def test_any_numbers(groups: list[int]) -> None:
    check(np.array(groups, np.int64))


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8, np.int32, np.uint32, np.uint64])
def test_any_integer_type(dtype: type) -> None:
    check(np.random.default_rng(0).integers(0, 2, size=50).astype(dtype))
    if dtype is not np.bool_:
        ends = np.iinfo(dtype)
        check(np.array([ends.max, ends.min, ends.max, ends.min, ends.max - 1], dtype))


def test_many_groups_with_gaps() -> None:
    rng = np.random.default_rng(1)
    for most in (10, 1000, 100_000):
        check(rng.integers(-most, most, size=5000))


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize("grouped", ["no", "ascending", "mixed"])
def test_what_a_mask_keeps_list_by_list(per_row: bool, grouped: str) -> None:
    random = np.random.default_rng(0)
    rows, n = 5, 40
    keep = random.random(rows if per_row else rows * n) < 0.6
    keep[:n] = not per_row and keep[:n]
    bounds = np.array([0, n]) if grouped == "no" else np.array([0, 7, 20, n])
    order = random.permutation(n) if grouped == "mixed" else None
    index, offsets = kept_entries(keep, rows, bounds, order, per_row=per_row)
    everywhere = (np.repeat(keep, n) if per_row else keep).reshape(rows, n)
    places = np.arange(n) if order is None else order
    wanted = [
        [row * n + k for k in places[begin:end] if everywhere[row, k]]
        for row in range(rows)
        for begin, end in pairwise(bounds)
    ]
    assert [index[a:b].tolist() for a, b in pairwise(offsets)] == wanted
