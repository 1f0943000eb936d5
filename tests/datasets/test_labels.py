from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from directloss.datasets import DataError, Reading
from directloss.datasets.cells import Kind, encode
from directloss.datasets.labels import Labels, labels_of, read_labels


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
        (
            list(np.linspace(0, 1, 500)),
            None,
            "500 distinct values, and at most 100 are taken for classes; say which one is positive "
            "with `positive`, or make two values of a quantity",
        ),
    ],
)
def test_bad_targets(values: list[object], named: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        labels(values, named)


def test_relevances_are_of_queries() -> None:
    lists = "if they are relevances, name the column of queries with `group`; else say which one"
    with pytest.raises(DataError, match=f"^it has 4 values; {lists} is positive: `positive` '0'$"):
        labels([0, 1, 2, 3]).only_positive("it", graded=True)
    for found, graded in ((labels([0, 1, 2]), False), (labels(["a", "b", "c"]), True)):
        with pytest.raises(DataError, match=r"^it has 3 values; say which one is positive"):
            found.only_positive("it", graded=graded)


def test_labels_of_another_table_are_compared_by_value() -> None:
    known = labels([0, 1, 1, 0] * 5).known("1", 5)
    assert (known.kind, known.classes, known.others) == (Kind.NUMBER, ("0", "1"), False)
    for cells in (
        ["1", "0"],
        [" 1", "0.0"],
        ["+1", "-0"],
        ["TRUE", "false"],
        [1.0, 0.0],
        [True, False],
    ):
        column = pd.Series(cells, name="kind")
        assert known.read(column, "1", Reading()).tolist() == [True, False]


def test_truth_values_and_texts_of_another_table() -> None:
    truths = labels([True, False] * 5).known("True", 5)
    assert truths.read(pd.Series(["1", "FALSE"]), "True", Reading()).tolist() == [True, False]
    texts = labels([">50K", "<=50K"] * 5).known(">50K", 5)
    column = pd.Series([" >50K", ">50K.", "<=50K"], name="pay")
    with pytest.raises(
        DataError, match=r"'pay' holds '>50K\.', which the training .* knew '<=50K', '>50K'"
    ):
        texts.read(column, ">50K", Reading())
    assert texts.read(column[::2], ">50K", Reading()).tolist() == [True, False]
    with pytest.raises(DataError, match="'pay' is missing in 1 of 2 rows"):
        texts.read(pd.Series([">50K", "NA"], name="pay"), ">50K", Reading())


def test_rare_labels_are_not_kept() -> None:
    known = labels(["a"] * 20 + ["b"] * 20 + ["Mr Smith"], "a").known("a", 5)
    assert known.classes == ("a", "b")
    assert "Smith" not in known.model_dump_json()
    assert known.read(pd.Series(["Mr Smith", "a"]), "a", Reading()).tolist() == [False, True]


def test_names_of_folders_are_texts() -> None:
    found = read_labels(pd.Series(["01", "1", "NA", "01"], name="class"), "01")
    assert found.classes == ["01", "1", "NA"]
    assert found.binary("01").tolist() == [True, False, False, True]


def test_the_positive_value_is_named_by_value() -> None:
    assert labels([0, 1, 1], "0.0").positives == ["0"]
    assert labels([True, False], "false").positives == ["False"]
