"""Hamming loss on a linear chain: what the losses ask of it."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from directloss import _operators, _solve
from directloss._operators import traced
from directloss._terms import Terms
from directloss._update import (
    Batch,
    Shown,
    Step,
    loss_from_configurations,
    require_reduction,
)
from directloss._weights import checked
from directloss.errors import ArgumentError
from directloss.lists import (
    Dim,
    Empty,
    Layout,
    Reduction,
    Unit,
    WithoutPositives,
    check_weights,
    widened,
)
from directloss.qrels import Qrels
from directloss.tasks.base import Direction, TaskBase
from directloss.tasks.structured import ChainSolution, LinearChain, times_power_of_two

__all__ = ["SPREADS", "Chain"]

SPREADS = 3.0
"""Spreads of the emissions that "auto" takes: a label gives way where epsilon passes its lead, a
difference of two emissions and of the steps on either side. One spread is less than most leads, and
too few labels move (docs/tasks/structured.md has the figures)."""


class Chain(TaskBase):
    r"""Hamming loss, or any cost of single labels, along sequences with a `LinearChain` of scores.

    With S the score of a labelling (see `LinearChain`), over the m positions that have a target,

    .. math:: F(y) = \frac1m S(y), \qquad \Delta(y) = \frac1m \sum_t cost[target_t, y_t]

    so that epsilon is a shift of an emission, for each unit of cost: the labels of F + weight *
    Delta are those of a chain whose emissions are higher by weight * cost, whatever the length of
    the sequence. Both units of epsilon are the same here.

    The losses take a `LinearChain` in place of scores, and as targets integers (B, T), the right
    labels, or floating (B, T, K), the cost of each label at each position (then without `cost`).
    Their `ignore_index` marks a position that has a label but no cost; with ``empty="error"`` a
    sequence with m = 0 is an error, else it counts as 0 and is left out of the mean. There is no
    other `dim`, no mask and no groups: the chain's own `lengths` say where a sequence ends.

    The value of `DirectLoss` is Delta of the prediction, among equals the worst. Where the
    prediction is wrong at every position the positive direction has no gradient, and of a long
    sequence it moves only what is right; hence "both". ``epsilon="auto"`` is 3 times the pooled
    standard deviation of the finite emissions of the K labels **within a position**, over all valid
    positions (what is added to all labels of a position changes no labelling).

    Args:
        cost: (K, K), [target, label], finite and >= 0: 0 and 1 (Hamming) if None.

    Example:
        >>> loss_fn = DirectLoss(Chain())
        >>> loss = loss_fn(LinearChain(model(words), transitions, lengths=lengths), tags)
        >>> loss.backward()  # into model and transitions

    Source: direct loss: McAllester, Hazan, Keshet, NIPS 2010; Song et al., ICML 2016, theorem 1.
    Hinge: Taskar, Guestrin, Koller, NIPS 2003; Tsochantaridis et al., JMLR 2005. Perceptron:
    Collins, EMNLP 2002.
    """

    direction: ClassVar[Direction] = "both"

    def __init__(self, cost: Tensor | None = None) -> None:
        if cost is not None and not (isinstance(cost, Tensor) and cost.ndim == 2):
            came = f"shape {tuple(cost.shape)}" if isinstance(cost, Tensor) else repr(cost)
            raise ArgumentError("cost", came, "a tensor (K, K), [target, label]")
        self.cost = None if cost is None else cost.detach().double()

    def __repr__(self) -> str:
        return "Chain()" if self.cost is None else f"Chain(cost={tuple(self.cost.shape)})"

    def read(
        self,
        scores: LinearChain,
        targets: Tensor | Qrels,
        dim: Dim | None = None,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
        ignore_index: int | None = None,
        empty: Empty = "skip",
        without_positives: WithoutPositives | None = None,
        class_dim: int | None = None,
    ) -> Batch:
        if not isinstance(scores, LinearChain):
            raise ArgumentError("scores", type(scores).__name__, "a LinearChain")
        if isinstance(targets, Qrels):
            raise ArgumentError("targets", "Qrels", "a tensor, as labels are no relevant items")
        self.skips_without_positives(without_positives)
        if class_dim is not None:
            self.check_class_dim(class_dim)
        if dim not in (None, -1):
            raise ArgumentError("dim", dim, "-1, as a chain knows its own axes")
        for name, given in (("mask", mask), ("groups", groups)):
            if given is not None:
                raise ArgumentError(name, "a value", "None, as a chain has its own `lengths`")
        return _ChainBatch(self, scores, targets, ignore_index, refuse_undefined=empty == "error")


class _ChainBatch(Batch):
    """A chain, and what is right."""

    def __init__(
        self,
        task: Chain,
        chain: LinearChain,
        targets: Tensor,
        ignore_index: int | None,
        *,
        refuse_undefined: bool,
    ) -> None:
        self.task, self.chain, self.targets = task, chain, targets
        self.ignore_index, self.refuse_undefined = ignore_index, refuse_undefined
        self.weight: Tensor | None = None
        self.traced = traced()

    def weigh(
        self, weight: Tensor | None, class_weight: Tensor | None, *, to_train: bool = True
    ) -> None:
        if weight is None:
            return
        weight = checked(weight)
        sequences = (self.chain.emissions.shape[0],)
        if tuple(weight.shape) != sequences:
            wanted = f"the shape {sequences}, one a sequence"
            raise ArgumentError("weight", f"shape {tuple(weight.shape)}", wanted)
        self.weight = weight.to("cpu", torch.float64)
        if not self.traced:
            check_weights(self.weight.numpy())

    def step(self, stored: Tensor, share: float, *, together: bool) -> Tensor:
        emissions = self.chain.emissions.detach()
        share = SPREADS * share
        # NaN is left to the solver, which knows the argument's name.
        known = self.chain.valid()[:, :, None] & ~emissions.isnan()
        rows = widened(emissions.reshape(-1, emissions.shape[2]))
        targets, mask = torch.zeros_like(rows, dtype=torch.uint8), known.reshape(rows.shape)
        if self.traced:
            measured: Tensor = _operators.step(
                stored, rows, targets, mask, None, None, share, together
            )
            return measured
        layout = Layout.of(rows, targets, mask=mask)
        return _solve.step(stored, layout, share, together=together)

    def solve(
        self, terms: Terms, shown: Shown, reduction: Reduction, unit: Unit = "loss"
    ) -> tuple[Tensor, Tensor]:
        require_reduction(reduction)
        solution = self.chain.solve(
            self.targets,
            [weight for _, weight in terms],
            cost=self.task.cost,
            ignore_index=self.ignore_index,
            refuse_undefined=self.refuse_undefined,
        )
        values = solution.task_losses[0]
        if shown == "objective":
            values = self._objective(terms, solution)

        # F = S / m, and the mean over the sequences with m > 0; the others have loss 0.
        defined = solution.counted > 0
        share = defined / solution.counted.clamp(min=1)
        if self.weight is not None:
            weight = self.weight.to(share.device)
            if reduction == "mean":
                total = torch.where(defined, weight, 0.0).sum()
                weight = torch.where(total > 0.0, weight / total, 0.0)
            share, values = share * weight, values * weight
        elif reduction == "mean":
            sequences = defined.sum().clamp(min=1)
            share, values = share / sequences, values / sequences
        emissions = self.chain.emissions
        wide = torch.promote_types(emissions.dtype, torch.float32)
        share = share.to(emissions.device, wide)

        from_itself = self.chain.measured_from_itself()

        def score(labels: Tensor) -> Tensor:
            scores = from_itself.score(labels) * share
            return scores if reduction == "none" else scores.sum()

        loss = loss_from_configurations(
            score,
            [
                (_as(coefficient, wide), labels)
                for (coefficient, _), labels in zip(terms, solution.labels, strict=True)
            ],
            (values if reduction == "none" else values.sum()).to(share),
        )
        # The last two terms of every update are the two ends of its difference.
        return loss, solution.labels[-1] != solution.labels[-2]

    def _objective(self, terms: Terms, solution: ChainSolution) -> Tensor:
        """sum of coefficient * (F + weight * Delta) of each sequence, float64 (B,)."""
        total, exponent = torch.zeros_like(solution.counted), solution.exponent
        if any(_is_infinite(weight) for _, weight in terms):
            # Coefficients are of size 1: summed in the solver's range, which no sum exceeds.
            for (coefficient, weight), F, loss in zip(
                terms, solution.scaled_values, solution.task_losses, strict=True
            ):
                total = total + coefficient * F
                if not _is_infinite(weight):
                    host = torch.as_tensor(weight, dtype=torch.float64).cpu()
                    total = total + coefficient * times_power_of_two(host, exponent) * loss
            return times_power_of_two(total, -exponent)
        for (coefficient, weight), F, loss in zip(
            terms, solution.values, solution.task_losses, strict=True
        ):
            factor = _on_host(coefficient)
            total = total + factor * F + (factor * _on_host(weight)) * loss
        # A direct loss: between the task losses of its two ends, of which the augmented one bounds
        # it where F itself is too large for a number.
        ends = solution.task_losses[-2:]
        return torch.where(total.isnan(), ends[-1], total).clamp(ends.amin(0), ends.amax(0))

    def is_perfect(self) -> bool:
        solution = self.chain.solve(
            self.targets, [0.0, -math.inf], cost=self.task.cost, ignore_index=self.ignore_index
        )
        found, least = solution.task_losses[:, solution.counted > 0]
        return found.numel() > 0 and bool((found <= least + _solve.TOLERANCE).all())


def _on_host(number: Step) -> Step:
    return number.cpu() if isinstance(number, Tensor) else number


def _is_infinite(weight: Step) -> bool:
    """Whether a weight asks for the ground truth."""
    return isinstance(weight, float) and math.isinf(weight)


def _as(coefficient: Step, dtype: torch.dtype) -> Step:
    """A coefficient that does not widen what it is multiplied with."""
    if isinstance(coefficient, Tensor):
        return coefficient.to(dtype)
    if abs(coefficient) > torch.finfo(dtype).max:
        raise ArgumentError(
            "epsilon",
            f"{1.0 / abs(coefficient):g}, so that the gradient is infinite",
            f"an epsilon whose inverse fits the scores' type, {dtype}",
        )
    return coefficient
