"""The updates for a linear chain, as modules: direct loss, hinge, perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from directloss import _operators, functional
from directloss._arguments import index_number
from directloss._solve import Empty, Reduction, Step
from directloss._stepped import Auto, Measure, StepAttribute, SteppedModule
from directloss.diagnostics import TOLERANCE
from directloss.errors import ArgumentError
from directloss.lists import widened
from directloss.tasks.base import Direction
from directloss.tasks.structured import LinearChain

__all__ = ["EPSILON_SCALE", "ChainDirectLoss", "ChainHingeLoss", "ChainPerceptronLoss"]

EPSILON_SCALE = 3.0
"""Spreads in an "auto" step. A label gives way where epsilon passes its lead, a difference of two
emissions and of the steps on either side; one spread is less than most leads, and too few labels
move (docs/tasks/structured.md has the figures)."""


class _ChainLoss(SteppedModule):
    """What the three share: the cost, the reduction, and the loss of given terms."""

    cost: Tensor | None

    def __init__(
        self,
        *,
        cost: Tensor | None = None,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        empty: Empty = "skip",
    ) -> None:
        super().__init__()
        if cost is not None and not (isinstance(cost, Tensor) and cost.ndim == 2):
            came = f"shape {tuple(cost.shape)}" if isinstance(cost, Tensor) else repr(cost)
            raise ArgumentError("cost", came, "a tensor (K, K), [target, label]")
        if reduction not in ("mean", "sum", "none"):
            raise ArgumentError("reduction", repr(reduction), "'mean', 'sum' or 'none'")
        if empty not in ("skip", "error"):
            raise ArgumentError("empty", repr(empty), "'skip' or 'error'")
        kept = None if cost is None else cost.detach().double()
        self.register_buffer("cost", kept, persistent=False)
        self.reduction: Reduction = reduction
        self.ignore_index = None if ignore_index is None else index_number(ignore_index)
        self.empty: Empty = empty

    def _measured(self, chain: LinearChain) -> Measure:
        """How the step is measured from these scores."""

        def measure(together: bool) -> tuple[Tensor, Tensor]:
            _check_chain(chain)
            emissions = chain.emissions.detach()
            # NaN is left to the solver, which knows the argument's name.
            known = chain.valid()[:, :, None] & ~emissions.isnan()
            rows = emissions.reshape(-1, emissions.shape[2])
            measured = _operators.step(
                getattr(self, self._step),
                widened(rows),
                torch.zeros_like(rows, dtype=torch.uint8),
                known.reshape(rows.shape),
                None,
                None,
                EPSILON_SCALE,
                together=together,
            )
            return measured, torch.where(torch.isnan(measured), EPSILON_SCALE, measured).cpu()

        return measure

    def _loss(
        self,
        chain: LinearChain,
        targets: Tensor,
        terms: Sequence[functional.Term],
        shown: Literal["prediction", "objective"],
    ) -> Tensor:
        _check_chain(chain)
        solution = chain.solve(
            targets,
            [term.weight for term in terms],
            cost=self.cost,
            ignore_index=self.ignore_index,
            refuse_undefined=self.empty == "error",
        )
        # The last two terms of every update are the two ends of its difference.
        if self.training and not _operators.traced():
            moves = bool((solution.labels[-1] != solution.labels[-2]).any())
            self._watch(moves, lambda: self._is_perfect(chain, targets))
        values = solution.task_losses[0]
        if shown == "objective":
            values = torch.zeros_like(solution.counted)
            for term, F, loss in zip(terms, solution.values, solution.task_losses, strict=True):
                at_truth = _is_infinite(term.weight)
                values = values + term.coefficient * (F if at_truth else F + term.weight * loss)
            if not any(_is_infinite(term.weight) for term in terms):
                # A direct loss: between the task losses of its two ends, of which the augmented
                # one bounds it where F itself is too large for a number.
                ends = solution.task_losses[-2:]
                values = torch.where(values.isnan(), ends[-1], values)
                values = values.clamp(ends.amin(0), ends.amax(0))
            elif not _operators.traced() and bool(values.isnan().any()):
                raise ArgumentError(
                    "emissions", "scores whose sum is infinite", "scores whose sum is a number"
                )

        # F = S / m, and the mean over the sequences with m > 0; the others have loss 0.
        defined = solution.counted > 0
        share = defined / solution.counted.clamp(min=1)
        if self.reduction == "mean":
            sequences = defined.sum().clamp(min=1)
            share, values = share / sequences, values / sequences
        wide = torch.promote_types(chain.emissions.dtype, torch.float32)
        share = share.to(chain.emissions.device, wide)

        from_itself = chain.measured_from_itself()

        def score(labels: Tensor) -> Tensor:
            scores = from_itself.score(labels) * share
            return scores if self.reduction == "none" else scores.sum()

        return functional.loss_from_configurations(
            score,
            [
                (_as(term.coefficient, wide), labels)
                for term, labels in zip(terms, solution.labels, strict=True)
            ],
            (values if self.reduction == "none" else values.sum()).to(share),
        )

    def _is_perfect(self, chain: LinearChain, targets: Tensor) -> bool:
        """Whether the labels have the least cost in every sequence that counts, if any does."""
        solution = chain.solve(
            targets, [0.0, -math.inf], cost=self.cost, ignore_index=self.ignore_index
        )
        found, least = solution.task_losses[:, solution.counted > 0]
        return found.numel() > 0 and bool((found <= least + TOLERANCE).all())


class ChainDirectLoss(_ChainLoss):
    r"""Direct loss minimization on a linear chain: the gradient of the expected Hamming loss.

    With S the score of a labelling (see `LinearChain`), over the m positions that have a target,

    .. math:: F(y) = \frac1m S(y), \qquad \Delta(y) = \frac1m \sum_t cost[target_t, y_t]

    so that epsilon is a shift of an emission: the labels of F + weight * Delta are those of a chain
    whose emissions are higher by weight * cost, whatever the length of the sequence.

    The value is Delta of the prediction, among equals the worst. Where the prediction is wrong at
    every position the positive direction has no gradient, and of a long sequence it moves only what
    is right; hence "both" as the default.

    Args:
        cost: (K, K), [target, label], finite and >= 0: 0 and 1 (Hamming) if None.
        epsilon: a positive number in units of the emissions, or "auto": `EPSILON_SCALE` times the
            pooled standard deviation of the finite emissions of the K labels **within a position**,
            over all valid positions of the first training batch that has one, then held fixed and
            kept in ``state_dict()``; with several processes and later values as in `DirectLoss`.
            (What is added to all labels of a position changes no labelling.)
        direction: "positive" (away from worse), "negative" (toward better) or "both" (the mean).
        reduction: "mean" over the sequences with m > 0 (0 if there are none), "sum", or "none": one
            value a sequence, (B,).
        ignore_index: target of a position that has a label but no cost.
        empty: "skip" counts a sequence with m = 0 as 0 with gradient 0 and leaves it out of the
            mean; "error" raises.

    Example:
        >>> loss_fn = ChainDirectLoss()
        >>> loss = loss_fn(LinearChain(model(words), transitions, lengths=lengths), tags)
        >>> loss.backward()  # into model and transitions

    Source: McAllester, Hazan, Keshet, NIPS 2010; Song et al., ICML 2016, theorem 1.
    """

    _step = "epsilon"
    epsilon: StepAttribute

    def __init__(
        self,
        *,
        cost: Tensor | None = None,
        epsilon: float | Auto = "auto",
        direction: Direction = "both",
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        empty: Empty = "skip",
    ) -> None:
        super().__init__(cost=cost, reduction=reduction, ignore_index=ignore_index, empty=empty)
        if direction not in ("positive", "negative", "both"):
            raise ArgumentError("direction", repr(direction), "'positive', 'negative' or 'both'")
        self.direction: Direction = direction
        self._register_step(epsilon)

    def forward(self, chain: LinearChain, targets: Tensor) -> Tensor:
        """The mean cost of the prediction, with the direct loss gradient.

        Args:
            chain: the scores.
            targets: integers (B, T), the right labels; or floating (B, T, K), the cost of each
                label at each position (then without `cost`).

        Raises:
            ArgumentError: an argument has the wrong shape, type or value.
            NonFiniteScoreError: a score that takes part is NaN. Nothing has been updated.
            UndefinedMetricError: a sequence with m = 0, where ``empty="error"``.
        """

        def loss(epsilon: Step) -> Tensor:
            terms = functional.direct_terms(epsilon, self.direction)
            return self._loss(chain, targets, terms, "prediction")

        return self._with_step(getattr(chain, "emissions", None), self._measured(chain), loss)

    def bounds(self, chain: LinearChain, targets: Tensor) -> tuple[Tensor, Tensor]:
        """(L_-, L_+), the scalars of the two directions: L_- <= Delta of the prediction <= L_+."""
        epsilon = self._current_step(self._measured(chain))
        lower, upper = (
            self._loss(chain, targets, functional.direct_terms(epsilon, direction), "objective")
            for direction in ("negative", "positive")
        )
        return lower, upper

    def _advice(self) -> str:
        return (
            f"{super()._advice()}. Raise epsilon, or take direction='both': 'positive' has no "
            "gradient where every label is wrong, 'negative' none where every label is right"
        )

    def extra_repr(self) -> str:
        return f"epsilon={self._step_shown()}, direction={self.direction!r}"


class ChainHingeLoss(_ChainLoss):
    r"""Structured hinge on a linear chain, a max-margin Markov network.

    .. math:: L = \max_y [F(y) + margin \, \Delta(y)] - F(y^*) \ge 0

    with F and Delta of `ChainDirectLoss` and y* of least Delta, among those of largest F.

    Args:
        margin: a positive number in units of the emissions, or "auto" by the rule of epsilon.
        cost, reduction, ignore_index, empty: as in `ChainDirectLoss`.

    Source: Taskar, Guestrin, Koller, NIPS 2003; Tsochantaridis et al., JMLR 2005.
    """

    _step = "margin"
    margin: StepAttribute

    def __init__(
        self,
        *,
        cost: Tensor | None = None,
        margin: float | Auto = 1.0,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        empty: Empty = "skip",
    ) -> None:
        super().__init__(cost=cost, reduction=reduction, ignore_index=ignore_index, empty=empty)
        self._register_step(margin)

    def forward(self, chain: LinearChain, targets: Tensor) -> Tensor:
        """The hinge; arguments and errors as in `ChainDirectLoss.forward`."""

        def loss(margin: Step) -> Tensor:
            return self._loss(chain, targets, functional.hinge_terms(margin), "objective")

        return self._with_step(getattr(chain, "emissions", None), self._measured(chain), loss)

    def extra_repr(self) -> str:
        return f"margin={self._step_shown()}"


class ChainPerceptronLoss(_ChainLoss):
    r"""Structured perceptron on a linear chain.

    .. math:: L = F(y_w) - F(y^*), \qquad y_w = \arg\max_y F(y)

    Args:
        cost, reduction, ignore_index, empty: as in `ChainDirectLoss`.

    Source: Collins, EMNLP 2002.
    """

    def forward(self, chain: LinearChain, targets: Tensor) -> Tensor:
        """The perceptron loss; arguments and errors as in `ChainDirectLoss.forward`."""
        return self._loss(chain, targets, functional.perceptron_terms(), "objective")


def _check_chain(chain: object) -> None:
    if not isinstance(chain, LinearChain):
        raise ArgumentError("chain", type(chain).__name__, "a LinearChain")


def _as(coefficient: float | Tensor, dtype: torch.dtype) -> float | Tensor:
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


def _is_infinite(weight: float | Tensor) -> bool:
    """Whether a weight asks for the ground truth."""
    return isinstance(weight, float) and math.isinf(weight)
