from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from directloss.datasets import DataError, Source, load, prepare


def source(target: list[object], split: list[str] | None = None) -> Source:
    n = len(target)
    features = pd.DataFrame({"a": np.arange(n, dtype=float)})
    return Source(
        features, pd.Series(target, name="y"), "y", None if split is None else pd.Series(split)
    )


def test_digits_are_ten_problems_on_one_split() -> None:
    problems = prepare(load("digits"), positive=None, rules=None, seed=0)
    assert problems.columns == [str(digit) for digit in range(10)]
    total = sum(problems.parts(column).test.targets.int() for column in problems.columns)
    assert torch.equal(total, torch.ones_like(total))
    parts = problems.parts("3")
    assert len(parts.train) + len(parts.validation) + len(parts.test) == 1797
    assert parts.train.features.dtype == torch.float32


def test_a_binary_problem_is_named_by_target_and_positive_value() -> None:
    problems = prepare(source(["no"] * 40 + ["yes"] * 10), positive=None, rules=None, seed=0)
    assert problems.columns == ["y=yes"]
    assert "50 rows (30 training, 10 validation, 10 test)" in problems.describe()
    assert "20.0 % positive" in problems.describe()


def test_one_of_many_classes_may_be_as_rare_as_a_split_allows() -> None:
    target = [*range(100), *[100] * 10]
    problems = prepare(source(target), positive="100", rules=None, seed=0)
    assert problems.columns == ["y=100"]


def test_a_part_without_positives_is_refused() -> None:
    split = ["train"] * 10 + ["val"] * 5 + ["test"] * 5
    target = [1, 0] * 7 + [0] * 6
    with pytest.raises(DataError, match=r"the test part has 0 positives among 5 rows .*y = 1"):
        prepare(source(target, split), positive=None, rules=None, seed=0)


def test_a_real_imbalanced_table(data_dir: Path) -> None:
    file = data_dir / "imbalanced" / "mammography.csv.gz"
    columns = pd.read_csv(file, nrows=0).columns
    table = load(str(file), target=columns[-1])
    problems = prepare(table, positive=None, rules=None, seed=0)
    (column,) = problems.columns
    parts = problems.parts(column)
    for part in (parts.train, parts.validation, parts.test):
        assert part.targets.double().mean().item() == pytest.approx(0.023, abs=0.002)
