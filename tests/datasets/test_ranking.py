from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from directloss.datasets import DataError, Source, load, prepare_ranking


def source(
    relevance: list[object], queries: list[object], split: list[str] | None = None
) -> Source:
    features = pd.DataFrame({"a": np.arange(len(relevance), dtype=float)})
    return Source(
        features,
        pd.Series(relevance, name="relevance"),
        "relevance",
        None if split is None else pd.Series(split, name="part"),
        pd.Series(queries, name="query"),
    )


def ten_queries() -> Source:
    return source([0, 1, 2] * 10, [f"q{k % 10}" for k in range(30)])


def test_a_query_stays_in_one_part_and_relevances_stay() -> None:
    problem = prepare_ranking(ten_queries(), graded=True, rules=None, seed=0)
    parts = problem.parts("relevance")
    groups = [part.groups.unique().tolist() for part in (parts.train, parts.validation, parts.test)]
    assert [len(each) for each in groups] == [6, 2, 2]
    assert sorted(itertools.chain(*groups)) == list(range(10))
    targets = torch.cat([part.targets for part in (parts.train, parts.validation, parts.test)])
    assert sorted(targets.tolist()) == sorted([0.0, 1.0, 2.0] * 10)
    assert problem.describe() == (
        "18 rows of 6 queries train, 6 rows of 2 queries validation, 6 rows of 2 queries test, "
        "1 features, 66.7 % relevant (relevance above 0)"
    )


def test_the_seed_decides_the_split() -> None:
    tests = {
        tuple(
            prepare_ranking(ten_queries(), graded=True, rules=None, seed=seed)
            .parts("relevance")
            .test.groups.unique()
            .tolist()
        )
        for seed in (0, 0, 1, 2)
    }
    assert len(tests) == 3


def test_binary_metrics_take_what_is_above_zero() -> None:
    problem = prepare_ranking(ten_queries(), graded=False, rules=None, seed=0)
    targets = problem.parts("relevance").train.targets
    assert targets.dtype == torch.bool
    assert int(targets.sum()) == 12


def test_a_split_column_is_kept_and_validation_queries_are_taken_from_training() -> None:
    split = ["test" if k % 10 > 7 else "train" for k in range(30)]
    given = source([0, 1, 2] * 10, [k % 10 for k in range(30)], split)
    parts = prepare_ranking(given, graded=True, rules=None, seed=0).parts("relevance")
    assert parts.test.groups.unique().tolist() == [8, 9]
    assert len(parts.validation.groups.unique()) == 2
    assert not set(parts.validation.groups.tolist()) & set(parts.train.groups.tolist())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (source([0, 1, -1, 1], [1, 2, 3, 4]), "target: 'relevance' holds '-1'; with `group`"),
        (source(["a", "b", "c", "d"], [1, 2, 3, 4]), "target: 'relevance' holds 'a'"),
        (source([0, 1, 1, 1], [1, 1, 2, 2]), "group: 2 groups; a split needs at least 3"),
        (source([0, 1, 1, 1], [1, None, 2, 3]), "group: 'query' is missing in 1 of 4 rows"),
        (
            source([1, 1, 1, 1], [1, 1, 2, 3], ["train", "test", "train", "test"]),
            "split_column: 'part' puts rows of one group into two parts",
        ),
        (
            source([1, 1, 0, 1], [1, 2, 3, 4], ["train", "val", "test", "train"]),
            "target: the test part has no 'relevance' above 0",
        ),
        (
            source(
                [1, 1, 1, 0, 1, 0], [1, 1, 2, 2, 3, 3], ["train"] * 2 + ["test"] * 2 + ["val"] * 2
            ),
            "target: in the train part all rows of a 'query' have the same 'relevance', so that",
        ),
    ],
)
def test_what_does_not_fit_is_refused(given: Source, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare_ranking(given, graded=True, rules=None, seed=0)


def test_the_group_column_is_no_feature(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2], "query": [7, 8], "y": [0, 1]})
    table.to_csv(tmp_path / "t.csv", index=False)
    loaded = load(str(tmp_path / "t.csv"), target="y", group_column="query")
    assert list(loaded.features) == ["a"]
    assert loaded.groups is not None
    assert loaded.groups.tolist() == ["7", "8"]
    with pytest.raises(DataError, match=r"group: t\.csv has no column 'q'"):
        load(str(tmp_path / "t.csv"), target="y", group_column="q")
    with pytest.raises(DataError, match="group: 'y' is the target"):
        load(str(tmp_path / "t.csv"), target="y", group_column="y")
    with pytest.raises(DataError, match="group: digits has no column 'q'"):
        load("digits", group_column="q")
