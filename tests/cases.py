"""The tasks under test: one line each makes a task take part in every test of the engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations, permutations, product

import numpy as np
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

import directloss as dl
from directloss.inference._kernel import Array
from directloss.lists import Lists
from directloss.tasks import Solution
from tests.harness import Configurations, Floats, TaskCase, of_each_order

CountLoss = Callable[[float, float, float, float], float]
"""Delta of (tp, fp, fn, tn)."""

# --- how targets are drawn ------------------------------------------------------------------------


def both_classes(rng: np.random.Generator, n: int) -> Floats:
    """Binary targets with at least one positive and one negative."""
    targets = (rng.random(n) < rng.uniform(0.2, 0.8)).astype(np.float64)
    first, second = rng.choice(n, size=2, replace=False)
    targets[first], targets[second] = 1.0, 0.0
    return targets


def graded(rng: np.random.Generator, n: int) -> Floats:
    """Relevances 0 to 3, not all of them 0."""
    targets = rng.integers(0, 4, size=n).astype(np.float64)
    targets[rng.integers(n)] = rng.integers(1, 4)
    return targets


def one_class(rng: np.random.Generator, n: int) -> Floats:
    """The right class of n."""
    return np.array(rng.integers(n), np.float64)


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

        losses = 1.0 - of_each_order(metric, relevance, orders)
        return Configurations(score, losses, len(labels))

    return lambda targets: of(tuple(float(t) for t in targets))


def position_rankings(
    gain: Callable[[Floats], Floats],
    discount: Callable[[Floats], Floats],
    floor: Callable[[Floats], float],
) -> Callable[[Floats], Configurations]:
    """All n! rankings, Delta = 1 + floor - sum g_i D(p_i) and F = max g * sum phi_i D(p_i).

    Args:
        gain: targets -> g.
        discount: targets -> D(1), ..., D(n), which holds the metric's divisor.
        floor: targets -> the least sum, of a metric that takes it off.
    """

    @cache
    def of(targets: tuple[float, ...]) -> Configurations:
        relevance = np.array(targets)
        orders = np.array(list(permutations(range(len(targets)))))
        gains, placed = gain(relevance), discount(relevance)[orders.argsort(axis=1)]
        losses = 1.0 + floor(relevance) - placed @ gains
        return Configurations(lambda phi: gains.max() * (placed @ phi), losses, len(targets))

    return lambda targets: of(tuple(float(t) for t in targets))


def subsets(task_loss: CountLoss) -> Callable[[Floats], Configurations]:
    """All 2^n sets of predicted items, F = 1/n sum y_i phi_i, Delta of (tp, fp, fn, tn)."""

    @cache
    def of(labels: tuple[float, ...]) -> Configurations:
        relevance = np.array(labels)
        sets = np.array(list(product((0.0, 1.0), repeat=len(labels))))
        losses = np.array([loss_of_set(task_loss, y, relevance) for y in sets])
        return Configurations(lambda phi: sets @ phi / len(labels), losses, len(labels))

    return lambda targets: of(tuple(float(t) for t in targets))


def choices(k: int, costs: Callable[[int], Floats]) -> Callable[[Floats, int], Configurations]:
    """All sets of k of n classes (of all, if there are fewer), F = the sum of their scores.

    Args:
        costs: n -> (n, n), [target, class]: Delta is the least cost of a class in the set.
    """

    @cache
    def of(target: int, n: int) -> Configurations:
        chosen = list(combinations(range(n), min(k, n)))
        sets = np.array([np.isin(np.arange(n), classes) for classes in chosen], np.float64)
        losses = np.where(sets > 0, costs(n)[target], np.inf).min(axis=1)
        return Configurations(lambda phi: sets @ phi, losses, n)

    return lambda target, n: of(int(target), n)


def loss_of_set(task_loss: CountLoss, y: Floats, relevance: Floats) -> float:
    tp, fp = float(y @ relevance), float(y @ (1 - relevance))
    return float(task_loss(tp, fp, relevance.sum() - tp, (1 - relevance).sum() - fp))


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
        _of_targets(pair_rankings(metric)),
        lambda scores, targets: 1.0 - by_hand(scores, targets),
        reference or by_hand,
        ONE_CLASS,
        learns=learns,
    )


def position_case(
    name: str,
    make: Callable[[], dl.Task],
    gain: Callable[[Floats], Floats],
    discount: Callable[[Floats], Floats],
    reference: Callable[[Floats, Floats], float] | None = None,
    *,
    floor: Callable[[Floats], float] = lambda targets: 0.0,
    draw: Callable[[np.random.Generator, int], Floats] = both_classes,
    undefined: dict[str, tuple[float, ...]] | None = None,
) -> TaskCase:
    """A ranking by position; the arguments are those of `position_rankings`."""

    def by_hand(scores: Floats, targets: Floats) -> float:
        gains = gain(targets)
        found = gains[np.lexsort((gains, -scores))] @ discount(targets)
        return float(found - floor(targets))

    return TaskCase(
        name,
        make,
        draw,
        _of_targets(position_rankings(gain, discount, floor)),
        lambda scores, targets: 1.0 - by_hand(scores, targets),
        reference or by_hand,
        {"no positives": (0.0, 0.0, 0.0)} if undefined is None else undefined,
        learns=True,
    )


def count_case(
    name: str,
    make: Callable[[], dl.Task],
    task_loss: CountLoss,
    metric: Callable[[float], float] = lambda loss: 1.0 - loss,
    *,
    undefined: dict[str, tuple[float, ...]] | None = None,
) -> TaskCase:
    """A metric of counts, from Delta(tp, fp, fn, tn); what is above 0 is predicted.

    Args:
        metric: the metric that belongs to a Delta.
    """

    def by_hand(scores: Floats, targets: Floats) -> float:
        return loss_of_set(task_loss, (scores > 0).astype(np.float64), targets)

    return TaskCase(
        name,
        make,
        both_classes,
        _of_targets(subsets(task_loss)),
        by_hand,
        lambda scores, targets: metric(by_hand(scores, targets)),
        undefined or {},
    )


def class_case(
    name: str,
    make: Callable[[], dl.Task],
    k: int,
    costs: Callable[[int], Floats],
    metric: Callable[[float], float] = lambda loss: 1.0 - loss,
    *,
    exchangeable: bool = True,
) -> TaskCase:
    """One class of many; the arguments are those of `choices` and `count_case`."""
    everything = choices(k, costs)

    def of_the_predicted(scores: Floats, target: Floats) -> Floats:
        """Delta of all sets of largest F; infinite scores are beyond all others."""
        listed = everything(target, scores.size)
        values = listed.score(np.clip(scores, -1e6, 1e6))
        return listed.losses[values > values.max() - 1e-9]

    return TaskCase(
        name,
        make,
        one_class,
        everything,
        lambda scores, target: float(of_the_predicted(scores, target).max()),
        # Ties are broken by chance.
        lambda scores, target: metric(float(of_the_predicted(scores, target).mean())),
        target_per_list=True,
        exchangeable=exchangeable,
    )


def _of_targets(
    listed: Callable[[Floats], Configurations],
) -> Callable[[Floats, int], Configurations]:
    """Where targets have an entry an item, they say how many there are."""
    return lambda targets, n: listed(targets)


def _unequal(n: int) -> Floats:
    return 1.0 - np.eye(n)


def _distances(n: int) -> Floats:
    """Costs that grow with the distance, more to the right."""
    apart = np.subtract.outer(np.arange(n), np.arange(n)) / 2.0
    return np.where(apart > 0, apart, -2.0 * apart)


class Distances(dl.CostMatrix):
    """The costs `_distances` of as many classes as the lists have."""

    def __init__(self) -> None:
        super().__init__(_distances(1))

    def _of(self, lists: Lists) -> dl.CostMatrix:
        return dl.CostMatrix(_distances(max(int(np.diff(lists.offsets).max(initial=1)), 1)))

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        return self._of(lists).solve(lists, weights, coefficients, share_ties=share_ties)

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        return self._of(lists).evaluate(lists)

    def loss_of(self, configurations: Lists) -> Array:
        return self._of(configurations).loss_of(configurations)


def _ap_at_3() -> dl.RankingTask:
    return dl.RankingTask(
        lambda i, P, N: i / np.minimum(P, 3), lambda p, P, N: np.where(p <= 3, 1.0 / p, 0.0)
    )


def _roc_auc() -> dl.RankingTask:
    return dl.RankingTask(lambda i, P, N: 1.0 / P, lambda n, P, N: 1.0 - n / N, by="negatives")


def _bumpy() -> dl.RankingTask:
    return dl.RankingTask(lambda i, P, N: 1.0 / i, np.resize([0.0, 0.6, -0.3, 0.0, 0.9, 0.0], 400))


def _partial_auc(ranked: Floats) -> float:
    """ROC area over false positive rates up to 0.4, over 0.4; m = 0.4 N need not be whole."""
    above = np.cumsum(ranked == 0)[ranked == 1]
    return float(np.maximum(0.0, 1.0 - above / (0.4 * (ranked == 0).sum())).mean())


def _partial_area(scores: Floats, targets: Floats) -> float:
    """The same by scikit-learn, whose form has 1/2 for chance, 0.2."""
    standardized = roc_auc_score(targets, scores, max_fpr=0.4)
    return float((2.0 * standardized - 1.0) * (1.0 - 0.2) + 0.2)


def _scikit_learn(scores: Floats, targets: Floats) -> float:
    return float(average_precision_score(targets, scores))


def _exponential(relevance: Floats) -> Floats:
    return np.exp2(relevance) - 1.0


def _itself(relevance: Floats) -> Floats:
    return relevance


def _dcg(k: int) -> Callable[[Floats], Floats]:
    """1 / log2(p + 1) up to position k, over the DCG of the best order."""

    def discount(relevance: Floats) -> Floats:
        place = np.arange(1, relevance.size + 1)
        worth = np.where(place <= k, 1.0 / np.log2(place + 1), 0.0)
        best: float = np.sort(_exponential(relevance))[::-1] @ worth
        return worth / best

    return discount


def _scikit_learn_ndcg(scores: Floats, targets: Floats) -> float:
    if targets.size == 1:  # which scikit-learn refuses
        return 1.0
    return float(ndcg_score(_exponential(targets)[None], scores[None]))


def _first(k: int, divisor: Callable[[Floats], float]) -> Callable[[Floats], Floats]:
    """1 / divisor in the first k positions."""
    return lambda relevance: (np.arange(relevance.size) < k) / divisor(relevance)


def _decay(relevance: Floats) -> Floats:
    """exp(-2 p / n), less that of p = n, over the range of its sums over P positions."""
    decay = np.exp(-2.0 * np.arange(1, relevance.size + 1) / relevance.size) - np.exp(-2.0)
    found = int(relevance.sum())
    return decay / (decay[:found].sum() - decay[-found:].sum())


def _least_decay(relevance: Floats) -> float:
    return float(_decay(relevance)[-int(relevance.sum()) :].sum())


def _tversky(alpha: float, beta: float) -> CountLoss:
    def task_loss(tp: float, fp: float, fn: float, tn: float) -> float:
        if tp + fn == 0:
            return float(fp > 0)
        return 1.0 - tp / (tp + alpha * fp + beta * fn)

    return task_loss


def _matthews(tp: float, fp: float, fn: float, tn: float) -> float:
    norm = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return float((1.0 - (tp * tn - fp * fn) / norm) / 2) if norm else 0.5


def _cost(tp: float, fp: float, fn: float, tn: float) -> float:
    """Neither monotone nor convex in either count."""
    return (3 * fn + fp + 2 * np.sin(tp) ** 2) / (tp + fp + fn + tn)


TASKS: tuple[TaskCase, ...] = (
    pair_case("AveragePrecision", dl.AveragePrecision, average_precision, _scikit_learn),
    pair_case("AveragePrecision(k=3)", lambda: dl.AveragePrecision(3), average_precision_at_3),
    pair_case(
        "ReciprocalRank", dl.ReciprocalRank, lambda ranked: 1.0 / (1 + float(ranked.argmax()))
    ),
    pair_case("ROCAUC", dl.ROCAUC, roc_auc, lambda s, t: float(roc_auc_score(t, s))),
    pair_case("PartialAUC(0.4)", lambda: dl.PartialAUC(0.4), _partial_auc, _partial_area),
    pair_case("RankingTask(AP@3)", _ap_at_3, average_precision_at_3),
    pair_case("RankingTask(ROC AUC)", _roc_auc, roc_auc),
    pair_case("RankingTask(bumpy)", _bumpy, bumpy, learns=False),
    position_case(
        "NDCG", dl.NDCG, _exponential, _dcg(10_000), _scikit_learn_ndcg, draw=graded
    ),
    position_case("NDCG(k=2)", lambda: dl.NDCG(2), _exponential, _dcg(2), draw=graded),
    position_case(
        "PrecisionAtK(3)", lambda: dl.PrecisionAtK(3), _itself, _first(3, lambda t: 3.0)
    ),
    position_case(
        "RecallAtK(2)", lambda: dl.RecallAtK(2), _itself, _first(2, lambda t: float(t.sum()))
    ),
    position_case(
        "RPrecision", dl.RPrecision, _itself,
        lambda t: _first(int(t.sum()), lambda t: float(t.sum()))(t),
    ),
    position_case(
        "RankBiasedPrecision(0.8)", lambda: dl.RankBiasedPrecision(0.8), _itself,
        lambda relevance: 0.2 * 0.8 ** np.arange(relevance.size),
    ),
    position_case(
        "BEDROC(2)", lambda: dl.BEDROC(2.0), _itself, _decay, floor=_least_decay,
        undefined=ONE_CLASS,
    ),
    count_case("ZeroOne", dl.ZeroOne, lambda tp, fp, fn, tn: (fp + fn) / (tp + fp + fn + tn)),
    count_case("Jaccard", dl.Jaccard, _tversky(1.0, 1.0)),
    count_case("Dice", dl.Dice, _tversky(0.5, 0.5)),
    count_case("FBeta(2)", lambda: dl.FBeta(2.0), _tversky(0.2, 0.8)),
    count_case("Tversky(0.5, 3)", lambda: dl.Tversky(0.5, 3.0), _tversky(0.5, 3.0)),
    count_case(
        "BalancedError", dl.BalancedError,
        lambda tp, fp, fn, tn: (fn / (tp + fn) + fp / (fp + tn)) / 2, undefined=ONE_CLASS,
    ),
    count_case(
        "GMean", dl.GMean,
        lambda tp, fp, fn, tn: 1 - np.sqrt(tp / (tp + fn) * tn / (fp + tn)), undefined=ONE_CLASS,
    ),
    count_case(
        "MatthewsCorrelation", dl.MatthewsCorrelation, _matthews, lambda loss: 1 - 2 * loss,
        undefined=ONE_CLASS,
    ),
    count_case("CountingTask", lambda: dl.CountingTask(_cost), _cost, lambda loss: loss),
    class_case("MulticlassZeroOne", dl.MulticlassZeroOne, 1, _unequal),
    class_case("TopKError(2)", lambda: dl.TopKError(2), 2, _unequal),
    class_case(
        "CostMatrix", Distances, 1, _distances, lambda loss: loss, exchangeable=False
    ),
)  # fmt: skip
