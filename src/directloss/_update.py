"""What a loss does with a call: read it once, measure a step, solve an update as one node."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import Tensor

from directloss import _device, _operators, _solve, _solver, _weights
from directloss._operators import traced
from directloss._terms import Asked, Step, Terms
from directloss._world import World
from directloss.errors import ArgumentError
from directloss.inference._kernel import Array
from directloss.lists import Empty, Layout, Lists, Reduction, Unit, host, read_lists, widened

if TYPE_CHECKING:
    from directloss.inference.device import Solver
    from directloss.tasks.base import Task

__all__ = [
    "Batch",
    "ListBatch",
    "Shown",
    "Step",
    "Update",
    "as_node",
    "evaluated",
    "loss_from_configurations",
    "per_entry",
    "require_empty",
    "require_reduction",
    "require_unit",
]

Configuration = TypeVar("Configuration")

Shown = Literal["prediction", "objective"]
"""What the value of a loss is: Delta of the first term; or the sum of coefficient * (F + weight *
Delta), which the terms descend along (with its F alone for the ground truth, weight -infinity). For
the terms of direct loss that is the bound L_+ or L_-; for hinge and perceptron the loss."""


class Batch(ABC):
    """The scores and targets of one call of a loss, read once; made by `Task.read`.

    Attributes:
        on_device: whether an update is to be solved where the scores are; after `solve`, whether
            it was.
        requires_device: whether it must be.
        traced: whether its tensors may be stand-ins without data.
    """

    on_device = False
    requires_device = False
    traced = False

    @abstractmethod
    def step(self, stored: Tensor, share: float, *, together: bool) -> Tensor:
        """`stored` if it is set, else what "auto" measures here, else NaN.

        Args:
            stored: scalar float64, NaN if it is not set.
            share: of the spread of the scores.
            together: whether with all processes of torch.distributed.
        """

    @abstractmethod
    def solve(
        self, terms: Terms, shown: Shown, reduction: Reduction, unit: Unit = "loss"
    ) -> tuple[Tensor, Tensor]:
        """The loss of an update, with its gradient; and a tensor that is 0 where that is none.

        Args:
            terms: of the update.
            shown: what the value is.
            reduction: as for the losses.
            unit: of the terms' weights.

        Raises:
            ArgumentError: a value is wrong, or a score is NaN.
            UndefinedMetricError: with ``empty="error"``, for a list without a defined metric.
        """

    @abstractmethod
    def weigh(
        self, weight: Tensor | None, class_weight: Tensor | None, *, to_train: bool = True
    ) -> None:
        """Take the weights of a call of a loss, by which lists or items count.

        Args:
            weight: as for the losses.
            class_weight: (C,), that of each class.
            to_train: whether an update is to be solved, else the metric is.

        Raises:
            ArgumentError: they do not fit.
        """

    @abstractmethod
    def is_perfect(self) -> bool:
        """Whether no prediction could be better."""


class ListBatch(Batch):
    """A batch of lists of scores.

    Attributes:
        noisy: copies of the rows with noise, whose mean the update is; None: that of the rows.
        either: whether weights of items are those of lists where each group is one item, which a
            traced graph cannot see.
    """

    either = False

    def __init__(
        self,
        task: Task,
        scores: Tensor,
        layout: Layout,
        empty: Empty,
        *,
        skip_without_positives: bool = False,
    ) -> None:
        self.task, self.scores, self.layout = task, scores, layout
        self.refuse_undefined = empty == "error"
        self.skip_without_positives = skip_without_positives
        self.on_device, self.requires_device = _solver.chosen_place.get() == "device", False
        self.list_weights: Tensor | None = None
        self.noisy: Layout | None = None
        self.traced = traced()

    def with_noise(self, copies: Tensor) -> ListBatch:
        """The batch whose update is the mean of those of copies with noise, solved in one call.

        Args:
            copies: (K, n) or (K, R, n): the scores as rows, at least float32, with noise.
        """
        empty: Empty = "error" if self.refuse_undefined else "skip"
        skips = self.skip_without_positives
        batch = ListBatch(self.task, self.scores, self.layout, empty, skip_without_positives=skips)
        batch.on_device, batch.requires_device = self.on_device, self.requires_device
        count = copies.shape[0]
        if self.list_weights is not None:
            batch.list_weights = self.list_weights.repeat(count)
        batch.either = self.either
        batch.noisy = self.layout._replace(scores=copies.flatten(0, -2), copies=count)
        return batch

    def weigh(
        self, weight: Tensor | None, class_weight: Tensor | None, *, to_train: bool = True
    ) -> None:
        layout = self.layout
        if class_weight is not None:
            class_weight = _weights.checked(class_weight, "class_weight")
            self.list_weights = _weights.of_targets(class_weight, layout, self.task)
        if weight is None:
            return
        kind, weight = _weights.kind_of(weight, layout, self.task)
        if kind == "items":
            if to_train:
                _weights.require_items(self.task, weight)
            self.layout = layout.with_item_weights(weight)
            self.either = self.traced and layout.groups is not None
            return
        rows = _weights.of_lists(weight, layout.axes[0], grouped=layout.groups is not None)
        self.list_weights = rows if self.list_weights is None else rows * self.list_weights

    def step(self, stored: Tensor, share: float, *, together: bool) -> Tensor:
        layout = self.layout
        if not self.traced:
            return _solve.step(stored, layout, share, together=together)
        if self.on_device and not (together and World().size > 1):
            return _device.step(stored, layout, share)
        rows = widened(layout.scores.detach())
        tensors = rows, layout.targets, layout.mask, layout.groups
        measured: Tensor = _operators.step(stored, *tensors, layout.ignore_index, share, together)
        return measured

    def solve(
        self, terms: Terms, shown: Shown, reduction: Reduction, unit: Unit = "loss"
    ) -> tuple[Tensor, Tensor]:
        require_reduction(reduction)
        layout = self.layout
        solved = layout if self.noisy is None else self.noisy
        asked = Asked(
            refuse_undefined=self.refuse_undefined,
            objective=shown == "objective",
            reduction=reduction,
            skip_without_positives=self.skip_without_positives,
            in_scores=unit == "score",
        )
        on_device = self._solver(terms) if self.on_device else None
        if on_device is not None:
            value, rows = _device.solve(
                self.task, on_device, solved, terms, asked, self.list_weights
            )
        elif self.traced:
            value, rows = self._solve_traced(solved, terms, asked)
        else:
            weights = None if self.list_weights is None else host(self.list_weights)
            assert terms.numbers is not None, "outside of graphs Python may look at them"
            value, rows = _solve.solve(self.task, solved, terms.numbers, asked, weights)
        if self.noisy is not None:
            rows = rows.reshape(layout.scores.shape)
        gradient = rows if rows.ndim == 1 else layout.from_rows(rows)
        owner, axes = None, None
        if reduction == "none":
            axes, groups = layout.axes, None
            if layout.groups is not None:
                ids, owner = torch.unique(layout.groups, return_inverse=True)
                groups = ids.numel()
            # A copy, as no view may be changed in place.
            value = layout.per_list(value, groups).clone()
        loss: Tensor
        if self.traced:
            loss = _TracedUpdate.apply(self.scores, value, gradient, owner, axes)
        else:
            loss = as_node(self.scores, value, gradient, owner, axes)
        return loss, gradient

    def _solve_traced(self, layout: Layout, terms: Terms, asked: Asked) -> tuple[Tensor, Tensor]:
        solved: tuple[Tensor, Tensor] = _operators.solve(
            widened(layout.scores.detach()),
            layout.targets,
            layout.mask,
            layout.groups,
            _stacked(terms),
            self.task.number,
            layout.ignore_index,
            *asked,
            self.list_weights,
            layout.item_weights,
            layout.copies,
            self.either,
        )
        return solved

    def _solver(self, terms: Terms) -> Solver[Any] | None:
        """That of the device, which is to be used, if there is one."""
        solver, obstacle = _device.find(
            self.task, terms, self.layout, refuse_undefined=self.refuse_undefined
        )
        if obstacle is not None and self.requires_device:
            raise ArgumentError("solver", "'device'", f"'host' or None for {obstacle}")
        self.on_device = solver is not None
        return solver

    @property
    def padded(self) -> bool:
        """Whether entries may have been left out, so that a list may have a single one."""
        return self.layout.mask is not None or self.layout.ignore_index is not None

    @property
    def rows(self) -> tuple[int, int]:
        """Number of lists before groups, and their length."""
        return self.layout.rows

    def refuse_lists_of_one(self) -> None:
        """Scores (n, 1), the usual layout of cross-entropy, are n lists in which nothing is ranked.

        Raises:
            ArgumentError: there are several lists, of one item each.
        """
        lists, length = self.rows
        if length == 1 and lists > 1:
            raise ArgumentError(
                "scores",
                f"shape {tuple(self.scores.shape)}, {lists} lists of one item each, in which there "
                "is nothing to rank",
                "lists of several items: dim=0 for a list a column of (n, C); or "
                "scores.squeeze(-1) and targets.squeeze(-1), (n,), for one list",
            )

    def evaluate(self) -> tuple[Array, Array]:
        """The exact metric of each list, and where it is defined, in the shape of "none"."""
        task, layout = self.task, self.layout
        lists, groups = read_lists(layout, task.read_targets, per_list=task.target_per_list)
        of_rows = None if layout.groups is None else groups
        values, defined = (
            layout.per_list(torch.from_numpy(part), of_rows).numpy()
            for part in evaluated(task, lists)
        )
        return values, defined

    def weights_as(self, values: Array) -> Array:
        """The weights of the lists in the shape of "none", which these values have."""
        assert self.list_weights is not None
        groups = None if self.layout.groups is None else values.shape[self.layout.axes[0]]
        return host(self.layout.per_list(self.list_weights.double(), groups))

    def is_perfect(self) -> bool:
        return _solve.is_perfect(
            self.task, self.layout, skip_without_positives=self.skip_without_positives
        )


def as_node(
    scores: Tensor,
    value: Tensor,
    slope: Tensor,
    owner: Tensor | None = None,
    axes: tuple[int, ...] | None = None,
) -> Tensor:
    """A value, with a constant gradient in the scores.

    Args:
        value: a scalar, or one a list.
        scores, slope, owner, axes: as in `Update`.
    """
    one_list = axes is None and type(scores) is Tensor and scores.ndim == 1 and scores.is_cpu
    short = slope.numel() <= _SHORT_DOT and slope.dtype == scores.dtype
    # Somebody who takes down operations would see another value: to put one in place is none.
    recorded = torch._C._get_tracing_state() or torch._C._len_torch_dispatch_stack()
    if one_list and short and scores.requires_grad and not recorded:
        # What is linear in the scores is a dot product, whose node is torch's own: a step of a
        # thousand scores takes a thirteenth less. What it comes to is not the value.
        node = torch.dot(scores, slope)
        node.data = value
        return node
    loss: Tensor = Update.apply(scores, (value,), slope, owner, axes)
    return loss


class Update(torch.autograd.Function):
    """A value, with a constant gradient in the scores: an update as one node of the graph.

    Args of `apply`, after the scores:
        value: a scalar, or one a list; alone in a tuple, since torch refuses changes in place,
            `loss *= 2`, to what came in as a tensor.
        slope: in the shape of the scores.
        owner: with groups and one value a list: the place of each entry's group among the values.
        axes: with one value a list: those of the entries of a list, else None.
    """

    @staticmethod
    def forward(
        ctx: Any,
        scores: Tensor,
        value: tuple[Tensor],
        slope: Tensor,
        owner: Tensor | None,
        axes: tuple[int, ...] | None,
    ) -> Tensor:
        ctx.axes = axes
        ctx.save_for_backward(slope, owner)
        return value[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        slope, owner = ctx.saved_tensors
        if ctx.axes is not None:
            gradient = per_entry(gradient, ctx.axes, slope.shape, owner)
        # float32 for half scores; the engine narrows it.
        return _product(slope, gradient), None, None, None, None


class _TracedUpdate(Update):
    """`Update` as torch.func wants it, its value a tensor as it is.

    Torch calls it far more slowly outside of transforms.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(  # type: ignore[override]
        scores: Tensor,
        value: Tensor,
        slope: Tensor,
        owner: Tensor | None,
        axes: tuple[int, ...] | None,
    ) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, _, slope, owner, ctx.axes = inputs
        ctx.save_for_backward(slope, owner)


