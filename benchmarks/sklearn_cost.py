"""What an estimator costs beside scikit-learn's own: one fit of each, in turn.

    python -m benchmarks.sklearn_cost [--rows 10000 1000000] [--rounds 3] [--threads 1]

One line a size: the median ratio of neighbours, for average precision and F1, and the seconds of
`LogisticRegression`. The data are 50 normal features, of which ten count, and 5 % positives.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from directloss.sklearn import DirectLossClassifier

FEATURES = 50
TASKS = ("average_precision", "f1")


def data(rows: int) -> tuple[Any, Any]:
    """Features (rows, 50), and targets of which 5 % are positive."""
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, FEATURES))
    scores = X[:, :10].sum(1) + 3.0 * random.normal(size=rows)
    return X, (scores > np.quantile(scores, 0.95)).astype(int)


def seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratios(rows: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of `LogisticRegression`, and by task the ratios to it, a round an entry."""
    X, y = data(rows)
    for task in TASKS:
        DirectLossClassifier(task, max_iter=3, random_state=0).fit(X[:1000], y[:1000])  # compiles
    found: dict[str, list[float]] = {"logistic": [], **{task: [] for task in TASKS}}
    for _ in range(rounds):
        for task in TASKS:
            peer = seconds(lambda: LogisticRegression().fit(X, y))
            model = DirectLossClassifier(task, random_state=0)
            own = seconds(lambda model=model: model.fit(X, y))
            found["logistic"].append(peer)
            found[task].append(own / peer)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(f"| rows x {FEATURES} | LogisticRegression, s |", *(f"{task}, ratio |" for task in TASKS))
    print("|---|---|" + "---|" * len(TASKS))
    for rows in options.rows:
        found = ratios(rows, options.rounds)
        shown = (f"{median(found[task]):.1f} |" for task in TASKS)
        print(f"| {rows:,} | {median(found['logistic']):.3g} |", *shown, flush=True)


if __name__ == "__main__":
    main()
