"""Every task's metric against a package that people trust, on raw scores.

Where scores tie, scikit-learn has its own answer for average precision, ROC and NDCG. trec_eval and
rdkit take the order as it comes: their mean over all orders of the tied items is compared for
metrics by position, their worst order for metrics by pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn import metrics as sk

import directloss as dl

REASON = "the reference is not installed"
pytrec_eval = pytest.importorskip("pytrec_eval", reason=REASON)
rdkit = pytest.importorskip("rdkit.ML.Scoring.Scoring", reason=REASON)

Floats = NDArray[np.float64]
Reference = Callable[[Floats, Floats], float]
"""(targets, scores) of one list."""

ROUNDING = 1e-12
# trec_eval hands its sums over in double precision, but reads scores as float32: the scores of the
# tests that use it are exact in both.


# --- scores and targets ---------------------------------------------------------------------------


def normal(rng: np.random.Generator, n: int) -> Floats:
    return rng.normal(size=n).astype(np.float32).astype(np.float64)


def tied(rng: np.random.Generator, n: int) -> Floats:
    """Few distinct values, 0 among them."""
    return rng.integers(-2, 3, n) / 2.0


def all_negative(rng: np.random.Generator, n: int) -> Floats:
    return -np.exp(normal(rng, n)).astype(np.float32).astype(np.float64)


def all_equal(rng: np.random.Generator, n: int) -> Floats:
    return np.full(n, 0.25)


def huge(rng: np.random.Generator, n: int) -> Floats:
    """Logits far beyond what a probability can tell apart."""
    return 300.0 * normal(rng, n)


def half(rng: np.random.Generator, n: int) -> Floats:
    return normal(rng, n).astype(np.float16).astype(np.float64)


DRAWS = (normal, tied, all_negative, all_equal, huge, half)
UNTIED = (normal, all_negative, huge)


def both_classes(rng: np.random.Generator, n: int) -> Floats:
    targets = (rng.random(n) < 0.3).astype(np.float64)
    targets[rng.choice(n, 2, replace=False)] = 0.0, 1.0
    return targets


def lists(
    draw: Callable[[np.random.Generator, int], Floats], sizes: tuple[int, ...]
) -> list[tuple[Floats, Floats]]:
    rng = np.random.default_rng(11)
    return [(both_classes(rng, n), draw(rng, n)) for n in sizes]


def check(
    task: dl.Task, targets: Floats, scores: Floats, expected: float, draw: object = None
) -> None:
    dtype = torch.float16 if draw is half else torch.float64
    value = task.metric(torch.from_numpy(scores).to(dtype), torch.from_numpy(targets))
    assert value.dtype == torch.float64
    assert float(value) == pytest.approx(expected, abs=ROUNDING)


# --- references -----------------------------------------------------------------------------------


def trec_eval(measure: str, shown: str = "") -> Reference:
    """A measure of trec_eval; among equal scores the item of larger name comes first."""

    def reference(targets: Floats, scores: Floats, names: tuple[int, ...] | None = None) -> float:
        if names is None:
            # Positives get the smaller names: among equals they come last.
            names = tuple(np.argsort(np.argsort(-targets, kind="stable")))
        documents = [f"{name:05d}" for name in names]
        relevance = {"list": dict(zip(documents, map(int, targets), strict=True))}
        run = {"list": dict(zip(documents, map(float, scores), strict=True))}
        found = pytrec_eval.RelevanceEvaluator(relevance, {measure}).evaluate(run)["list"]
        return float(found[shown or measure.replace(".", "_")])

    return reference


def rdkit_bedroc(alpha: float) -> Reference:
    def reference(targets: Floats, scores: Floats, names: tuple[int, ...] | None = None) -> float:
        order = np.lexsort((np.arange(scores.size) if names is None else names, -scores))
        return float(rdkit.CalcBEDROC([[float(targets[i])] for i in order], 0, alpha))

    return reference


def mean_over_orders(reference: Callable[..., float]) -> Reference:
    """The mean over all orders in which items of equal score may stand."""

    def mean(targets: Floats, scores: Floats) -> float:
        orders = list(permutations(range(scores.size)))
        return float(np.mean([reference(targets, scores, names) for names in orders]))

    return mean


def predicted(metric: Callable[..., float], **options: object) -> Reference:
    """A metric of scikit-learn on the decisions score > 0."""
    return lambda targets, scores: float(metric(targets, scores > 0.0, **options))


def counts(targets: Floats, scores: Floats) -> tuple[float, float, float, float]:
    """(tp, fp, fn, tn) by scikit-learn."""
    (tn, fp), (fn, tp) = sk.confusion_matrix(targets, scores > 0.0, labels=[0, 1])
    return float(tp), float(fp), float(fn), float(tn)


def tversky(alpha: float, beta: float) -> Reference:
    def reference(targets: Floats, scores: Floats) -> float:
        tp, fp, fn, _ = counts(targets, scores)
        return tp / (tp + alpha * fp + beta * fn)

    return reference


def geometric_mean(targets: Floats, scores: Floats) -> float:
    recalls = sk.recall_score(targets, scores > 0.0, labels=[0, 1], average=None)
    return float(np.sqrt(np.prod(recalls)))


def reachable(k: int) -> Reference:
    """AP at k over min(P, k): trec_eval divides by P."""
    over_all = trec_eval(f"map_cut.{k}")
    return lambda t, s: over_all(t, s) * t.sum() / min(t.sum(), k)


# --- binary relevance, one number a list ----------------------------------------------------------


@dataclass(frozen=True)
class Case:
    task: dl.Task
    reference: Reference

    def __str__(self) -> str:
        return repr(self.task)


RANKINGS = (
    Case(dl.AveragePrecision(), sk.average_precision_score),
    Case(dl.ROCAUC(), sk.roc_auc_score),
    Case(dl.NDCG(), lambda t, s: sk.ndcg_score([t], [s])),
    Case(dl.NDCG(5), lambda t, s: sk.ndcg_score([t], [s], k=5)),
    # Binary gains are 0 and 1 by either formula.
    Case(dl.NDCG(5, gain="linear"), lambda t, s: sk.ndcg_score([t], [s], k=5)),
    # Negatives first in a tie, as the loss has it.
    Case(dl.ReciprocalRank(), trec_eval("recip_rank")),
    Case(dl.AveragePrecision(k=5, normalize="relevant"), trec_eval("map_cut.5")),
    Case(dl.AveragePrecision(k=5), reachable(5)),
)
COUNTS = (
    Case(dl.ZeroOne(), predicted(sk.accuracy_score)),
    Case(dl.BalancedError(), predicted(sk.balanced_accuracy_score)),
    Case(dl.Jaccard(), predicted(sk.jaccard_score)),
    Case(dl.Dice(), predicted(sk.f1_score)),
    Case(dl.FBeta(2.0), predicted(sk.fbeta_score, beta=2.0)),
    Case(dl.FBeta(0.5), predicted(sk.fbeta_score, beta=0.5)),
    Case(dl.Tversky(0.3, 0.7), tversky(0.3, 0.7)),
    Case(dl.Tversky(2.0, 1.5), tversky(2.0, 1.5)),
    Case(dl.GMean(), geometric_mean),
    Case(dl.MatthewsCorrelation(), predicted(sk.matthews_corrcoef)),
    Case(dl.CountingTask(lambda tp, fp, fn, tn: 10.0 * fn + fp), lambda t, s: _price(t, s)),
)
BY_POSITION = (
    Case(dl.PrecisionAtK(3), trec_eval("P.3")),
    Case(dl.PrecisionAtK(50), trec_eval("P.50")),
    Case(dl.RecallAtK(3), trec_eval("recall.3")),
    Case(dl.RPrecision(), trec_eval("Rprec")),
    Case(dl.BEDROC(), rdkit_bedroc(20.0)),
    Case(dl.BEDROC(3.5), rdkit_bedroc(3.5)),
)


def _price(targets: Floats, scores: Floats) -> float:
    _, fp, fn, _ = counts(targets, scores)
    return 10.0 * fn + fp


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("case", RANKINGS + COUNTS, ids=str)
def test_binary(case: Case, draw: Callable[..., Floats]) -> None:
    for targets, scores in lists(draw, (2, 3, 5, 8, 40, 300)):
        check(case.task, targets, scores, case.reference(targets, scores), draw)


@pytest.mark.parametrize("draw", UNTIED)
@pytest.mark.parametrize("case", BY_POSITION, ids=str)
def test_by_position(case: Case, draw: Callable[..., Floats]) -> None:
    for targets, scores in lists(draw, (2, 3, 8, 40, 300)):
        check(case.task, targets, scores, case.reference(targets, scores))


@pytest.mark.parametrize("draw", [tied, all_equal])
@pytest.mark.parametrize("case", BY_POSITION, ids=str)
def test_by_position_ties_are_the_mean_over_all_orders(
    case: Case, draw: Callable[..., Floats]
) -> None:
    for targets, scores in lists(draw, (2, 4, 5)):
        check(case.task, targets, scores, mean_over_orders(case.reference)(targets, scores))


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("max_fpr", [0.05, 0.3, 1.0])
def test_partial_auc(max_fpr: float, draw: Callable[..., Floats]) -> None:
    task = dl.PartialAUC(max_fpr)
    for targets, scores in lists(draw, (3, 8, 40, 300)):
        value = task.metric(torch.from_numpy(scores), torch.from_numpy(targets))
        if max_fpr == 1.0:
            assert float(value) == pytest.approx(sk.roc_auc_score(targets, scores), abs=ROUNDING)
            continue
        expected = sk.roc_auc_score(targets, scores, max_fpr=max_fpr)
        assert float(task.standardized(value)) == pytest.approx(expected, abs=ROUNDING)


def rdkit_auc(targets: Floats, scores: Floats, names: tuple[int, ...]) -> float:
    order = np.lexsort((names, -scores))
    return float(rdkit.CalcAUC([[float(targets[i])] for i in order], 0))


# A positive and a negative of equal score: the metric here, and the least and the greatest of a
# package that takes the two in an order of its own. docs/tasks/index.md has the table.
ONE_TIE: dict[str, tuple[dl.Task, float, Callable[..., float], float, float]] = {
    "AP": (dl.AveragePrecision(), 0.5, trec_eval("map"), 0.5, 1.0),
    "reciprocal rank": (dl.ReciprocalRank(), 0.5, trec_eval("recip_rank"), 0.5, 1.0),
    "P@1": (dl.PrecisionAtK(1), 0.5, trec_eval("P.1"), 0.0, 1.0),
    "NDCG": (dl.NDCG(), (1 + 1 / np.log2(3)) / 2, trec_eval("ndcg"), 1 / np.log2(3), 1.0),
    "ROC AUC": (dl.ROCAUC(), 0.5, rdkit_auc, 0.0, 1.0),
    "BEDROC": (dl.BEDROC(), 0.5, rdkit_bedroc(20.0), 0.0, 1.0),
}


@pytest.mark.parametrize("name", ONE_TIE)
def test_packages_that_order_ties_by_name_or_place_give_one_of_two_values(name: str) -> None:
    task, wanted, package, least, greatest = ONE_TIE[name]
    targets, scores = np.array([1.0, 0.0]), np.array([0.25, 0.25])
    check(task, targets, scores, wanted)
    found = [package(targets, scores, names) for names in ((0, 1), (1, 0))]
    assert sorted(found) == pytest.approx([least, greatest], abs=ROUNDING)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("AP", sk.average_precision_score),
        ("ROC AUC", sk.roc_auc_score),
        ("NDCG", lambda t, s: sk.ndcg_score([t], [s])),
    ],
)
def test_and_scikit_learn_gives_ours(name: str, reference: Reference) -> None:
    _, wanted, *_ = ONE_TIE[name]
    assert reference(np.array([1.0, 0.0]), np.full(2, 0.25)) == pytest.approx(wanted, abs=ROUNDING)


def test_a_ranking_task_from_two_arrays_is_dcg() -> None:
    positions = np.arange(1, 301)
    task = dl.RankingTask(np.ones(300), 1.0 / np.log2(positions + 1.0))
    for draw in UNTIED:
        for targets, scores in lists(draw, (2, 8, 300)):
            check(task, targets, scores, sk.dcg_score([targets], [scores]))


# --- graded relevance -----------------------------------------------------------------------------

GAINS: dict[str, tuple[dl.NDCG, Callable[[Floats], Floats]]] = {
    "exp2": (dl.NDCG(), lambda r: 2.0**r - 1.0),
    "exp2 at 4": (dl.NDCG(4), lambda r: 2.0**r - 1.0),
    "linear": (dl.NDCG(gain="linear"), lambda r: r),
    "linear at 4": (dl.NDCG(4, gain="linear"), lambda r: r),
    "square at 400": (dl.NDCG(400, gain=np.square), np.square),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("name", GAINS)
def test_graded(name: str, draw: Callable[..., Floats]) -> None:
    task, gain = GAINS[name]
    rng = np.random.default_rng(5)
    for n in (2, 3, 8, 40, 300):
        for relevance in (rng.integers(0, 5, n).astype(float), rng.gamma(0.5, size=n)):
            relevance[0] = 2.5
            scores = draw(rng, n)
            k = None if task.k is None else min(task.k, n)
            check(task, relevance, scores, sk.ndcg_score([gain(relevance)], [scores], k=k), draw)


# --- lists without positives ----------------------------------------------------------------------

EMPTY = (
    Case(dl.Jaccard(), predicted(sk.jaccard_score, zero_division=1.0)),
    Case(dl.Dice(), predicted(sk.f1_score, zero_division=1.0)),
    Case(dl.FBeta(2.0), predicted(sk.fbeta_score, beta=2.0, zero_division=1.0)),
    Case(dl.ZeroOne(), predicted(sk.accuracy_score)),
)


@pytest.mark.parametrize("scores", [(-1.0, -2.0, 0.0), (-1.0, 1.0, -3.0), (1.0, 2.0, 3.0)])
@pytest.mark.parametrize("case", EMPTY, ids=str)
def test_nothing_to_find(case: Case, scores: tuple[float, ...]) -> None:
    targets, array = np.zeros(3), np.array(scores)
    check(case.task, targets, array, case.reference(targets, array))


# --- multiclass -----------------------------------------------------------------------------------

COSTS = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0))) ** 1.5


def accuracy(targets: Floats, scores: Floats) -> float:
    return float(sk.accuracy_score(targets, scores.argmax(1)))


def top_2(targets: Floats, scores: Floats) -> float:
    return float(sk.top_k_accuracy_score(targets, scores, k=2, labels=np.arange(4)))


def cost(targets: Floats, scores: Floats, costs: Floats = COSTS) -> float:
    share = sk.confusion_matrix(targets, scores.argmax(1), labels=np.arange(4), normalize="all")
    return float((share * costs).sum())


def mean_over_classes(reference: Callable[..., float], *per_class: Floats) -> Reference:
    """The mean over all orders of the classes: a tie is broken by each of its members alike."""

    def mean(targets: Floats, scores: Floats) -> float:
        values = []
        for order in permutations(range(4)):
            place = np.argsort(order)
            renamed = [table[np.ix_(order, order)] for table in per_class]
            values.append(reference(place[targets.astype(int)], scores[:, order], *renamed))
        return float(np.mean(values))

    return mean


MULTICLASS = (
    Case(dl.MulticlassZeroOne(), mean_over_classes(accuracy)),
    Case(dl.TopKError(2), mean_over_classes(top_2)),
    Case(dl.CostMatrix(COSTS), mean_over_classes(cost, COSTS)),
)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("case", MULTICLASS, ids=lambda case: repr(case.task))
def test_multiclass(case: Case, draw: Callable[..., Floats]) -> None:
    rng = np.random.default_rng(3)
    for n in (1, 7, 50):
        scores, targets = draw(rng, 4 * n).reshape(n, 4), rng.integers(0, 4, n)
        check(case.task, targets, scores, case.reference(targets, scores), draw)
