"""Metrics that discount the gain of each item by its position: every argmax is a sort.

F + weight * Delta ranks by score - weight * gain / max gain (see `inference.positions`, whose
definitions these are). With gains 0 and 1 the order after a shift is two classes merged, so that
one sort serves all terms; with graded ones each term sorts again.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import NamedTuple

import torch
from torch import Tensor

from directloss._terms import Kind
from directloss.inference.device.order import Classes, Order, at_or_before, sums, take
from directloss.inference.device.solver import Answer, Solver
from directloss.inference.positions import CUTOFF_RELEVANT, Divisor

__all__ = ["ByPosition", "Divisor"]

Discount = Callable[[Tensor, Tensor], Tensor]
"""(place from 0, number of items (L, 1)), both float64 -> D."""


class _Placed(NamedTuple):
    """The place of each entry, and where the places that it shares begin and end, int64 (L, n).

    Entries that may be exchanged share their places: those of one score and gain, and in the
    prediction all of one score.
    """

    place: Tensor
    begin: Tensor
    end: Tensor


class _Binary(Classes):
    """Lists of gains 0 and 1."""

    def __init__(self, scores: Tensor, positive: Tensor, mask: Tensor) -> None:
        super().__init__(scores, positive, mask)
        self.gains = self.positive.double()

    def best(self) -> Tensor:
        """Places of an ideal ranking."""
        return torch.where(self.positive, self.rank, self.P + self.rank)

    def worst(self) -> Tensor:
        return torch.where(self.positive, self.N + self.rank, self.rank)

    def placed(self, weight: float | Tensor, kind: Kind) -> _Placed:
        if kind == "ground truth":
            above = torch.zeros_like(self.rank)
        elif kind == "prediction":
            above = self.above_positives(ties=True)
        else:
            above = self.above_positives(weight, ties=kind == "raising")
        above = self.of_class(above, self.turned(above, self.P))
        tied = []
        for ties in (False, True):
            if kind == "prediction":
                tied.append(at_or_before(self.key, self.key, self.size, ties=ties))
            else:
                p = at_or_before(self.p, self.p, self.P, ties=ties)
                q = at_or_before(self.q, self.q, self.N, ties=ties)
                tied.append(above + self.of_class(p, q))
        return _Placed(self.rank + above, *tied)


class _Graded(Order):
    """Lists by ascending gain, padding last."""

    def __init__(self, scores: Tensor, gains: Tensor, mask: Tensor) -> None:
        gains, index = torch.sort(torch.where(mask, gains, inf), dim=-1, stable=True)
        super().__init__(scores, mask, index)
        self.gains = torch.where(self.real, gains, 0.0)
        self.key = torch.where(self.real, 0.0 - scores.gather(-1, index).double(), nan)
        place = torch.arange(scores.shape[-1], device=scores.device)
        self.place = place.expand(scores.shape)

    def best(self) -> Tensor:
        """Places of an ideal ranking."""
        return self.size - 1 - self.place

    def worst(self) -> Tensor:
        return self.place

    def placed(self, weight: float | Tensor, kind: Kind) -> _Placed:
        key = self.key
        if kind in ("raising", "lowering"):
            largest = self.gains.amax(-1, keepdim=True)
            key = key + weight / torch.where(largest > 0.0, largest, 1.0) * self.gains
        if kind in ("prediction", "raising"):  # in a tie the lower gain comes first
            by = key.argsort(stable=True, dim=-1)
        else:
            last = key.shape[-1] - 1
            by = last - key.flip(-1).argsort(stable=True, dim=-1)
        if kind == "ground truth":
            lower = torch.where(self.real, -self.gains, inf).gather(-1, by)
            by = by.gather(-1, lower.argsort(stable=True, dim=-1))
        ordered, gains = key.gather(-1, by), self.gains.gather(-1, by)
        new = ordered[:, 1:] != ordered[:, :-1]
        if kind != "prediction":
            new = new | (gains[:, 1:] != gains[:, :-1])
        tie = sums(new)
        place = torch.zeros_like(by).scatter(-1, by, self.place)
        begin, end = (at_or_before(tie, tie, self.size, ties=ties) for ties in (False, True))
        return _Placed(place, take(begin, place), take(end, place))


class ByPosition(Solver[_Binary | _Graded]):
    """A metric of discounted gains.

    Args:
        discount: never growing with the place, >= 0.
        divisor: what the discounted gain is divided by.
        cutoff: places that count, or `CUTOFF_RELEVANT`.
        gain: of targets, to float64, elementwise; NaN where it refuses one. None: targets are 0/1.
    """

    def __init__(
        self,
        discount: Discount,
        divisor: Divisor,
        cutoff: int,
        gain: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.discount, self.divisor, self.cutoff, self.gain = discount, divisor, cutoff, gain

    def wrong_targets(self, targets: Tensor) -> Tensor:
        return super().wrong_targets(targets) if self.gain is None else self.gain(targets).isnan()

    def sort(self, scores: Tensor, targets: Tensor, mask: Tensor) -> _Binary | _Graded:
        if self.gain is None or targets.dtype == torch.bool:
            return _Binary(scores, (targets == 1) & mask, mask)
        return _Graded(scores, self.gain(targets), mask)

    def defined(self, lists: _Binary | _Graded) -> Tensor:
        return self._scale(lists)[1] > 0.0

    def answer(
        self, lists: _Binary | _Graded, weight: float | Tensor, kind: Kind, *, share: bool
    ) -> Answer:
        discounts, (base, scale) = self._discounts(lists), self._scale(lists)
        scale = torch.where(scale > 0.0, scale, 1.0)
        place, begin, end = lists.placed(weight, kind)
        given = take(discounts, place.clamp(max=discounts.shape[-1] - 1))
        loss = 1.0 - ((lists.gains * given).sum(-1, keepdim=True) - base) / scale
        if share:
            total, size = sums(discounts), end - begin
            begin, end = (edge.clamp(max=discounts.shape[-1]) for edge in (begin, end))
            shared = (take(total, end) - take(total, begin)) / size.clamp(min=1)
            given = torch.where(size > 1, shared, given)
        y = given * (lists.gains.amax(-1, keepdim=True) / scale)
        return Answer(y, loss.clamp(min=0.0))

    def _discounts(self, lists: _Binary | _Graded) -> Tensor:
        """D by place, 0 past the cutoff and the list's end."""
        place = torch.arange(lists.real.shape[-1], device=lists.real.device)
        cutoff = lists.size.clamp(max=self.cutoff)
        if self.cutoff == CUTOFF_RELEVANT:
            cutoff = (lists.gains > 0.0).sum(-1, keepdim=True)
        values = self.discount(place.double(), lists.size.clamp(min=1).double())
        return torch.where(place < cutoff, values, 0.0)

    def _scale(self, lists: _Binary | _Graded) -> tuple[Tensor | float, Tensor]:
        """B and Z, (L, 1); Z is 0 where the metric is undefined."""
        relevant = (lists.gains > 0.0).sum(-1, keepdim=True)
        if self.divisor == Divisor.TOTAL or self.cutoff == CUTOFF_RELEVANT:
            return 0.0, lists.gains.sum(-1, keepdim=True)
        if self.divisor in (Divisor.ONE, Divisor.CUTOFF):
            same = 1.0 if self.divisor == Divisor.ONE else float(self.cutoff)
            return 0.0, (relevant > 0).double() * same
        discounts = self._discounts(lists)
        best, worst = (
            (lists.gains * take(discounts, place.clamp(min=0))).sum(-1, keepdim=True)
            for place in (lists.best(), lists.worst())
        )
        if self.divisor == Divisor.IDEAL:
            return 0.0, best
        return worst, torch.where(relevant < lists.size, best - worst, 0.0)
