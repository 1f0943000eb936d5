"""Small data for the estimators."""

from __future__ import annotations

from typing import Any

import numpy as np

QUICK: dict[str, Any] = {"max_iter": 20, "random_state": 0}
"""Parameters of a fit that takes a moment."""


def imbalanced(rows: int = 300, features: int = 4, seed: int = 0) -> tuple[Any, Any]:
    """Features and 0/1 targets, of which a fifth is positive."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, features))
    scores = X[:, 0] - X[:, 1] + random.normal(size=rows)
    return X, (scores > np.quantile(scores, 0.8)).astype(int)


def queries(lists: int = 30, length: int = 8, seed: int = 0) -> tuple[Any, Any, Any]:
    """Features, relevances 0 to 2, and the query of each row."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(lists * length, 3))
    relevance = np.clip(np.round(X[:, 0] + 0.5 * random.normal(size=len(X))), 0, 2)
    return X, relevance, np.repeat([f"q{number}" for number in range(lists)], length)
