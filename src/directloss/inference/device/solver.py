"""What a solver on a device answers for the terms of an update, and how it is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from directloss._terms import Kind, Term
from directloss.inference.device.order import Order

__all__ = ["Answer", "Solved", "Solver"]


class Answer(NamedTuple):
    """A configuration.

    Attributes:
        y: float64 (L, n), in the order of the lists.
        loss: Delta, float64 (L, 1), anything where it is not defined.
    """

    y: Tensor
    loss: Tensor


class Solved(NamedTuple):
    """As `directloss.tasks.Solution`, of tensors.

    Attributes:
        combination: float64 (L, n): sum over the terms of coefficient * y.
        task_losses, values: float64 (L, T): Delta and F, infinite scores counted as 0.
        defined: bool (L,).
    """

    combination: Tensor
    task_losses: Tensor
    values: Tensor
    defined: Tensor


Sorted = TypeVar("Sorted", bound=Order)


class Solver(ABC, Generic[Sorted]):
    """An exact argmax of F + weight * Delta over rows of lists."""

    def missing(self, kinds: Sequence[Kind]) -> str | None:
        """Which of these kinds of weights there is no solver for here, in words; None: all are."""
        return None

    def wrong_targets(self, targets: Tensor) -> Tensor:
        """Which targets the task refuses, bool like `targets`; here all but 0 and 1."""
        return (targets != 0) & (targets != 1)

    @abstractmethod
    def sort(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Sorted:
        """The lists in the order that this solver wants.

        Args:
            scores: float32 or float64 (L, n).
            targets: bool, integers or floats (L, n).
            mask: bool (L, n): False leaves an entry out.
        """

    @abstractmethod
    def defined(self, lists: Sorted) -> Tensor:
        """Where the metric is, bool (L, 1)."""

    @abstractmethod
    def answer(self, lists: Sorted, weight: float | Tensor, kind: Kind, *, share: bool) -> Answer:
        """argmax F + weight * Delta.

        Args:
            share: whether tied items share their mean coefficient in the prediction, and wherever
                they may be exchanged; else y is a plain configuration.
        """

    def solve(
        self,
        scores: Tensor,
        targets: Tensor,
        mask: Tensor,
        terms: Sequence[Term],
        *,
        share_ties: bool = True,
        with_values: bool = True,
    ) -> Solved:
        """Every term on every list; arguments as in `sort` and `answer`.

        Args:
            with_values: whether F is wanted; else there is a 0.
        """
        lists = self.sort(scores, targets, mask)
        defined = self.defined(lists)
        losses, values, parts = [], [], []
        for term in terms:
            coefficient, weight = term
            y, loss = self.answer(lists, weight, term.kind, share=share_ties)
            losses.append(torch.where(defined, loss, 0.0))
            if with_values:
                value = (y * lists.scores).sum(-1, keepdim=True)
                values.append(torch.where(defined, value, 0.0))
            if isinstance(coefficient, Tensor) or coefficient != 0.0:
                parts.append(coefficient * y)
        total = sum(parts[1:], parts[0]) if parts else torch.zeros_like(lists.scores)
        return Solved(
            lists.back(torch.where(defined, total, 0.0)),
            torch.cat(losses, -1),
            torch.cat(values, -1) if values else torch.zeros_like(defined, dtype=torch.float64),
            defined.squeeze(-1),
        )
