"""Ranking by pairs: metrics that are a sum over the positives of r_i D(...)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from directloss._arguments import number, whole_number
from directloss.errors import ArgumentError
from directloss.inference import device
from directloss.inference._kernel import Array
from directloss.inference.ground_truth import MOST_CELLS, grows
from directloss.inference.rankings import Rankings, configuration_losses, solve_rankings
from directloss.inference.threads import CACHED, over_lists
from directloss.inference.ties import average_precisions, roc_areas
from directloss.lists import ClassSizes, Lists, WithoutPositives, class_sizes
from directloss.tasks import _weighted
from directloss.tasks._either import Numbers
from directloss.tasks._names import MetricName
from directloss.tasks._relevance import BinaryRelevance
from directloss.tasks._tables import (
    Counted,
    Elementwise,
    FixedTable,
    ListTable,
    Read,
    Table,
    as_table,
)
from directloss.tasks.base import Direction, Solution

__all__ = ["ROCAUC", "AveragePrecision", "PartialAUC", "RankingTask", "ReciprocalRank"]


_BY_POSITION = 1.0 / 8.0
"""The weight of Delta whose shift is 1 at position sqrt(P N) / 4, for average precision."""

_SHORT = 16.0
"""The weight of Delta, times the length, for lists of 16 to 128 items; for shorter ones it is 1."""

_FEW = 4
"""Lists up to which Python is faster than numpy."""

_BY_NEGATIVES = 2.0
"""The weight of Delta whose shift is 1 for every pair, for the area under the ROC curve."""


class RankingTask(BinaryRelevance):
    r"""A metric of binary relevance said by two short arrays.

    With i the rank of a positive among the positives and n_i the number of negatives above it,

    .. math:: 1 - \Delta = \sum_{i=1}^{P} r_i D(i + n_i), \qquad
              F = \frac{1}{PN} \sum_{i\ pos} \sum_{j\ neg} y_{ij} (\phi_i - \phi_j),

    y_ij = +1 where i is above j, else -1. With D by the negatives above, epsilon is the shift of a
    score, on average over all pairs if the arrays make a Delta from 0 to 1. With D by position the
    shift is largest at the top, where it grows with the list. For average precision, epsilon bounds
    it from position sqrt(P N) / 4 on (in lists of fewer than 128 items a little further down): of a
    positive and a negative that epsilon brings out of order there, next to each other, the scores
    differ by epsilon at most (`docs/theory.md`, section 12).

    The solver follows from the arrays: where weight * D is convex the problem splits over the
    negatives (`directloss.inference.separable`), else with D by the negatives above and equal r_i
    over the positives (`directloss.inference.pooled`), else the programme runs in a corridor
    (`directloss.inference.corridor`), in the negative direction of `AveragePrecision` only where
    that is narrow (`directloss.inference.debts`). All are exact. Where D grows somewhere, the
    ground truth of the hinge and the perceptron takes a programme over all P (N + 1) cells.

    Args:
        rank_weights: r, non-negative: an array (0 past its end), a function of arrays (i, P, N),
            i = 1..P, or a number, the same for every i.
        discount: D: an array, of which entry 0 is D(1) (0 past its end), a function of arrays
            (p, P, N), or a number. The arrays that functions get are whole numbers, int64: write
            ``2.0**-p``, as ``1 / 2**p`` overflows from p = 63 on.
        by: "position": D is taken at i + n_i = 1..P+N; "negatives": at n_i = 0..N (and entry 0 of
            an array is D(0)).
        relevant_from: the relevance from which an item is positive, so that targets may be graded,
            as those of `NDCG`; None: targets are 0 and 1.

    Raises:
        ArgumentError: for negative or non-finite r, non-finite D, a function of other arguments,
            an unknown ``by``; in use, for values of another shape than the index's, and for the
            hinge or the perceptron of a D that grows, on a list of more cells than
            `directloss.inference.ground_truth.MOST_CELLS`.

    Source: extends Song et al. 2016, section 4, whose programme is the case r_i = i/P, D(p) = 1/p.
    """

    direction: ClassVar[Direction] = "positive"
    ranks: ClassVar[bool] = True
    without_positives: ClassVar[WithoutPositives | None] = "skip"

    _programme: ClassVar[str] = "corridor"
    """The solver of terms that neither split over the negatives nor pool."""

    def __init__(
        self,
        rank_weights: ArrayLike | Elementwise | Table,
        discount: ArrayLike | Elementwise | Table,
        *,
        by: str = "position",
        relevant_from: float | None = None,
    ) -> None:
        self._take_relevant_from(relevant_from)
        if by not in ("position", "negatives"):
            raise ArgumentError("by", repr(by), "'position' or 'negatives'")
        self.by = by
        self._by_position = 1 if by == "position" else 0
        # By position the entries are D(0), which no list reads, to D(P + N).
        self._counted: Counted = "items" if self._by_position else "negatives"
        index = "p" if self._by_position else "n"
        self._rank_weights = as_table(rank_weights, first=1, index="i", name="rank_weights")
        self._discount = as_table(discount, first=self._by_position, index=index, name="discount")

    def __repr__(self) -> str:
        return self._call(
            f"rank_weights={self._rank_weights!r}",
            f"discount={self._discount!r}",
            f"by={self.by!r}",
        )

    def _solver(self, weight: float, sizes: ClassSizes, ranks: Read, discount: Read) -> str:
        """Which solver of `directloss.inference.rankings` a term takes; not asked for weight 0."""
        if weight == -np.inf:
            return "ground truth"
        sign = 1.0 if weight > 0.0 else -1.0
        if self._discount.convex(discount, sizes, self._counted, self._by_position, sign):
            return "separable"
        if not self._by_position and self._rank_weights.equal(ranks, sizes, "positives", 1):
            return "pooled"
        return self._programme

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        solution = Solution.empty(lists, weights.size)
        sizes = class_sizes(lists)
        ranks = self._rank_weights.read(sizes, "positives")
        discount = self._discount.read(sizes, self._counted)
        numbers = tuple(weights.tolist())
        solvers = [
            None if weight == 0.0 else self._solver(weight, sizes, ranks, discount)
            for weight in numbers
        ]
        if "ground truth" in solvers:
            self._refuse_long_ground_truths(sizes, *discount)
        rankings = Rankings(
            lists.scores,
            lists.finite,
            lists.targets,
            lists.offsets,
            sizes.positives,
            (*ranks, self._rank_weights.scales(sizes.positives)),
            (*discount, self._by_position),
            numbers,
            tuple(coefficients.tolist()),
            tuple(solvers),
            share_ties,
            solution.outputs,
        )
        over_lists(solve_rankings, lists.offsets, rankings, most=CACHED)
        return solution

    def unit_weights_of(self, P: Numbers, N: Numbers) -> Numbers | float:
        if not self._by_position:
            return _BY_NEGATIVES
        return (_SHORT / (P + N).clip(1.0)).clip(_BY_POSITION, 1.0)

    def unit_weights(self, lists: Lists) -> Array | float:
        # Lists of one length with few steps of numpy, which count where they are short.
        count, items = lists.offsets.size - 1, lists.scores.size
        if self._by_position and count == 1:
            return min(max(_BY_POSITION, _SHORT / max(items, 1)), 1.0)
        sizes = lists.offsets[1:] - lists.offsets[:-1]
        if self._by_position and (sizes == sizes[:1]).all():
            return min(max(_BY_POSITION, _SHORT * count / max(items, 1)), 1.0)
        weights = self.unit_weights_of(sizes, np.zeros_like(sizes))  # of all items, whatever class
        assert not isinstance(weights, Tensor)
        return weights

    def _refuse_long_ground_truths(
        self, sizes: ClassSizes, discounts: Array, starts: Array
    ) -> None:
        positives, negatives = sizes.positives, sizes.negatives
        for index in np.flatnonzero((negatives + 1) * positives > MOST_CELLS):
            P, N = int(positives[index]), int(negatives[index])
            end = N + (P if self._by_position else 0)
            if N > 0 and grows(discounts[starts[index] :], self._by_position, end):
                raise ArgumentError(
                    "scores",
                    f"a list of {P} positives and {N} negatives",
                    f"P (N + 1) <= {MOST_CELLS} for the ground truth (of the hinge and the "
                    "perceptron) where the discount grows somewhere: a programme over all cells",
                )

    def loss_of(self, configurations: Lists) -> Array:
        losses, sizes = np.zeros(len(configurations)), class_sizes(configurations)
        over_lists(
            configuration_losses,
            configurations.offsets,
            configurations.scores,
            configurations.targets,
            configurations.offsets,
            *self._rank_weights.read(sizes, "positives"),
            self._rank_weights.scales(sizes.positives),
            *self._discount.read(sizes, self._counted),
            self._by_position,
            losses,
        )
        return losses

    def share_changed(self, difference: Array, lists: Lists) -> Array:
        """Share of the pairs (positive, negative) whose order differs; a tied pair counts half."""
        # Positive i has (N - 2 n_i) / (P N): half its change counts its flipped pairs / (P N).
        flipped = np.where(lists.targets == 1, np.abs(difference) / 2.0, 0.0)
        return np.diff(np.append(0.0, np.cumsum(flipped))[lists.offsets])


class AveragePrecision(RankingTask):
    r"""Average precision (non-interpolated), of the whole list or of its first k positions.

    .. math:: AP = \frac1P \sum_{i=1}^{P} \mathrm{Prec@}(\text{position of positive } i)
                 = \frac1P \sum_i \frac{i}{i + n_i}, \qquad \Delta = 1 - AP,

    F the pairwise score of `RankingTask`. The algorithm of the paper, to be read, is
    `directloss.inference.programme`; what runs gives the same rankings faster. The positive
    direction takes one walk, with divide and conquer in (P + N) log N steps where the walk crosses
    itself; the negative one takes debts (`directloss.inference.debts`) in about the time of a sort.

    With a cutoff, positives past position k count 0; Delta is then at its maximum where no
    positive is in the top k, and the positive direction dead, so that the default is "both".

    `metric` groups tied scores as scikit-learn's ``average_precision_score`` does: a tie is one
    threshold (with a cutoff: negatives first). Undefined for a list without positives or without
    negatives.

    Args:
        k: positions that count; None: all.
        normalize: with a cutoff, what the sum is divided by: "reachable", min(P, k), so that the
            best ranking has AP 1; or "relevant", P.
        relevant_from: as in `RankingTask`.

    Source: Song et al. 2016, section 4, equations 8 to 10.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("average-precision", "average precision", short=("ap", "map")),
        MetricName("average-precision", "average precision at {}", int),
    )

    def __init__(
        self,
        k: int | None = None,
        *,
        normalize: Literal["reachable", "relevant"] = "reachable",
        relevant_from: float | None = None,
    ) -> None:
        if normalize not in ("reachable", "relevant"):
            raise ArgumentError("normalize", repr(normalize), "'reachable' or 'relevant'")
        k = None if k is None else whole_number("k", k, wanted="an int >= 1, or None")
        self.k = k
        self.normalize = normalize
        most = k if k is not None and normalize == "reachable" else None
        super().__init__(
            FixedTable(_index, _OneOver(most), name="rank_weights"),
            FixedTable(_Reciprocal(k), name="discount"),
            relevant_from=relevant_from,
        )

    def __repr__(self) -> str:
        if self.k is None:
            return self._call()
        return self._call(f"k={self.k}", f"normalize={self.normalize!r}")

    @property
    def direction(self) -> Direction:  # type: ignore[override]
        return "positive" if self.k is None else "both"

    @property
    def _programme(self) -> str:  # type: ignore[override]
        return "debts" if self.k is None else "corridor"

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        if self.k is not None:
            return super().evaluate(lists)
        return _evaluate(average_precisions, lists)

    @property
    def has_weighted_metric(self) -> bool:
        return self.k is None

    def evaluate_weighted(self, lists: Lists) -> tuple[Array, Array]:
        if self.k is not None:  # of which nobody has said what positions are worth
            return super().evaluate_weighted(lists)
        return _weighted.over_lists(_weighted.average_precision, lists)


