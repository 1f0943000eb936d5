"""Graded relevances in metrics of relevant and irrelevant items."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import directloss as dl
from directloss.errors import ArgumentError
from tests.harness import value_and_gradient

TASKS: dict[str, Callable[..., dl.Task]] = {
    "average precision": dl.AveragePrecision,
    "average precision at 3": lambda **options: dl.AveragePrecision(3, **options),
    "reciprocal rank": dl.ReciprocalRank,
    "ROC AUC": dl.ROCAUC,
    "partial AUC": lambda **options: dl.PartialAUC(0.4, **options),
    "own ranking": lambda **options: dl.RankingTask([1.0, 0.5], [1.0, 0.5, 0.2], **options),
    "precision at 3": lambda **options: dl.PrecisionAtK(3, **options),
    "recall at 3": lambda **options: dl.RecallAtK(3, **options),
    "R-precision": dl.RPrecision,
    "rank-biased precision": dl.RankBiasedPrecision,
    "BEDROC": dl.BEDROC,
}


@pytest.mark.parametrize("name", TASKS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_equals_targets_that_were_made_binary_by_hand(name: str, data: Any) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    threshold = data.draw(st.sampled_from([1, 2, 0.5, -1]))
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32, torch.int64, torch.int8]))
    left_out = data.draw(st.sampled_from(["none", "mask", "NaN", "ignore_index"]))
    place = data.draw(st.sampled_from(["host", "device"]))
    grouped = data.draw(st.booleans())
    scores = torch.from_numpy(rng.normal(size=(3, 9)))
    grades = torch.from_numpy(rng.integers(-2, 4, (3, 9))).to(dtype)
    binary = (grades >= threshold).to(dtype)
    keep = torch.from_numpy(rng.random((3, 9)) < 0.7)

    graded, plain = TASKS[name](relevant_from=threshold), TASKS[name]()
    options: dict[str, Any] = {}
    call: dict[str, Tensor] = {}
    if left_out == "mask":
        call["mask"] = keep
    elif left_out == "NaN":
        grades, binary = grades.double(), binary.double()
        grades[~keep] = binary[~keep] = torch.nan
    elif left_out == "ignore_index":
        options["ignore_index"] = 77
        grades[~keep] = binary[~keep] = 77
    if grouped:
        place = "host"
        call["groups"] = torch.from_numpy(rng.integers(0, 3, 9))
    if plain.on_device() is None:
        place = "host"
    make = data.draw(st.sampled_from([dl.DirectLoss, dl.HingeLoss, dl.PerceptronLoss]))
    reduction = data.draw(st.sampled_from(["mean", "none"]))
    found = [
        value_and_gradient(
            make(task, reduction=reduction, solver=place, **options), scores, targets, **call
        )
        for task, targets in ((graded, grades), (plain, binary))
    ]
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0, equal_nan=True)
    if left_out != "ignore_index":
        torch.testing.assert_close(
            graded.metric(scores, grades, reduction="none", **call),
            plain.metric(scores, binary, reduction="none", **call),
            rtol=0,
            atol=0,
            equal_nan=True,
        )


def test_one_tensor_of_targets_serves_all_ranking_metrics() -> None:
    relevance = torch.tensor([3, 0, 1, 2, 0])
    scores = torch.tensor([0.1, 0.9, 0.3, 0.2, 0.8])
    for make in (dl.NDCG, *TASKS.values()):
        task = make() if make is dl.NDCG else make(relevant_from=1)
        assert task.graded
        assert torch.isfinite(dl.DirectLoss(task)(scores, relevance))
    assert dl.RecallAtK(3, relevant_from=1).metric(scores, relevance).item() == pytest.approx(1 / 3)
    assert dl.RecallAtK(3, relevant_from=2).metric(scores, relevance).item() == 0.0


@pytest.mark.parametrize("name", TASKS)
def test_without_a_threshold_the_error_says_how_to_give_one(name: str) -> None:
    task = TASKS[name]()
    assert not task.graded and "relevant_from" not in repr(task)
    with pytest.raises(ArgumentError, match=r"targets: got 2.* relevant_from=1"):
        dl.DirectLoss(task)(torch.zeros(3), torch.tensor([0, 2, 1]))


@pytest.mark.parametrize("name", TASKS)
def test_repr_and_pickles_keep_the_threshold(name: str) -> None:
    task = TASKS[name](relevant_from=2)
    assert repr(task).endswith("relevant_from=2)")
    again = pickle.loads(pickle.dumps(task)) if name != "own ranking" else task
    scores, grades = torch.randn(6), torch.tensor([0, 1, 2, 3, 1, 0])
    assert repr(again) == repr(task) and again.graded
    assert again.metric(scores, grades) == task.metric(scores, grades)


@pytest.mark.parametrize("threshold", ["1", torch.nan, np.inf, True, [1]])
def test_refuses_what_is_no_threshold(threshold: object) -> None:
    with pytest.raises(ArgumentError, match=r"relevant_from: got .* wanted a finite number"):
        dl.AveragePrecision(relevant_from=threshold)  # type: ignore[arg-type]
