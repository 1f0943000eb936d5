"""Rankings by pairs whose argmax is a few counts: areas under the ROC curve, first place.

F = 1/(P N) sum over pairs of y_ij (phi_i - phi_j), and Delta depends on the n_i negatives above
each positive i alone. Pairs of which one score is infinite are pinned in the order of their scores;
a pair of equal infinities is free, and F says nothing about it (docs/theory.md, 6 and 9).
"""

from __future__ import annotations

from abc import abstractmethod
from math import inf

import torch
from torch import Tensor

from directloss._terms import Kind
from directloss.inference.device.order import Classes, at_or_before, first_largest, sums, take
from directloss.inference.device.solver import Answer, Solver

__all__ = ["FirstPositive", "PartialArea", "RocArea"]


class _Pairs(Solver[Classes]):
    """What the metrics share: both classes in order, and y from the counts."""

    def sort(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Classes:
        return Classes(scores, (targets == 1) & mask, mask)

    def defined(self, lists: Classes) -> Tensor:
        return (lists.P > 0) & (lists.N > 0)

    def answer(self, lists: Classes, weight: float | Tensor, kind: Kind, *, share: bool) -> Answer:
        pairs = (lists.P * lists.N).clamp(min=1).double()
        if kind == "prediction":
            above = lists.above_positives(ties=True)
        elif kind == "ground truth":
            above = self._ground_truth(lists)
        else:
            above = self._above(lists, weight, kind, 2.0 / pairs)
        below = lists.turned(above, lists.P)
        loss = self._loss(lists, above)
        twice = 2 * lists.of_class(above, below)
        if kind == "prediction" and share:
            # y = 0 for a tied pair: half of it above. Equal infinities stay as they are.
            better = torch.where(lists.p.isinf(), above, lists.above_positives(ties=False))
            twice = lists.of_class(above + better, below + lists.turned(better, lists.P))
        other = torch.where(lists.positive, lists.N, lists.P)
        return Answer((other - twice).double() / pairs, loss)

    def _of_positives(self, lists: Classes, values: Tensor) -> Tensor:
        """The sum over the positives of values by rank, (L, 1)."""
        return torch.where(lists.place < lists.P, values, 0).sum(-1, keepdim=True)

    @abstractmethod
    def _loss(self, lists: Classes, above: Tensor) -> Tensor:
        """Delta, float64 (L, 1), of the negatives above each positive."""

    @abstractmethod
    def _above(self, lists: Classes, weight: float | Tensor, kind: Kind, scale: Tensor) -> Tensor:
        """The best number of negatives above each positive.

        Args:
            scale: 2 / (P N).
        """

    @abstractmethod
    def _ground_truth(self, lists: Classes) -> Tensor:
        """That of least Delta and then of largest F."""


class RocArea(_Pairs):
    """Delta = 1/(P N) sum n_i: pair by pair, with a margin of half the weight."""

    def _loss(self, lists: Classes, above: Tensor) -> Tensor:
        pairs = (lists.P * lists.N).clamp(min=1).double()
        return self._of_positives(lists, above).double() / pairs

    def _above(self, lists: Classes, weight: float | Tensor, kind: Kind, scale: Tensor) -> Tensor:
        return lists.above_positives(0.5 * weight, ties=kind == "raising")

    def _ground_truth(self, lists: Classes) -> Tensor:
        return lists.fences(lists.p, lists.q, lists.N)[0]


class PartialArea(_Pairs):
    """Delta = 1/P sum min(1, n_i / m), m = max_fpr * N.

    A positive of score phi_i earns T(n) - n s_i, with s_i = 2 phi_i / (P N) and T the sums of
    tau_j = 2 phi_j / (P N) + weight K_j, where K_j = 1 / (P m) for j <= m, a part of that for the
    next and 0 beyond. With a weight above 0 tau descends, so the best n counts tau >= s_i. With one
    below 0 it descends in j <= m and again from the next j on: the better of the best n of both.
    """

    def __init__(self, max_fpr: float) -> None:
        self.max_fpr = max_fpr

    def _edge(self, lists: Classes) -> Tensor:
        return self.max_fpr * lists.N.clamp(min=1).double()

    def _loss(self, lists: Classes, above: Tensor) -> Tensor:
        lost = (above / self._edge(lists)).clamp(max=1.0)
        return self._of_positives(lists, lost) / lists.P.clamp(min=1)

    def _above(self, lists: Classes, weight: float | Tensor, kind: Kind, scale: Tensor) -> Tensor:
        edge = self._edge(lists)
        fewest, most = lists.fences(lists.p, lists.q, lists.N)
        # K without a difference of two shares: it never grows, to the last bit.
        shares = (edge - lists.place).clamp(0.0, 1.0) / edge
        cost = shares * (weight / lists.P.clamp(min=1).double())
        # F does not see a shift of all scores; from their middle its sums lose fewer digits.
        middle = take(lists.p, lists.P // 2)
        middle = torch.where(middle.isfinite(), middle, 0.0)
        # Negated, so that they ascend. Infinite scores keep their side of what is finite.
        tau, s = scale * (lists.q - middle) - cost, scale * (lists.p - middle)
        if kind == "raising":
            above = at_or_before(tau, s, lists.N, ties=True)
            return torch.clamp(torch.where(lists.p.isinf(), most, above), fewest, most)
        whole = edge.floor().clamp(max=lists.p.shape[-1]).long()
        near = torch.where(lists.place < whole, tau, inf)
        far = torch.where(lists.place > whole, tau, -inf)
        earned = sums(torch.where(lists.q.isfinite(), -tau, cost))
        both = []
        for piece in (near, far):
            n = torch.clamp(at_or_before(piece, s, lists.N, ties=False), fewest, most)
            both.append((n, take(earned, n) + n * s))
        (near_n, near_value), (far_n, far_value) = both
        above = torch.where(far_value > near_value, far_n, near_n)
        return torch.where(lists.p.isinf(), fewest, above)

    def _ground_truth(self, lists: Classes) -> Tensor:
        fewest, _ = lists.fences(lists.p, lists.q, lists.N)
        # Past the edge Delta does not care, and F decides.
        return torch.where(fewest < self._edge(lists), fewest, lists.above_positives(ties=False))


class FirstPositive(_Pairs):
    """Reciprocal rank, Delta = 1 - 1 / (1 + n_1): only the first positive feels the loss."""

    def _loss(self, lists: Classes, above: Tensor) -> Tensor:
        return 1.0 - 1.0 / (1.0 + above[:, :1].double())

    def _above(self, lists: Classes, weight: float | Tensor, kind: Kind, scale: Tensor) -> Tensor:
        # From the first positive, whose score F does not see.
        first = lists.p[:, :1]
        first = torch.where(first.isfinite(), first, 0.0)
        p, q = (torch.where(k.isfinite(), k - first, 0.0) for k in (lists.p, lists.q))
        if kind == "lowering":
            return self._lifted(lists, weight, scale, q)
        # Column by column: a negative has above it all positives of a larger score, the first of
        # all at least, or none, where lifting it over the first earns more than that loses.
        fewest, most = lists.fences(lists.q, lists.p, lists.P)
        natural = at_or_before(lists.p, lists.q, lists.P, ties=False)
        count = torch.clamp(natural.clamp(min=1), fewest, most)
        j = lists.place.double()
        lost = weight / ((j + 1.0) * (j + 2.0))
        below = scale * (count * q - take(sums(p), count)) - lost > 0.0
        kept = (below & lists.q.isfinite()) | (fewest > 0)
        return lists.turned(torch.where(kept, count, 0), lists.N)

    def _lifted(self, lists: Classes, weight: float | Tensor, scale: Tensor, q: Tensor) -> Tensor:
        """Row 1 alone chooses its n, of those up to the prediction's; no other is in its way."""
        fewest, _ = lists.fences(lists.p, lists.q, lists.N)
        own = lists.above_positives(ties=False)
        n = torch.arange(q.shape[-1] + 1, device=q.device)
        value = -scale * sums(q) - weight / (n + 1).double()
        inside = (n >= fewest[:, :1]) & (n <= own[:, :1])
        best = first_largest(torch.where(inside, value, -inf))
        return torch.where(lists.place == 0, best, own)

    def _ground_truth(self, lists: Classes) -> Tensor:
        fewest, _ = lists.fences(lists.p, lists.q, lists.N)
        return torch.where(lists.place == 0, fewest, lists.above_positives(ties=False))
