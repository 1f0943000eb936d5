"""What an estimator costs beside scikit-learn's own: one fit of each, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from directloss.sklearn import DirectLossClassifier

FEATURES = 50
TASKS = ("average_precision", "f1")
ROWS = (10_000, 1_000_000)
ROUNDS = 3


def measure(log: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Seconds of a fit and its ratio to `LogisticRegression`'s, of each task and size."""
    for rows in ROWS:
        log(f"estimators: {rows} rows")
        yield from ratios(rows, ROUNDS)


def data(rows: int) -> tuple[Any, Any]:
    """50 normal features, of which ten count, and targets of which 5 % are positive."""
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, FEATURES))
    scores = X[:, :10].sum(1) + 3.0 * random.normal(size=rows)
    return X, (scores > np.quantile(scores, 0.95)).astype(int)


def ratios(rows: int, rounds: int) -> Iterator[dict[str, Any]]:
    """A row a task: medians over so many rounds."""
    X, y = data(rows)
    for task in TASKS:
        DirectLossClassifier(task, max_iter=3, random_state=0).fit(X[:1000], y[:1000])  # compiles
        peers, owns = [], []
        for _ in range(rounds):
            peers.append(_seconds(lambda: LogisticRegression().fit(X, y)))
            model = DirectLossClassifier(task, random_state=0)
            owns.append(_seconds(lambda model=model: model.fit(X, y)))
        yield {
            "task": task,
            "rows": rows,
            "columns": FEATURES,
            "seconds": median(owns),
            "peer_seconds": median(peers),
            "ratio": median(own / peer for own, peer in zip(owns, peers, strict=True)),
        }


def _seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
