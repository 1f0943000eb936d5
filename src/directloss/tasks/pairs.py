"""Ranking by pairs: metrics that are a sum over the positives of r_i D(...)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from directloss.errors import ArgumentError
from directloss.inference._kernel import Array
from directloss.inference.rankings import configuration_losses, solve_rankings
from directloss.inference.threads import over_lists
from directloss.inference.ties import average_precisions
from directloss.lists import Lists, class_counts
from directloss.tasks._tables import Elementwise, FixedTable, Table, as_table
from directloss.tasks.base import Solution, Task

__all__ = ["AveragePrecision", "RankingTask"]


class RankingTask(Task):
    r"""A metric of binary relevance said by two short arrays.

    With i the rank of a positive among the positives and n_i the number of negatives above it,

    .. math:: 1 - \Delta = \sum_{i=1}^{P} r_i D(i + n_i), \qquad
              F = \frac{1}{PN} \sum_{i\ pos} \sum_{j\ neg} y_{ij} (\phi_i - \phi_j),

    y_ij = +1 where i is above j, else -1. Epsilon is in units of the scores times Delta per pair:
    F is a mean over pairs, so a shift of all positives by t changes F by 2 t at most.

    The solver follows from the arrays: where weight * D is convex the problem splits over the
    negatives (`directloss.inference.separable`), else the programme runs in a corridor
    (`directloss.inference.corridor`). Both are exact.

    Args:
        rank_weights: r, non-negative: an array (0 past its end) or a function of arrays
            (i, P, N), i = 1..P.
        discount: D: an array, of which entry 0 is D(1) (0 past its end), or a function of arrays
            (p, P, N).
        by: "position": D is taken at i + n_i = 1..P+N; "negatives": at n_i = 0..N (and entry 0 of
            an array is D(0)).

    Raises:
        ArgumentError: for negative or non-finite r, non-finite D, an unknown ``by``.

    Source: extends Song et al. 2016, section 4, whose programme is the case r_i = i/P, D(p) = 1/p.
    """

    direction: ClassVar = "positive"

    def __init__(
        self,
        rank_weights: Array | Elementwise | Table,
        discount: Array | Elementwise | Table,
        *,
        by: str = "position",
    ) -> None:
        if by not in ("position", "negatives"):
            raise ArgumentError("by", repr(by), "'position' or 'negatives'")
        self.by = by
        self._step = 1 if by == "position" else 0
        self._rank_weights = as_table(rank_weights, first=1, name="rank_weights")
        self._discount = as_table(discount, first=self._step, name="discount")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(by={self.by!r})"

    def _tables(self, lists: Lists) -> tuple[Array, ...]:
        """r and D of every list, in the order of the kernels' arguments."""
        positives, negatives = class_counts(lists)
        ranks = self._rank_weights.read(positives + 1, positives, negatives)
        # With `step` 1 the entries are D(0), which no list reads, to D(P + N).
        sizes = negatives + 1 + (positives if self._step else 0)
        discounts = self._discount.read(sizes, positives, negatives)
        scales = ranks.scales * discounts.scales
        return ranks.values, ranks.offsets, scales, discounts.values, discounts.offsets

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        solution = Solution.empty(lists, weights.size)
        over_lists(
            solve_rankings,
            lists.offsets,
            lists.scores,
            lists.targets,
            lists.offsets,
            *self._tables(lists),
            self._step,
            share_ties,
            weights,
            coefficients,
            solution.combination,
            solution.task_losses,
            solution.values,
            solution.defined,
        )
        return solution

    def loss_of(self, configurations: Lists) -> Array:
        losses = np.zeros(len(configurations))
        over_lists(
            configuration_losses,
            configurations.offsets,
            configurations.scores,
            configurations.targets,
            configurations.offsets,
            *self._tables(configurations),
            self._step,
            losses,
        )
        return losses

    def share_changed(self, first: Array, second: Array, lists: Lists) -> Array:
        """Share of the pairs (positive, negative) whose order differs."""
        # Positive i has (N - 2 n_i) / (P N): half its change counts its flipped pairs / (P N).
        flipped = np.where(lists.targets == 1, np.abs(first - second) / 2.0, 0.0)
        return np.diff(np.append(0.0, np.cumsum(flipped))[lists.offsets])

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        """1 - Delta of the prediction: among ties, negatives come first."""
        solution = self.solve(lists, np.zeros(1), np.zeros(1))
        return 1.0 - solution.task_losses[:, 0], solution.defined


class AveragePrecision(RankingTask):
    r"""Average precision (non-interpolated).

    .. math:: AP = \frac1P \sum_{i=1}^{P} \mathrm{Prec@}(\text{position of positive } i)
                 = \frac1P \sum_i \frac{i}{i + n_i}, \qquad \Delta = 1 - AP,

    F the pairwise score of `RankingTask`. The positive direction is solved by divide and conquer
    in (P + N) log N steps, the negative one by the programme in a corridor.

    `metric` groups tied scores as scikit-learn's ``average_precision_score`` does: a tie is one
    threshold. Undefined for a list without positives or without negatives.

    Source: Song et al. 2016, section 4, equations 8 to 10.
    """

    def __init__(self) -> None:
        super().__init__(
            FixedTable(_index, _one_over_positives, name="rank_weights"),
            FixedTable(_reciprocal, name="discount"),
        )

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        values, defined = np.zeros(len(lists)), np.empty(len(lists), np.bool_)
        over_lists(
            average_precisions,
            lists.offsets,
            lists.scores,
            lists.targets,
            lists.offsets,
            values,
            defined,
        )
        return values, defined

    def __repr__(self) -> str:
        return "AveragePrecision()"


def _index(index: Array) -> Array:
    return index.astype(np.float64)


def _reciprocal(index: Array) -> Array:
    # Position 0 does not exist; any number may stand there.
    return 1.0 / np.maximum(index, 1)


def _one_over_positives(positives: Array, negatives: Array) -> Array:
    return 1.0 / positives
