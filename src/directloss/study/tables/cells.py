"""One cell of the study: a table, a split and a model, all methods."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from directloss.inference._kernel import Array
from directloss.study.tables.methods import METHODS
from directloss.study.tables.metrics import METRICS
from directloss.study.tables.rule import TRAINING, Table
from directloss.study.tables.training import train
from directloss.training.data import Part, Parts

__all__ = ["MODELS", "cell"]

MODELS = (0, 16, 64)
"""Hidden units: a linear model, and two perceptrons."""

MOST_PAIRS = 200_000
"""Positives times rows up to which a quadratic loss is trained."""

Cell = dict[str, dict[str, dict[str, Any]]]
"""method -> metric -> what was chosen."""


def cell(table: Table, seed: int, hidden: int) -> Cell:
    """Everything that is trained on a split of a table by a model.

    Args:
        table: the problem.
        seed: of the split and of the first weights.
        hidden: units of the hidden layer, 0 for a linear model.
    """
    rows = _split_rows(table.labels, seed)
    split = _standardised(table, rows)
    positives = int(split.train.targets.sum())
    found: Cell = {}
    for name, method in METHODS.items():
        if method.linear_only and (hidden or positives * len(rows[0]) > MOST_PAIRS):
            continue
        for metric in method.metrics or (None,):
            for rated, chosen in train(name, split, hidden, seed, metric).items():
                found.setdefault(name, {})[rated] = asdict(chosen)
    if not hidden:
        found["boosting"] = _boosted(table, rows, seed)
    return found


def _split_rows(labels: Array, seed: int) -> list[Array]:
    """Rows of training, validation and test, with the same share of positives."""
    train, rest = train_test_split(
        np.arange(len(labels)), train_size=TRAINING, stratify=labels, random_state=seed
    )
    validation, test = train_test_split(
        rest, train_size=0.5, stratify=labels[rest], random_state=seed
    )
    return [train, validation, test]


def _standardised(table: Table, rows: list[Array]) -> Parts:
    """By mean and deviation of the training part; a missing value is its mean."""
    training = table.features[rows[0]].astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean, deviation = np.nanmean(training, 0), np.nanstd(training, 0)
    deviation[~(deviation > 0.0)] = np.inf  # a constant column is 0
    parts = []
    for chosen in rows:
        features = np.nan_to_num((table.features[chosen] - mean) / deviation)
        parts.append(
            Part(
                torch.from_numpy(features.astype(np.float32)),
                torch.from_numpy(table.labels[chosen].astype(np.float32)),
            )
        )
    return Parts(*parts)


def _boosted(table: Table, rows: list[Array], seed: int) -> dict[str, dict[str, Any]]:
    """Gradient boosting as scikit-learn has it by default: a line of reference."""
    model = HistGradientBoostingClassifier(random_state=seed)
    model.fit(table.features[rows[0]], table.labels[rows[0]])
    labels = [torch.from_numpy(table.labels[part].astype(np.float32)) for part in rows]
    scores = [torch.from_numpy(model.decision_function(table.features[p]))[None] for p in rows]
    found = {}
    for name, metric in METRICS.items():
        thresholds = metric.thresholds(scores[1], labels[1])
        values = [
            float(metric.of(each, part, thresholds)[0])
            for each, part in zip(scores, labels, strict=True)
        ]
        train_value, validation, test = values
        found[name] = {"validation": validation, "test": test, "train": train_value}
    return found