def evaluated(task: Task, lists: Lists) -> tuple[Array, Array]:
    """The exact metric of each list, weighted where its items are, and where it is defined."""
    return task.evaluate(lists) if lists.item_weights is None else task.evaluate_weighted(lists)


def per_entry(
    gradient: Tensor, axes: tuple[int, ...], shape: torch.Size, owner: Tensor | None
) -> Tensor:
    """What is given one a list, to be multiplied with what is given one an entry."""
    if owner is None:
        for axis in axes:
            gradient = gradient.unsqueeze(axis)
        return gradient
    # The groups stand at the first list axis.
    chosen = gradient.movedim(axes[0], -1)[..., owner]
    chosen = chosen.reshape(*chosen.shape[:-1], *(shape[axis] for axis in axes))
    return chosen.movedim(tuple(range(-len(axes), 0)), axes)


def loss_from_configurations(
    score: Callable[[Configuration], Tensor],
    terms: Sequence[tuple[Step, Configuration]],
    value: Tensor,
) -> Tensor:
    """`value`, with the gradient of sum of coefficient * F(configuration).

    Args:
        score: F, differentiable in the network's parameters; called once a term.
        terms: (coefficient, configuration), the configurations constant.
        value: what the loss shows, such as the task loss of the prediction; in the shape that
            `score` returns.
    """
    parts = []
    for coefficient, configuration in terms:
        if not _is_zero(coefficient):
            F = score(configuration)
            # Exactly 0, whatever the coefficient, so `value` is returned to the last bit.
            parts.append(coefficient * (F - F.detach()))
    carrier = torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
    return value.detach().to(carrier) + carrier


