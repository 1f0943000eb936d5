from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from directloss.datasets import DataError, Reading
from directloss.datasets.cells import encode
from directloss.datasets.labels import Labels, labels_of


def labels(values: list[object], positive: str | None = None) -> Labels:
    return labels_of(encode([pd.Series(values)], Reading()), "kind", positive)


@pytest.mark.parametrize(
    ("values", "named", "positives"),
    [
        ([0, 1, 1, 1], None, ["1"]),
        ([0.0, 1.0, 1.0, 1.0], None, ["1"]),
        ([False, True, True], None, ["True"]),
        ([-1, 1, 1, 1], None, ["-1"]),
        (["no", "no", "yes"], None, ["yes"]),
        (["yes", "yes", "no"], None, ["no"]),
        ([3, 4], None, ["4"]),
        (["yes", "yes", "no"], "yes", ["yes"]),
        ([0, 1, 1, 1], "0", ["0"]),
        ([3.0, 4.0, 4.0], "4", ["4"]),
        (["a", "b", "c"], None, ["a", "b", "c"]),
        (["a", "b", "c"], "b", ["b"]),
        ([10, 9, 2], None, ["2", "9", "10"]),
        ([1, "x", 2], None, ["1", "2", "x"]),
    ],
)
def test_what_is_positive(values: list[object], named: str | None, positives: list[str]) -> None:
    found = labels(values, named)
    assert found.positives == positives
    for value in positives:
        written = [str(v).removesuffix(".0") for v in values]
        assert found.binary(value).tolist() == [text == value for text in written]


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ([1.0, None, 0.0], None, "'kind' is missing in 1 of 3 rows"),
        ([0, 0, 0], None, "'kind' is '0' in every row"),
        ([0, 1], "2", "'kind' has no value '2'; it has '0', '1'"),
        (list(np.linspace(0, 1, 500)), None, "500 distinct values.*--positive"),
    ],
)
def test_bad_targets(values: list[object], named: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        labels(values, named)
