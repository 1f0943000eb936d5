"""Ranking by pairs: metrics that are a sum over the positives of r_i D(...)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np

from directloss.errors import ArgumentError
from directloss.inference._kernel import Array
from directloss.inference.rankings import configuration_losses, solve_rankings
from directloss.inference.threads import over_lists
from directloss.inference.ties import average_precisions
from directloss.lists import Lists, class_counts
from directloss.tasks.base import Solution, Task

__all__ = ["AveragePrecision", "RankingTask"]

Weighting = Callable[[Array, Array, Array], Array]
"""(index, number of positives, number of negatives) -> values, elementwise on arrays."""


class Tables(NamedTuple):
    """r_i and D of every list, as the kernel reads them."""

    rank_weights: Array
    rank_offsets: Array
    discounts: Array
    discount_offsets: Array


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
        rank_weights: Array | Weighting,
        discount: Array | Weighting,
        *,
        by: str = "position",
    ) -> None:
        if by not in ("position", "negatives"):
            raise ArgumentError("by", repr(by), "'position' or 'negatives'")
        self.by = by
        self._step = 1 if by == "position" else 0
        self._rank_weights = _as_function(rank_weights, first=1)
        self._discount = _as_function(discount, first=self._step)

    def tables(self, positives: Array, negatives: Array) -> Tables:
        """r and D of lists with these numbers of positives and negatives, int64 (L,)."""
        rank_offsets = _offsets(positives)
        ranks, owner = _indices(rank_offsets, first=1)
        weights = self._rank_weights(ranks, positives[owner], negatives[owner])
        sizes = negatives + 1 + (positives if self._step else 0)
        discount_offsets = _offsets(sizes)
        indices, owner = _indices(discount_offsets, first=0)
        discounts = np.zeros(indices.size, np.float64)
        # Position 0 does not exist; its entry only keeps the index equal to the position.
        real = indices >= self._step
        discounts[real] = self._discount(
            indices[real], positives[owner][real], negatives[owner][real]
        )
        weights = np.asarray(weights, np.float64)
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise ArgumentError("rank_weights", "a negative or non-finite value", "finite r_i >= 0")
        if not np.isfinite(discounts).all():
            raise ArgumentError("discount", "a non-finite value", "finite D")
        return Tables(weights, rank_offsets[:-1], discounts, discount_offsets[:-1])

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        tables = self.tables(*class_counts(lists))
        solution = Solution.empty(lists, weights.size)
        over_lists(
            solve_rankings,
            lists.offsets,
            lists.scores,
            lists.targets,
            lists.offsets,
            *tables,
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
        tables = self.tables(*class_counts(configurations))
        losses = np.zeros(len(configurations))
        over_lists(
            configuration_losses,
            configurations.offsets,
            configurations.scores,
            configurations.targets,
            configurations.offsets,
            *tables,
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
        super().__init__(_rank_share, _reciprocal)

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


def _rank_share(rank: Array, positives: Array, negatives: Array) -> Array:
    return rank / positives


def _reciprocal(position: Array, positives: Array, negatives: Array) -> Array:
    return 1.0 / position


def _as_function(values: Array | Weighting, *, first: int) -> Weighting:
    """An array as a function of its index, which starts at `first`; 0 past its end."""
    if callable(values):
        return values
    array = np.append(np.asarray(values, np.float64).reshape(-1), 0.0)

    def look_up(index: Array, positives: Array, negatives: Array) -> Array:
        found: Array = array[np.minimum(index - first, array.size - 1)]
        return found

    return look_up


def _offsets(sizes: Array) -> Array:
    offsets = np.zeros(sizes.size + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _indices(offsets: Array, *, first: int) -> tuple[Array, Array]:
    """For every entry of flat tables: its index in its own table, and which table it is in."""
    owner = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    return np.arange(offsets[-1]) - offsets[owner] + first, owner
