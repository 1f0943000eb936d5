"""Metrics of the numbers of true and false positives, by the kinds of `counts.metrics`.

F = 1/n sum_i y_i phi_i over sets of predicted items. 0-1 and balanced error decide item by item. Of
the others each line of counts (tp, fp) has a closed-form gain of one more item that is positive up
to the line's best point and not beyond it (docs/tasks/counting.md): a binary search of fixed depth
finds that point on all lines at once, and the first best line is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import torch
from torch import Tensor

from directloss._terms import Kind
from directloss.inference.counts.metrics import BALANCED_ERROR, ERROR_RATE, GMEAN, TVERSKY
from directloss.inference.device.order import (
    Classes,
    Order,
    at_or_before,
    first_largest,
    sums,
    take,
)
from directloss.inference.device.solver import Answer, Solver

__all__ = ["Additive", "SetMetric"]


def _task_loss(
    kind: int, parameters: Sequence[float], tp: Tensor, fp: Tensor, P: Tensor, N: Tensor
) -> Tensor:
    """`counts.metrics.task_loss`, elementwise on float64."""
    tp, fp, P, N = tp.double(), fp.double(), P.double(), N.double()
    if kind == ERROR_RATE:
        return (P - tp + fp) / (P + N).clamp(min=1.0)
    if kind == BALANCED_ERROR:
        return 0.5 * ((P - tp) / P.clamp(min=1.0) + fp / N.clamp(min=1.0))
    if kind == TVERSKY:
        alpha, beta = parameters
        total = tp + alpha * fp + beta * (P - tp)
        loss = 1.0 - tp / torch.where(tp > 0.0, total, 1.0)
        return torch.where(P == 0.0, (fp > 0.0).double(), loss)
    if kind == GMEAN:
        return 1.0 - (tp * (N - fp) / (P * N).clamp(min=1.0)).sqrt()
    k = tp + fp
    inside = (k > 0.0) & (k < P + N)
    scale = (torch.where(inside, k * (P + N - k), 1.0) * (P * N).clamp(min=1.0)).sqrt()
    return torch.where(inside, 0.5 * (1.0 - (tp * N - fp * P) / scale), 0.5)


class _Items(Order):
    """Lists as they are stored, with their labels."""

    def __init__(self, scores: Tensor, positive: Tensor, mask: Tensor) -> None:
        super().__init__(scores, mask, None)
        self.wide, self.positive = scores.double(), positive
        self.P = positive.sum(-1, keepdim=True)
        self.N = self.size - self.P


class Additive(Solver[_Items]):
    """0-1 and balanced error: a threshold a class, without a sort."""

    def __init__(self, kind: int) -> None:
        self.kind = kind

    def sort(self, scores: Tensor, targets: Tensor, mask: Tensor) -> _Items:
        return _Items(scores, (targets == 1) & mask, mask)

    def defined(self, lists: _Items) -> Tensor:
        both = (lists.P > 0) & (lists.N > 0)
        return both if self.kind == BALANCED_ERROR else lists.size > 0

    def answer(self, lists: _Items, weight: float | Tensor, kind: Kind, *, share: bool) -> Answer:
        n = lists.size.clamp(min=1).double()
        if kind == "ground truth":
            chosen = lists.positive
        else:
            up = down = weight
            if self.kind == BALANCED_ERROR:
                up = 0.5 * weight * n / lists.P.clamp(min=1)
                down = 0.5 * weight * n / lists.N.clamp(min=1)
            chosen = torch.where(lists.positive, lists.wide > up, lists.wide > -down) & lists.real
        tp = (chosen & lists.positive).sum(-1, keepdim=True)
        fp = (chosen & ~lists.positive).sum(-1, keepdim=True)
        return Answer(chosen.double() / n, _task_loss(self.kind, (), tp, fp, lists.P, lists.N))


class SetMetric(Solver[Classes]):
    """Tversky and its members, G-mean, Matthews correlation.

    Args:
        kind, parameters: of `counts.metrics`.
    """

    def __init__(self, kind: int, parameters: Sequence[float]) -> None:
        self.kind, self.parameters = kind, tuple(parameters)

    def missing(self, kinds: Sequence[Kind]) -> str | None:
        tversky = self.kind == TVERSKY
        if tversky and "lowering" in kinds and self.parameters[1] > 1.0:
            return "the negative direction of Tversky with beta > 1"
        if tversky and "ground truth" in kinds and 0.0 in self.parameters:
            return "the ground truth of Tversky with alpha or beta 0"
        if self.kind == GMEAN and "raising" in kinds:
            return "the positive direction of the G-mean"
        return None

    def sort(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Classes:
        return Classes(scores, (targets == 1) & mask, mask)

    def defined(self, lists: Classes) -> Tensor:
        return lists.size > 0 if self.kind == TVERSKY else (lists.P > 0) & (lists.N > 0)

    def answer(self, lists: Classes, weight: float | Tensor, kind: Kind, *, share: bool) -> Answer:
        if kind == "prediction":
            tp = (lists.p < 0.0).sum(-1, keepdim=True)
            fp = (lists.q < 0.0).sum(-1, keepdim=True)
        elif kind == "ground truth":
            tp, fp = lists.P, torch.zeros_like(lists.N)
        else:
            tp, fp = self._best(lists, weight, kind)
        chosen = torch.where(
            lists.positive,
            _chosen(lists.p, lists.P, tp, lists.rank),
            _chosen(lists.q, lists.N, fp, lists.rank),
        )
        return Answer(
            chosen / lists.size.clamp(min=1),
            _task_loss(self.kind, self.parameters, tp, fp, lists.P, lists.N),
        )

    def _best(self, lists: Classes, weight: float | Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
        """Best (tp, fp), each (L, 1); an infinite score is always or never predicted."""
        P, N = lists.P, lists.N
        least_tp, least_fp = ((k == -inf).sum(-1, keepdim=True) for k in (lists.p, lists.q))
        most_tp, most_fp = ((k < inf).sum(-1, keepdim=True) for k in (lists.p, lists.q))
        line = torch.arange(lists.p.shape[-1] + 1, device=P.device).expand(P.shape[0], -1)
        scale = weight * lists.size.double()
        if self.kind == TVERSKY and kind == "lowering":  # a line for each fp
            fp, inside = line, (line >= least_fp) & (line <= most_fp)

            def helps(tp: Tensor) -> Tensor:
                return -_last(lists.p, tp) - scale * self._help(tp, line, P) > 0.0

            tp = _longest(least_tp.expand_as(line), most_tp, helps)
        elif self.kind in (TVERSKY, GMEAN):  # a line for each tp
            tp, inside = line, (line >= least_tp) & (line <= most_tp)

            def pays(fp: Tensor) -> Tensor:
                return -_last(lists.q, fp) + scale * self._harm(line, fp, P, N) > 0.0

            fp = _longest(least_fp.expand_as(line), most_fp, pays)
        else:  # a line for each tp + fp, on which a positive is exchanged for a negative
            inside = (line >= least_tp + least_fp) & (line <= most_tp + most_fp)
            both = (line > 0) & (line < lists.size)
            k = torch.where(both, line * (lists.size - line), 1).double()
            price = 0.5 * scale * lists.size / (k * (P * N).clamp(min=1).double()).sqrt()
            price = torch.where(both, price, 0.0)

            def exchanges(tp: Tensor) -> Tensor:
                return _last(lists.q, line - tp + 1) - _last(lists.p, tp) > price

            low = torch.maximum(least_tp, line - most_fp)
            tp = _longest(low, torch.minimum(most_tp, line - least_fp), exchanges)
            fp = line - tp
        tp, fp = (torch.minimum(c.clamp(min=0), most) for c, most in ((tp, P), (fp, N)))
        earned = (take(_scores(lists.p), tp) + take(_scores(lists.q), fp)) / lists.size.clamp(min=1)
        value = earned + weight * _task_loss(self.kind, self.parameters, tp, fp, P, N)
        best = first_largest(torch.where(inside, value, -inf))
        tp, fp = take(tp, best), take(fp, best)
        if self.kind != TVERSKY:
            return tp, fp
        # Without positives Delta is 1 as soon as anything is predicted: all that gains, or nothing.
        some = (lists.q < 0.0).sum(-1, keepdim=True).clamp(min=1)
        gain = take(_scores(lists.q), torch.minimum(some, N)) / N.clamp(min=1) + weight
        some = torch.where((most_fp > 0) & ((least_fp > 0) | (gain > 0.0)), some, 0)
        return torch.where(P == 0, 0, tp), torch.where(P == 0, some, fp)

    def _harm(self, tp: Tensor, fp: Tensor, P: Tensor, N: Tensor) -> Tensor:
        """Delta(tp, fp) - Delta(tp, fp - 1)."""
        tp, fp, P, N = tp.double(), fp.double(), P.double(), N.double()
        if self.kind == TVERSKY:
            alpha, beta = self.parameters
            hits = tp + beta * (P - tp)
            total = (hits + alpha * (fp - 1.0)) * (hits + alpha * fp)
            return torch.where(tp > 0.0, tp * alpha / torch.where(tp > 0.0, total, 1.0), 0.0)
        N = N.clamp(min=1.0)
        specificities = ((N - fp + 1.0) / N).clamp(min=0.0).sqrt()
        specificities = specificities + ((N - fp) / N).clamp(min=0.0).sqrt()
        return (tp / P.clamp(min=1.0)).sqrt() / (N * specificities)

    def _help(self, tp: Tensor, fp: Tensor, P: Tensor) -> Tensor:
        """Delta(tp - 1, fp) - Delta(tp, fp) for TVERSKY."""
        alpha, beta = self.parameters
        tp, slope = tp.double(), 1.0 - beta
        misses = alpha * fp.double() + beta * P.double()
        # The first one also where misses = 0, since no positive then means Delta = 1.
        later = misses / ((slope * (tp - 1.0) + misses) * (slope * tp + misses))
        return torch.where(tp == 1.0, 1.0 / (slope + misses), later)


def _last(keys: Tensor, count: Tensor) -> Tensor:
    """The key of the last of a class's `count` first."""
    return take(keys, (count - 1).clamp(0, keys.shape[-1] - 1))


def _scores(keys: Tensor) -> Tensor:
    """Sums of the scores of the first 0, 1, ... of a class, infinite ones as 0."""
    return sums(torch.where(keys.isfinite(), -keys, 0.0))


def _longest(low: Tensor, high: Tensor, gains: Callable[[Tensor], Tensor]) -> Tensor:
    """The largest count in low .. high each of whose steps from `low` on gains.

    Args:
        low: int64 (L, m).
        high: to broadcast with it.
        gains: whether the step to this count gains; where one does not, no later one does.
    """
    count = low
    for bit in reversed(range(low.shape[-1].bit_length())):
        further = count + (1 << bit)
        count = torch.where((further <= high) & gains(further), further, count)
    return count


def _chosen(keys: Tensor, size: Tensor, count: Tensor, rank: Tensor) -> Tensor:
    """1 for the `count` first of a class, a share for those of the last one's score."""
    last = _last(keys, count)
    begin = torch.where(count > 0, at_or_before(keys, last, size, ties=False), 0)
    end = torch.where(count > 0, at_or_before(keys, last, size, ties=True), 0)
    share = (count - begin).double() / (end - begin).clamp(min=1)
    return torch.where(rank < begin, 1.0, torch.where(rank < end, share, 0.0))
