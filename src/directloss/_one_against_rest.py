"""Lists of one class against the rest, from class indices: a few classes at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from directloss import _solve, _solver, _weights
from directloss._arguments import index_number
from directloss._copies import from_host
from directloss._operators import traced
from directloss._spread import Spread, pooled
from directloss._terms import Asked, Terms
from directloss._update import (
    ListBatch,
    Shown,
    as_node,
    evaluated,
    per_entry,
    require_reduction,
)
from directloss.errors import ArgumentError, UndefinedMetricError
from directloss.inference._kernel import Array
from directloss.lists import (
    Dim,
    Empty,
    Layout,
    Reduction,
    Unit,
    host,
    list_axes,
    other_than,
    read_lists,
)

if TYPE_CHECKING:
    from directloss.tasks.base import Task

__all__ = ["OneAgainstRest"]

_SMALL = 1 << 18
"""Scores of a batch up to which all classes are solved at once: its memory is no matter."""


class OneAgainstRest(ListBatch):
    """A batch of scores (B, C, ...) and class indices (B, ...): for each class, its items or not.

    The lists are those of one-hot targets, and so are values and gradients. On the host the update
    is solved class by class, so that no one-hot tensor of the batch and no copy of its scores is
    made. A traced graph and a solver on the device take the one-hot targets of `layout`.
    """

    def __init__(
        self,
        task: Task,
        scores: Tensor,
        targets: Any,
        class_dim: int,
        dim: Dim | None,
        mask: Tensor | None,
        groups: Tensor | None,
        ignore_index: int | None,
        empty: Empty,
        *,
        skip_without_positives: bool,
    ) -> None:
        self.task, self.scores = task, scores
        self.refuse_undefined = empty == "error"
        self.skip_without_positives = skip_without_positives
        self.on_device, self.requires_device = _solver.chosen_place.get() == "device", False
        self.traced, self.noisy = traced(), None
        self.class_axis = _class_axis(scores, class_dim)
        if dim is None:
            dim = tuple(axis for axis in range(scores.ndim) if axis != self.class_axis)
        self.axes = list_axes(scores, dim)
        if self.class_axis in self.axes:
            wanted = f"axes other than that of the classes, class_dim={class_dim}"
            raise ArgumentError("dim", dim, wanted)
        self._targets, self._mask, self.groups = targets, mask, groups
        self.list_weights: Tensor | None = None
        self._item_weights: Tensor | None = None
        self._whole: Layout | None = None
        self._check()
        if ignore_index is not None:
            kept = other_than(targets, index_number(ignore_index))
            self._mask = kept if mask is None else mask & kept

    @property
    def class_count(self) -> int:
        return self.scores.shape[self.class_axis]

    @property
    def layout(self) -> Layout:  # type: ignore[override]
        """Of all classes, with one-hot targets."""
        if self._whole is None:
            self._check_values()
            self._whole = self._classes(0, self.class_count)
        return self._whole

    @property
    def padded(self) -> bool:
        return self._mask is not None

    @property
    def rows(self) -> tuple[int, int]:
        length = math.prod(self.scores.shape[axis] for axis in self.axes)
        return self.scores.numel() // max(length, 1), length

    def refuse_lists_of_one(self) -> None:
        """Of a class, too, one item has no order."""
        lists, length = self.rows
        if length != 1 or lists == 0:
            return
        others = set(range(self.scores.ndim)) - {*self.axes, self.class_axis}
        longer = sorted(axis for axis in others if self.scores.shape[axis] > 1)
        wanted = "lists of several items: a larger batch"
        if longer:
            named = longer[0] if len(longer) == 1 else tuple(longer)
            wanted = f"lists of several items: dim={named}, or no dim= for a list a class"
        raise ArgumentError(
            "scores",
            f"shape {tuple(self.scores.shape)}, {lists} lists of one item each, in which there is "
            "nothing to rank",
            wanted,
        )

    def weigh(
        self, weight: Tensor | None, class_weight: Tensor | None, *, to_train: bool = True
    ) -> None:
        of_classes: Tensor | None = None
        if class_weight is not None:
            class_weight = _weights.checked(class_weight, "class_weight")
            _weights.require_classes(class_weight, self.class_count)
            behind = len(self._shape()) - 1 - self._place
            of_classes = class_weight.reshape(-1, *(1,) * behind).to(self.scores.device)
        if weight is not None:
            weight = _weights.checked(weight)
            if not self._is_of_lists(weight):
                if to_train:
                    _weights.require_items(self.task, weight)
                self._item_weights = weight
                weight = None
        if weight is not None:
            weight = weight.to(self.scores.device)
            found = weight if of_classes is None else weight * of_classes
        elif of_classes is not None:
            found = of_classes.expand(self._shape())
        else:
            return
        self.list_weights = _weights.of_lists(found, self.axes[0], grouped=self.groups is not None)

    def _is_of_lists(self, weight: Tensor) -> bool:
        """Whether the shape of weights is one a list; else it is one an item.

        A traced graph does not know the number of groups; the solver counts the lists.
        """
        shape, items = tuple(weight.shape), tuple(self._targets.shape)
        if self.groups is not None and self.traced and weight.ndim == len(self._shape()):
            return shape != items
        lists = self._shape()
        if shape == lists and shape == items:
            wanted = "class_weight= of the loss for weights of classes, as both are the same"
            raise ArgumentError("weight", f"shape {shape}", wanted)
        if shape == lists:
            return True
        if shape == items:
            return False
        wanted = f"{lists}, one a list, or {items}, one an item"
        raise ArgumentError("weight", f"shape {shape}", wanted)

    def weights_as(self, values: Array) -> Array:
        assert self.list_weights is not None
        weights = self.list_weights.double()
        if self.groups is None:
            return host(weights.reshape(values.shape))
        behind = [n for axis, n in enumerate(values.shape) if axis != self.axes[0]]
        groups = values.shape[self.axes[0]]
        return host(weights.reshape(*behind, groups).movedim(-1, self.axes[0]))

    def _shape(self) -> tuple[int, ...]:
        """That of "none"."""
        shape = [n for axis, n in enumerate(self.scores.shape) if axis not in self.axes]
        if self.groups is not None:
            shape.insert(self.axes[0], torch.unique(self.groups).numel())
        return tuple(shape)

    @property
    def _place(self) -> int:
        """The axis of the classes in the shape of "none"."""
        before = sum(axis not in self.axes for axis in range(self.class_axis))
        return before + (self.groups is not None and self.axes[0] < self.class_axis)

    def step(self, stored: Tensor, share: float, *, together: bool) -> Tensor:
        if self.traced:
            return super().step(stored, share, together=together)
        return _solve.measured_step(stored, self._spread, share, self.scores, together=together)

    def solve(
        self, terms: Terms, shown: Shown, reduction: Reduction, unit: Unit = "loss"
    ) -> tuple[Tensor, Tensor]:
        if self.traced or (self.on_device and self._solver(terms) is not None):
            return super().solve(terms, shown, reduction, unit)
        require_reduction(reduction)
        numbers = terms.numbers
        assert numbers is not None, "outside of graphs Python may look at them"
        asked = Asked(
            refuse_undefined=False,  # but below, of all classes
            objective=shown == "objective",
            reduction=reduction,
            skip_without_positives=self.skip_without_positives,
            in_scores=unit == "score",
        )
        scores = self.scores.detach()
        wide = torch.float32 if scores.dtype.itemsize < 4 else scores.dtype
        gradient = torch.empty_like(scores, dtype=wide)
        values_of, defined_of, size = [], [], 0.0
        for first, last in self._chunks():
            layout = self._classes(first, last)
            solved = _solve.solve_each(self.task, layout, numbers, asked)
            lists, values, combination, defined, largest = solved
            rows = torch.from_numpy(lists.scatter(combination, layout.scores.shape))
            part = layout.from_rows(from_host(rows, gradient.device))
            gradient.narrow(self.class_axis, first, last - first).copy_(part)
            values_of.append(self._per_list(values, layout))
            defined_of.append(self._per_list(defined, layout))
            size = max(size, largest)
        values, defined = self._joined(values_of), self._joined(defined_of)
        if self.refuse_undefined and not defined.all():
            raise self._undefined(defined)
        owner = None
        if self.groups is not None:
            owner = torch.unique(self.groups.reshape(-1), return_inverse=True)[1]
        flat = values.reshape(-1), defined.reshape(-1)
        if self.list_weights is not None:
            found, shares = _solve.weighted(*flat, self.weights_as(values).reshape(-1), reduction)
            factor = torch.from_numpy(shares.reshape(values.shape)).to(gradient)
            gradient *= per_entry(factor, self.axes, gradient.shape, owner)
            values = found.reshape(values.shape if reduction == "none" else ())
        elif reduction != "none":
            found, share = _solve.reduced(*flat, reduction)
            if share != 1.0:
                gradient *= share
            values = found.reshape(())
        if size > _solve.LARGE:
            _solve.refuse_overflow(numbers, gradient.numpy(force=True), scores.dtype)
        # A hinge past the largest number of the gradient's type is infinite.
        value = from_host(torch.from_numpy(values).to(wide), gradient.device)
        axes = self.axes if reduction == "none" else None
        return as_node(self.scores, value, gradient, owner, axes), gradient

    def evaluate(self) -> tuple[Array, Array]:
        """The exact metric of each list, and where it is defined, in the shape of "none"."""
        values_of, defined_of = [], []
        for first, last in self._chunks():
            layout = self._classes(first, last)
            lists, _ = read_lists(layout, self.task.read_targets)
            values, defined = evaluated(self.task, lists)
            values_of.append(self._per_list(values, layout))
            defined_of.append(self._per_list(defined, layout))
        return self._joined(values_of), self._joined(defined_of)

    def _classes(self, first: int, last: int) -> Layout:
        """Of some classes, with their one-hot targets."""
        axis = self.class_axis
        scores = self.scores.detach().narrow(axis, first, last - first)
        numbers = torch.arange(first, last, device=self._targets.device)
        numbers = numbers.reshape(-1, *(1,) * (scores.ndim - 1 - axis))
        mask = self._mask
        layout = Layout.of(
            scores,
            self._targets.unsqueeze(axis) == numbers,
            dim=self.axes,
            mask=None if mask is None else mask.unsqueeze(axis).expand(scores.shape),
            groups=self.groups,
        )
        if self._item_weights is None:
            return layout
        return layout.with_item_weights(self._item_weights.unsqueeze(axis).expand(scores.shape))

    def _chunks(self) -> Iterator[tuple[int, int]]:
        """Ranges of classes: of few, but enough lists for each thread to have one."""
        self._check_values()
        count = self.class_count
        lists_a_class = max(self.rows[0] // max(count, 1), 1)
        at_once = min(math.ceil(torch.get_num_threads() / lists_a_class), max(count // 4, 1))
        if self.scores.numel() <= _SMALL:
            at_once = max(count, 1)
        for first in range(0, count, at_once):
            yield first, min(first + at_once, count)

    def _per_list(self, values: Array, layout: Layout) -> Array:
        """Values of the lists of some classes in the shape of "none"."""
        rows = layout.rows[0]
        groups = None
        if self.groups is not None:
            groups = values.size // rows if rows else torch.unique(self.groups).numel()
        return layout.per_list(torch.from_numpy(values), groups).numpy()

    def _joined(self, parts: list[Array]) -> Array:
        """What chunks of classes have, in the shape of "none"."""
        if not parts:
            return np.zeros(0)
        return np.concatenate(parts, axis=self._place)

    def _spread(self) -> Spread:
        return pooled([_solve.spread_of(self._classes(*chunk)) for chunk in self._chunks()])

    def _undefined(self, defined: Array) -> UndefinedMetricError:
        wrong = np.argwhere(~defined)
        return UndefinedMetricError(
            "targets",
            f"{len(wrong)} of {defined.size} lists on which {self.task!r} is undefined (first: "
            f"that at {tuple(wrong[0].tolist())} of reduction='none')",
            "lists on which it is defined, or empty='skip'",
        )

    def _check(self) -> None:
        """Refuse targets and masks of a wrong shape or type, which a traced graph knows too."""
        targets, mask = self._targets, self._mask
        shape = self.scores.shape
        wanted = (*shape[: self.class_axis], *shape[self.class_axis + 1 :])
        for name, given in (("targets", targets), ("mask", mask)):
            if given is None and name == "mask":
                continue
            if not isinstance(given, Tensor):
                raise ArgumentError(name, type(given).__name__, "a tensor")
            if tuple(given.shape) != wanted:
                without = f"the scores' without class_dim {self.class_axis}"
                raise ArgumentError(
                    name, f"shape {tuple(given.shape)}", f"the shape {wanted} ({without})"
                )
        if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
            raise ArgumentError("targets", targets.dtype, "class indices, a tensor of integers")
        if mask is not None and mask.dtype != torch.bool:
            raise ArgumentError("mask", mask.dtype, "torch.bool: True = in the list")

    def _check_values(self) -> None:
        """Refuse indices that are no class, where nobody has to wait for a device."""
        if self.on_device:
            return
        if torch.compiler.is_compiling():
            self._targets = _checked_in_a_graph(self._targets, self._mask, self.class_count)
        elif not (_is_stand_in(self._targets) or _is_stand_in(self._mask)):
            _refuse_no_classes(self._targets, self._mask, self.class_count)


def _is_stand_in(tensor: Tensor | None) -> bool:
    """Whether it is one of a transform of torch.func, into which Python cannot look."""
    return tensor is not None and torch._C._functorch.is_functorch_wrapped_tensor(tensor)


def _refuse_no_classes(targets: Tensor, mask: Tensor | None, classes: int) -> None:
    taken = targets if mask is None else targets[mask]
    if taken.numel() and not 0 <= int(taken.min()) <= int(taken.max()) < classes:
        wrong = int(taken.min() if taken.min() < 0 else taken.max())
        raise ArgumentError(
            "targets",
            wrong,
            f"class indices from 0 to {classes - 1}, as the scores have {classes} classes along "
            f"class_dim; ignore_index={wrong} leaves out the items that have it",
        )


@torch.library.custom_op("directloss::class_indices", mutates_args=())
def _checked_in_a_graph(targets: Tensor, mask: Tensor | None, classes: int) -> Tensor:
    """The targets; an operator, as a graph cannot look at them. It may not give back its own."""
    _refuse_no_classes(targets, mask, classes)
    return targets.clone()


@_checked_in_a_graph.register_fake
def _(targets: Tensor, mask: Tensor | None, classes: int) -> Tensor:
    return torch.empty_like(targets)


def _class_axis(scores: Any, class_dim: int) -> int:
    """The axis of the classes, counted from the front."""
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        came = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise ArgumentError("scores", came, "a tensor of a floating-point type")
    if scores.ndim < 2 or not -scores.ndim <= class_dim < scores.ndim:
        wanted = "an axis of scores that have another one for the items, such as 1 of (B, C)"
        raise ArgumentError(
            "class_dim", f"{class_dim} for scores of shape {tuple(scores.shape)}", wanted
        )
    return class_dim % scores.ndim
