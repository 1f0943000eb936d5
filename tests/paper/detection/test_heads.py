"""Heads learn what is there to learn, and say so when there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import directloss as dl
from directloss.datasets import DataError
from directloss.paper.detection.config import known_methods
from directloss.paper.detection.heads import (
    SOFTMAX,
    Head,
    HeadSettings,
    class_scores,
    train_head,
)
from directloss.paper.detection.labels import NEGATIVE, POSITIVE, UNUSED, Labels
from directloss.paper.detection.rows import Rows
from directloss.training.warm_start import WarmStart


def settings(method: str, **changes: Any) -> HeadSettings:
    values: dict[str, Any] = {
        "method": method,
        "learning_rate": 0.1,
        "l2": 1e-7,
        "epsilon": 0.1,
        "iterations": 60,
        "batch": 64,
        "positives": 0.25,
        "seed": 0,
    }
    return HeadSettings(**{**values, **changes})


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Two classes and background, separable in the first two of six features."""
    generator = np.random.default_rng(0)
    joint = generator.choice(3, 900, p=[0.1, 0.1, 0.8])
    features = generator.normal(10, 1, (900, 6))
    for number in (0, 1):
        features[joint == number, number] += 5
    by_class = np.where(joint[:, None] == [0, 1], POSITIVE, NEGATIVE).astype(np.int8)
    by_class[:20] = UNUSED
    joint[:20] = UNUSED
    return Rows.of([features.astype(np.float16)], [Labels(by_class, joint)])


def average_precision(head: Head, rows: Rows, column: int) -> float:
    members, targets = rows.targets(column)
    raw = rows.features[members] * rows.scale + rows.mean
    scores = class_scores(head, raw)
    import torch

    metric = dl.AveragePrecision().metric(
        torch.from_numpy(scores[:, -1 if scores.shape[1] == 1 else column]),
        torch.from_numpy(targets),
    )
    return float(metric)


@pytest.mark.parametrize("method", ["logistic", "pos-ap", "neg-ap", "hinge-ap", "mix-ap", "refine"])
def test_a_class_is_learnt(rows: Rows, method: str) -> None:
    assert method in known_methods()
    head = train_head(rows, 1, settings(method))
    assert head.weight.shape == (1, 6)
    assert average_precision(head, rows, 1) > 0.95
    assert head.spread > 0


def test_refining_has_two_phases(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = []
    reach = WarmStart.reach

    def noted(loss_fn: WarmStart, step: int, steps: int) -> None:
        reach(loss_fn, step, steps)
        phases.append(loss_fn.switched)

    monkeypatch.setattr(WarmStart, "reach", noted)
    train_head(rows, 1, settings("refine", iterations=10))
    assert phases == [False] * 4 + [True] * 6


def test_softmax_learns_all_classes_at_once(rows: Rows) -> None:
    head = train_head(rows, None, settings(SOFTMAX))
    assert head.weight.shape == (3, 6)
    assert min(average_precision(head, rows, column) for column in (0, 1)) > 0.95


def test_softmax_scores_are_log_probabilities_without_that_of_background() -> None:
    head = Head(np.array([[1.0], [0.0], [0.0]], np.float32), np.zeros(3, np.float32), 1.0)
    scores = class_scores(head, np.array([[np.log(2.0)]], np.float32))
    np.testing.assert_allclose(np.exp(scores), [[0.5, 0.25]], rtol=1e-6)


def test_the_same_settings_give_the_same_head(rows: Rows) -> None:
    first, second = (train_head(rows, 0, settings("pos-ap", iterations=20)) for _ in range(2))
    np.testing.assert_array_equal(first.weight, second.weight)
    other = train_head(rows, 0, settings("pos-ap", iterations=20, seed=1))
    assert not np.array_equal(first.weight, other.weight)


def test_a_head_that_diverges_is_a_constant(rows: Rows) -> None:
    head = train_head(rows, 0, settings("logistic", learning_rate=1e38))
    assert not head.weight.any()
    assert head.spread == 0


def test_a_class_without_examples_is_refused(rows: Rows) -> None:
    labels = Labels(np.full_like(rows.labels.by_class, NEGATIVE), rows.labels.joint)
    without = Rows(rows.features, labels, rows.mean, rows.scale)
    with pytest.raises(DataError, match="no box of the training images is a positive"):
        train_head(without, 0, settings("logistic"))