def _is_zero(coefficient: Step) -> bool:
    return not isinstance(coefficient, Tensor) and coefficient == 0


_SHORT_DOT = 1 << 11
"""Entries up to which no BLAS shares a dot product out to threads: MKL does from twice as many, and
a forked child has none of the threads that its parent woke."""

_TORCH_GRAIN = 1 << 15
"""Entries of a tensor from which torch uses several threads for one pass (at::GRAIN_SIZE)."""


def _product(slope: Tensor, factor: Tensor) -> Tensor:
    """slope * factor, without waking torch's workers where that can be."""
    if slope.numel() < _TORCH_GRAIN or not slope.is_cpu or factor.requires_grad or traced():
        return slope * factor
    try:
        factors = factor.numpy(force=True)
    except RuntimeError:  # a stand-in for a batch of factors, as of `is_grads_batched`
        return slope * factor
    # torch shares a long product out to its OpenMP workers, and those spin for milliseconds after
    # it, on the very processors that the threads of the next solve wait for.
    return torch.from_numpy(slope.numpy(force=True) * factors)


def _stacked(terms: Terms) -> Tensor:
    """Terms whose numbers may be tensors, float64 (2, T)."""
    parts = [
        [
            part if isinstance(part, Tensor) else torch.tensor(part, dtype=torch.float64)
            for part in column
        ]
        for column in zip(*terms, strict=True)
    ]
    return torch.stack(
        [torch.stack([part.to("cpu", torch.float64) for part in row]) for row in parts]
    )


def require_unit(unit: object) -> None:
    """Refuse what is no unit."""
    if unit not in ("score", "loss"):
        raise ArgumentError("unit", repr(unit), "'score' or 'loss'")


def require_empty(empty: object) -> None:
    """Refuse what does not say what becomes of lists without a defined metric."""
    if empty not in ("skip", "error"):
        raise ArgumentError("empty", repr(empty), "'skip' or 'error'")


def require_reduction(reduction: object) -> None:
    """Refuse what is no reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError("reduction", repr(reduction), "'mean', 'sum' or 'none'")
