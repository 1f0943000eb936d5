"""Data in memory, as training and evaluation see them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from directloss.datasets import load, prepare
from directloss.datasets.problems import Problems
from directloss.training.data import SPLITS, Part


@pytest.fixture(scope="module")
def problem() -> Problems:
    return prepare(load("digits"), positive="3", rules=None, seed=0)


def test_a_problem_of_one_column_says_what_it_is(problem: Problems) -> None:
    assert (problem.target_name, problem.positive) == ("digit", "3")


@pytest.mark.parametrize("split", SPLITS)
def test_chunks_are_the_split_and_shares_of_processes_are_all_of_it(
    problem: Problems, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directloss.datasets.data._CHUNK", 50)
    whole: Part = getattr(problem.parts("digit=3"), split)
    pieces = list(problem.chunks(split))
    assert max(map(len, pieces)) == 50
    assert torch.equal(torch.cat([piece.features for piece in pieces]), whole.features)
    assert torch.equal(torch.cat([piece.targets for piece in pieces]), whole.targets)
    for process in range(3):
        share = torch.cat([piece.features for piece in problem.chunks(split, process, 3)])
        assert torch.equal(share, whole.features[process::3])


def test_batches_name_the_rows_of_the_table(problem: Problems) -> None:
    features = problem.parts("digit=3").train.features
    place_of = {row: place for place, row in enumerate(problem.rows["train"].tolist())}
    batches = list(problem.batches(batch_size=64, positives=8, seed=1).epoch(0))
    shares = [
        list(problem.batches(batch_size=64, positives=8, seed=1, process=p, processes=2).epoch(0))
        for p in range(2)
    ]
    for batch, *parts in zip(batches, *shares, strict=True):
        assert int(batch.part.targets.sum()) == 8
        places = [place_of[row] for row in batch.rows.tolist()]
        assert torch.equal(batch.part.features, features[places])
        joined = np.concatenate([part.rows for part in parts])
        assert sorted(joined) == sorted(batch.rows)
