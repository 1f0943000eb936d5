"""The tasks under test: one line each makes a task take part in every test of the engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import permutations

import numpy as np
from sklearn.metrics import average_precision_score

import directloss as dl
from tests.harness import Configurations, Floats, TaskCase

# --- how targets are drawn ------------------------------------------------------------------------


def both_classes(rng: np.random.Generator, n: int) -> Floats:
    """Binary targets with at least one positive and one negative."""
    targets = (rng.random(n) < rng.uniform(0.2, 0.8)).astype(np.float64)
    first, second = rng.choice(n, size=2, replace=False)
    targets[first], targets[second] = 1.0, 0.0
    return targets


# --- all configurations, by definition ------------------------------------------------------------


def pair_rankings(metric: Callable[[Floats], float]) -> Callable[[Floats], Configurations]:
    """All n! rankings, F = 1/(P N) sum over pairs of y_ij (phi_i - phi_j), Delta = 1 - metric.

    Args:
        metric: of the 0/1 labels from the top of the ranking to its bottom.
    """

    @cache
    def of(labels: tuple[float, ...]) -> Configurations:
        relevance = np.array(labels)
        orders = np.array(list(permutations(range(len(labels)))))
        places = orders.argsort(axis=1)
        positive, negative = np.flatnonzero(relevance == 1), np.flatnonzero(relevance == 0)
        signs = np.sign(places[:, None, negative] - places[:, positive, None])

        def score(phi: Floats) -> Floats:
            margins = phi[positive][:, None] - phi[negative]
            return np.asarray((signs * margins).mean(axis=(1, 2)))

        losses = np.array([1.0 - metric(relevance[order]) for order in orders])
        return Configurations(score, losses, len(labels))

    return lambda targets: of(tuple(float(t) for t in targets))


def average_precision(ranked: Floats) -> float:
    """Mean over the positives of the precision at each."""
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked == 1].mean())


def average_precision_at_3(ranked: Floats) -> float:
    """Sum over the positives in the first three places of the precision there, over min(P, 3)."""
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    top = np.flatnonzero(ranked[:3] == 1)
    return float(precision[top].sum() / min(ranked.sum(), 3))


def roc_auc(ranked: Floats) -> float:
    """Share of the pairs in which the positive stands above the negative."""
    above = np.cumsum(ranked == 1)[ranked == 0]
    return float(above.mean() / ranked.sum())


def bumpy(ranked: Floats) -> float:
    """Neither convex nor monotone: only places 2, 3 and 5 count, and place 3 counts against."""
    worth = np.resize([0.0, 0.6, -0.3, 0.0, 0.9, 0.0], len(ranked))
    places = np.flatnonzero(ranked == 1)
    ranks = np.arange(1, places.size + 1)
    return float((worth[places] / ranks).sum())


# --- cases ----------------------------------------------------------------------------------------

ONE_CLASS = {"no positives": (0.0, 0.0, 0.0), "no negatives": (1.0, 1.0, 1.0)}


def pair_case(
    name: str,
    make: Callable[[], dl.Task],
    metric: Callable[[Floats], float],
    reference: Callable[[Floats, Floats], float] | None = None,
    *,
    learns: bool = True,
) -> TaskCase:
    """A ranking by pairs, from its metric of the 0/1 labels from top to bottom.

    Args:
        reference: where the package that users compare with counts ties in its own way.
    """

    def by_hand(scores: Floats, targets: Floats) -> float:
        return metric(targets[np.lexsort((targets, -scores))])

    return TaskCase(
        name,
        make,
        both_classes,
        pair_rankings(metric),
        lambda scores, targets: 1.0 - by_hand(scores, targets),
        reference or by_hand,
        ONE_CLASS,
        learns=learns,
    )


def _ap_at_3() -> dl.RankingTask:
    return dl.RankingTask(
        lambda i, P, N: i / np.minimum(P, 3), lambda p, P, N: np.where(p <= 3, 1.0 / p, 0.0)
    )


def _roc_auc() -> dl.RankingTask:
    return dl.RankingTask(lambda i, P, N: 1.0 / P, lambda n, P, N: 1.0 - n / N, by="negatives")


def _bumpy() -> dl.RankingTask:
    return dl.RankingTask(lambda i, P, N: 1.0 / i, np.resize([0.0, 0.6, -0.3, 0.0, 0.9, 0.0], 400))


def _scikit_learn(scores: Floats, targets: Floats) -> float:
    return float(average_precision_score(targets, scores))


TASKS: tuple[TaskCase, ...] = (
    pair_case("AveragePrecision", dl.AveragePrecision, average_precision, _scikit_learn),
    pair_case("RankingTask(AP@3)", _ap_at_3, average_precision_at_3),
    pair_case("RankingTask(ROC AUC)", _roc_auc, roc_auc),
    pair_case("RankingTask(bumpy)", _bumpy, bumpy, learns=False),
)
