"""Lists in the order of their scores, their classes apart, and the way back to storage."""

from __future__ import annotations

from math import inf, nan

import torch
from torch import Tensor

__all__ = ["Classes", "Order", "at_or_before", "first_largest", "sums", "take"]


def take(values: Tensor, index: Tensor) -> Tensor:
    """values[l, index[l, k]], (L, m)."""
    return values.gather(-1, index.expand(values.shape[0], -1))


def at_or_before(keys: Tensor, values: Tensor, size: Tensor, *, ties: bool) -> Tensor:
    """How many of a list's first `size` keys are below each value, or with `ties` not above it.

    Args:
        keys: (L, n), ascending.
        values: (L, m).
        size: (L, 1).
    """
    found = torch.searchsorted(keys.contiguous(), values.contiguous(), right=ties)
    return torch.minimum(found, size)


def sums(values: Tensor) -> Tensor:
    """Sums of the first 0, 1, ..., n values, (L, n + 1)."""
    return torch.nn.functional.pad(values.cumsum(-1), (1, 0))


def first_largest(values: Tensor) -> Tensor:
    """Where the first largest value of each list stands, (L, 1).

    Two reductions, each of which a compiler can share out; of an argmax over one long row it makes
    a single block of threads.
    """
    place = torch.arange(values.shape[-1], device=values.device)
    largest = values.amax(-1, keepdim=True)
    return torch.where(values == largest, place, values.shape[-1] - 1).amin(-1, keepdim=True)


class Order:
    """Lists in the order in which a solver takes their entries.

    Attributes:
        real: bool (L, n): which entries belong to the list.
        scores: float64 (L, n); 0 where infinite or not real.
        size: int64 (L, 1).
    """

    def __init__(self, scores: Tensor, mask: Tensor, index: Tensor | None) -> None:
        """Lists in an order.

        Args:
            scores, mask: (L, n), as stored.
            index: where each entry of the order is stored; None: as it stands.
        """
        if index is not None:
            scores, mask = scores.gather(-1, index), mask.gather(-1, index)
        self._index, self.real = index, mask
        self.size = mask.sum(-1, keepdim=True)
        self.scores = torch.where(mask & scores.isfinite(), scores, 0.0).double()

    def back(self, values: Tensor) -> Tensor:
        """Values of the entries as they are stored; 0 for what is not in the list."""
        values = torch.where(self.real, values, 0.0)
        if self._index is None:
            return values
        return torch.zeros_like(values).scatter(-1, self._index, values)


class Classes(Order):
    """Lists by descending score, with the scores of both classes.

    Keys are negated scores, so that they ascend: float64 (L, n), +inf past the end of a class.

    Attributes:
        positive: bool (L, n), in order.
        key: of the entries in order; +inf for padding.
        rank: int64 (L, n): the place of an entry within its class.
        place: int64 (L, n): 0, 1, ...
        p, q: keys of the positives and of the negatives.
        P, N: int64 (L, 1).
    """

    def __init__(self, scores: Tensor, positive: Tensor, mask: Tensor) -> None:
        # From 0, so that -0 and 0 are one key. NaN comes last, and stability keeps the order of
        # storage within ties, as the host does.
        key, index = torch.sort(torch.where(mask, 0.0 - scores, nan), dim=-1, stable=True)
        super().__init__(scores, mask, index)
        self.positive = positive.gather(-1, index)
        self.P = positive.sum(-1, keepdim=True)
        self.N = self.size - self.P
        place = torch.arange(scores.shape[-1], device=scores.device)
        self.place = place.expand(scores.shape).contiguous()
        through = self.positive.cumsum(-1)
        self.rank = torch.where(self.positive, through - 1, self.place - through)
        self.key = key = torch.where(self.real, key, inf).double()
        self.p = self._apart(key, self.positive)
        self.q = self._apart(key, self.real & ~self.positive)

    def _apart(self, key: Tensor, chosen: Tensor) -> Tensor:
        lists, n = key.shape
        keys = torch.full((lists, n + 1), inf, dtype=key.dtype, device=key.device)
        return keys.scatter(-1, torch.where(chosen, self.rank, n), key)[:, :n].contiguous()

    def of_class(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """What each entry has, (L, n), of values by rank of the positives and of the negatives."""
        return torch.where(self.positive, take(positives, self.rank), take(negatives, self.rank))

    def turned(self, counts: Tensor, size: Tensor) -> Tensor:
        """The other class's counts of the same ranking.

        Args:
            counts: (L, n), of one class: how many of the other stand above its k-th, ascending.
            size: (L, 1), of that class.
        """
        known = torch.where(self.place < size, counts, counts.shape[-1] + 1)
        return at_or_before(known, self.place, size, ties=True)

    def above_positives(self, shift: float | Tensor = 0.0, *, ties: bool) -> Tensor:
        """Negatives above each positive where these are moved down by `shift`; see `ties`."""
        return at_or_before(self.q, self.p + shift, self.N, ties=ties)

    def fences(self, own: Tensor, other: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """Fewest and most of the other class above each of a class, as infinite scores pin it.

        Args:
            own, other: `p` and `q`, or `q` and `p`.
            size: of the other class.
        """
        top = (other == -inf).sum(-1, keepdim=True)
        end = (other < inf).sum(-1, keepdim=True)
        fewest = torch.where(own == -inf, 0, torch.where(own == inf, end, top))
        most = torch.where(own == -inf, top, torch.where(own == inf, size, end))
        return fewest, most