class ReciprocalRank(RankingTask):
    r"""Reciprocal rank: Delta = 1 - 1 / (position of the first positive).

    F the pairwise score of `RankingTask`; only the first positive counts in Delta. `metric` puts
    negatives first among ties. Undefined for a list without positives or without negatives.

    Args:
        relevant_from: as in `RankingTask`.

    Source: Voorhees 1999 (TREC-8 question answering track).
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("reciprocal-rank", "reciprocal rank", short=("mrr", "rr")),
    )

    def __init__(self, *, relevant_from: float | None = None) -> None:
        super().__init__(
            FixedTable(_first_only, name="rank_weights"),
            FixedTable(_Reciprocal(None), name="discount"),
            relevant_from=relevant_from,
        )

    def __repr__(self) -> str:
        return self._call()

    def on_device(self) -> device.Solver[Any]:
        return device.FirstPositive()


class ROCAUC(RankingTask):
    r"""Area under the ROC curve: Delta = share of the pairs in which the negative is above.

    .. math:: \Delta = \frac{1}{PN} \sum_i n_i

    F the pairwise score of `RankingTask`: F + weight * Delta is solved pair by pair, with a margin
    of weight / 2, so that epsilon is the shift of every pair. `metric` counts tied pairs half.
    Undefined without positives or without negatives.

    Args:
        relevant_from: as in `RankingTask`.

    Source: Hanley and McNeil 1982.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("roc-auc", "area under the ROC curve", short=("auc", "auroc")),
    )

    def __init__(self, *, relevant_from: float | None = None) -> None:
        super().__init__(
            FixedTable(_ones, _OneOver(None), name="rank_weights"),
            ListTable(_share_below, first=0, name="discount"),
            by="negatives",
            relevant_from=relevant_from,
        )

    def __repr__(self) -> str:
        return self._call()

    def on_device(self) -> device.Solver[Any]:
        return device.RocArea()

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        return _evaluate(roc_areas, lists, 1.0)

    def evaluate_weighted(self, lists: Lists) -> tuple[Array, Array]:
        return _weighted.over_lists(_weighted.roc_area, lists)


class PartialAUC(RankingTask):
    r"""Area under the ROC curve up to a false positive rate, over that rate.

    .. math:: 1 - \Delta = \frac1P \sum_i \max(0, 1 - n_i / m), \qquad m = max\_fpr \cdot N

    F the pairwise score of `RankingTask`; epsilon is the shift of a positive against one of the
    first m negatives. Undefined without positives or without negatives.

    Args:
        max_fpr: in (0, 1].
        relevant_from: as in `RankingTask`.

    Source: McClish 1989.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("partial-auc", "partial ROC AUC up to {}", float, 0.1, short=("pauc",)),
    )
    # The positive direction saturates in most batches: docs/tasks/directions.md.
    direction: ClassVar[Direction] = "both"
    epsilon_scale: ClassVar[float] = 0.3

    def __init__(self, max_fpr: float, *, relevant_from: float | None = None) -> None:
        self.max_fpr = number(
            "max_fpr", max_fpr, lambda rate: 0.0 < rate <= 1.0, "a number in (0, 1]"
        )
        super().__init__(
            FixedTable(_ones, _OneOver(None), name="rank_weights"),
            ListTable(_PartialShare(self.max_fpr), first=0, name="discount"),
            by="negatives",
            relevant_from=relevant_from,
        )

    def __repr__(self) -> str:
        return self._call(f"{self.max_fpr:g}")

    def on_device(self) -> device.Solver[Any]:
        return device.PartialArea(self.max_fpr)

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        return _evaluate(roc_areas, lists, self.max_fpr)

    def evaluate_weighted(self, lists: Lists) -> tuple[Array, Array]:
        return _weighted.over_lists(partial(_weighted.roc_area, max_fpr=self.max_fpr), lists)

    def unit_weights_of(self, P: Numbers, N: Numbers) -> float:
        return 2.0 * self.max_fpr

    def standardized(self, metric: Tensor) -> Tensor:
        """A value of `metric` in McClish's form, 1/2 for chance: scikit-learn's ``max_fpr=``."""
        chance = 0.5 * self.max_fpr
        return 0.5 * (1.0 + (metric - chance) / (1.0 - chance))


def _evaluate(kernel: Callable[..., None], lists: Lists, *arguments: float) -> tuple[Array, Array]:
    """The metric of each list by a kernel of `directloss.inference.ties`."""
    metrics, defined = np.zeros(len(lists)), np.empty(len(lists), np.bool_)
    flat = (lists.scores, lists.targets, lists.offsets)
    over_lists(kernel, lists.offsets, *flat, *arguments, metrics, defined)
    return metrics, defined


# Module-level functions and classes, so that tasks can be pickled.


def _index(index: Array) -> Array:
    return index.astype(np.float64)


def _ones(index: Array) -> Array:
    return np.ones(index.size)


def _first_only(index: Array) -> Array:
    first: Array = (index == 1).astype(np.float64)
    return first


def _share_below(above: Array, positives: Array, negatives: Array) -> Array:
    return 1.0 - above / negatives


@dataclass(frozen=True)
class _PartialShare:
    max_fpr: float

    def __call__(self, above: Array, positives: Array, negatives: Array) -> Array:
        with np.errstate(over="ignore"):  # past the edge of a tiny rate, where D is 0
            return np.maximum(0.0, 1.0 - above / (self.max_fpr * negatives))


@dataclass(frozen=True)
class _Reciprocal:
    """1 / position, up to the cutoff; there is no position 0, and any number may stand there."""

    k: int | None

    def __call__(self, index: Array) -> Array:
        values = 1.0 / np.maximum(index, 1)
        return values if self.k is None else np.where(index <= self.k, values, 0.0)


@dataclass(frozen=True)
class _OneOver:
    """1 / P, or 1 / min(P, most); 1 for a list without positives, where nobody reads it."""

    most: int | None

    def __call__(self, positives: Array) -> Array:
        if positives.size <= _FEW:  # two ufuncs take longer than all else about a table
            most = np.inf if self.most is None else self.most
            return np.array([1.0 / max(min(count, most), 1) for count in positives.tolist()])
        least = np.maximum(positives, 1)  # np.clip takes three times as long
        return 1.0 / (least if self.most is None else np.minimum(least, self.most))
