"""A task's metric as a torchmetrics metric: updated by batches, synchronised over processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from directloss._arguments import index_number
from directloss._extras import METRICS, require
from directloss._update import ListBatch
from directloss._weights import at_home, weights_of_classes
from directloss.errors import ArgumentError
from directloss.lists import Dim, Layout, check_weights, host, other_than, read_lists
from directloss.qrels import Qrels
from directloss.tasks.base import Task

require(__name__, "metrics", METRICS)

from torchmetrics import Metric

__all__ = ["TaskMetric"]

_STATES = {
    "scores": torch.float64,
    "targets": torch.float64,
    "rows": torch.int64,
    "groups": torch.int64,
    "item_weights": torch.float64,
    "list_weights": torch.float64,
    "values": torch.float64,
    "value_weights": torch.float64,
}
"""Of each entry of the lists that go on; then of each list of one batch."""


class TaskMetric(Metric):
    r"""The exact metric of a task over all batches: the mean over the lists on which it is defined.

    Which scores form a list is said as for the losses, and what goes on from batch to batch follows
    from it. Where the first axis is one of `dim`, batches continue the same lists: scores (n,) are
    one list, however many batches it comes in, (n, C) with ``dim=0`` one list a column, with
    ``class_dim=1`` one a class, and with `groups` one list for each number, wherever its entries
    arrive. All entries are kept, at 32 bytes each, and 8 more for a weight. Where the first axis is
    not in `dim`, and for tasks on class indices, each batch brings lists of its own, of any length;
    of those only value and weight are kept.

    Args:
        task: the metric, such as ``AveragePrecision()``; no `Chain`, which has no lists of scores.
        dim, class_dim: the axis, or axes, whose entries form one list, and that of the classes, as
            for the losses.
        class_weight: (C,), >= 0, of the classes, as for the losses.
        ignore_index: target value that leaves its entry out; where the targets' type cannot hold
            it, none.
        options: those of `torchmetrics.Metric`, such as ``sync_on_compute``.

    `compute` returns a float64 scalar, NaN if there is no list on which the metric is defined.

    Example:
        >>> metric = TaskMetric(AveragePrecision())
        >>> for x, y in batches:
        ...     metric.update(model(x), y)
        >>> value = metric.compute()  # average precision of all batches as one list
    """

    _ranked = False
    """Whether a batch had lists of several items."""

    is_differentiable = False
    full_state_update = False

    scores: list[Tensor]
    targets: list[Tensor]
    rows: list[Tensor]
    groups: list[Tensor]
    item_weights: list[Tensor]
    list_weights: list[Tensor]
    values: list[Tensor]
    value_weights: list[Tensor]
    class_weight: Tensor | None

    def __init__(
        self,
        task: Task,
        *,
        dim: Dim | None = None,
        class_dim: int | None = None,
        class_weight: ArrayLike | None = None,
        ignore_index: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not isinstance(task, Task):
            raise ArgumentError(
                "task", repr(task), "a task on lists of scores, such as AveragePrecision()"
            )
        self.task = task
        self.dim = dim
        self.class_dim = None if class_dim is None else task.check_class_dim(class_dim)
        self.ignore_index = None if ignore_index is None else index_number(ignore_index)
        of_classes = None
        if class_weight is not None:
            of_classes = weights_of_classes(class_weight, task, self.class_dim)
            of_classes = at_home(of_classes, class_weight)
        self.register_buffer("class_weight", of_classes)
        for name in _STATES:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        # A MetricCollection lets metrics whose states agree after the first batch share one update.
        # Two tasks may agree there by chance; NaN is equal to nothing.
        self.add_state("unlike", default=torch.tensor(torch.nan), dist_reduce_fx="max")

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """As the task says."""
        return self.task.higher_is_better

    def update(
        self,
        scores: Tensor,
        targets: Tensor | Qrels,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            scores: any floating type, raw scores.
            targets: in the shape of `scores`, or without `dim` for class indices, or without
                `class_dim`; NaN leaves out. Or `Qrels`, the indices of the relevant items of each
                list of the batch.
            mask: bool in the shape of `targets`; False leaves an entry out.
            groups: integers along `dim`; entries of equal number form a list, over all batches
                where the first axis is in `dim`.
            weight: of the lists or of the items, as for `task.metric`, in all batches or in none;
                of a list that goes on, the same each time.

        Raises:
            ArgumentError: an argument has the wrong shape, type or value, or every list one item
                where the task ranks and no batch had longer ones. Nothing was added.
            NonFiniteScoreError: a score that takes part is NaN. Nothing was added.
        """
        scores = scores.detach()
        if isinstance(targets, Tensor):
            targets = targets.detach()
        batch = self.task.read(scores, targets, self.dim, mask, groups, class_dim=self.class_dim)
        if self.ignore_index is not None:
            if isinstance(targets, Qrels):
                targets = batch.layout.from_rows(batch.layout.targets)
            kept = other_than(targets, self.ignore_index)
            mask = kept if mask is None else mask & kept
            how = self.dim, mask, groups
            batch = self.task.read(scores, targets, *how, class_dim=self.class_dim)
        ranked = self._ranked or not self.task.ranks
        if not ranked:
            batch.refuse_lists_of_one()
            ranked = batch.rows[1] > 1
        if weight is not None or self.class_weight is not None:
            weight = None if weight is None else weight.detach()
            if self._are_of_items(weight, groups):
                batch.weigh(None, self.class_weight)
                batch.layout = batch.layout.with_item_weights(weight)
            else:
                batch.weigh(weight, self.class_weight, to_train=False)
        if batch.list_weights is not None:
            check_weights(host(batch.list_weights))
        if self.task.target_per_list or 0 not in batch.layout.axes:
            self._add_lists(batch)
        else:
            self._add_entries(batch.layout, batch.list_weights)
        self._ranked = ranked

    def _are_of_items(self, weight: Tensor | None, groups: Tensor | None) -> TypeGuard[Tensor]:
        """Whether weights are of items though each group of the batch may be one of them."""
        if weight is None or groups is None or self.class_dim is not None:
            return False
        return bool(self.item_weights) and weight.shape == groups.shape

    def _add_lists(self, batch: ListBatch) -> None:
        """Of lists that end with the batch, their values."""
        values, defined = batch.evaluate()
        found = torch.from_numpy(np.where(defined, values, np.nan)).reshape(-1)
        self.values.append(found.to(self.device))
        if batch.list_weights is not None:
            weights = torch.from_numpy(batch.weights_as(values)).reshape(-1)
            self.value_weights.append(weights.to(self.device))

    def _add_entries(self, layout: Layout, list_weights: Tensor | None) -> None:
        """Of lists that go on, their entries."""
        # Errors belong to the batch that has them.
        read_lists(layout._replace(groups=None), self.task.read_targets)
        shape = layout.rows
        entries, target_rows = layout.scores.reshape(shape), layout.targets.reshape(shape)
        mask_rows = None if layout.mask is None else layout.mask.reshape(shape)
        keep = ~target_rows.isnan() if mask_rows is None else mask_rows & ~target_rows.isnan()
        row = torch.arange(entries.shape[0], device=entries.device)[:, None]
        numbers = owner = torch.zeros(shape[1], dtype=torch.int64, device=entries.device)
        if layout.groups is not None:
            numbers = layout.groups.long()
            owner = torch.unique(numbers, return_inverse=True)[1]
        self.scores.append(entries[keep].double())
        self.targets.append(target_rows[keep].double())
        self.rows.append(row.expand(shape)[keep])
        self.groups.append(numbers.expand(shape)[keep])
        if layout.item_weights is not None:
            self.item_weights.append(layout.item_weights.reshape(shape)[keep].double())
        if list_weights is not None:
            of_rows = list_weights.double().to(entries.device).reshape(shape[0], -1)
            self.list_weights.append(of_rows[row, owner][keep])

    def compute(self) -> Tensor:
        """The mean over all lists on which the metric is defined, the weighted one with weights.

        Raises:
            ArgumentError: weights of some batches only, or of one list that are not the same.
        """
        state = {name: self._joined(name) for name in _STATES}
        of_lists = [_found(state["values"], state["value_weights"])]
        if state["scores"].numel():
            of_lists.append(self._of_entries(state))
        values = torch.cat([values for values, _ in of_lists])
        weights = torch.cat([weights for _, weights in of_lists])
        defined = ~values.isnan()
        return (weights * values)[defined].sum() / weights[defined].sum()

    def _of_entries(self, state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Value and weight of each list that went on."""
        scores = state["scores"]
        numbers = torch.stack([state["rows"], state["groups"]])
        _, lists = torch.unique(numbers, dim=1, return_inverse=True)
        batch = self.task.read(scores, state["targets"], groups=lists)
        if state["item_weights"].numel():
            _, items = _found(scores, state["item_weights"])
            batch.layout = batch.layout.with_item_weights(items)
        values, defined = batch.evaluate()
        found = torch.from_numpy(np.where(defined, values, np.nan)).to(scores)
        _, of_entry = _found(scores, state["list_weights"])
        weights = torch.zeros_like(found).scatter_(0, lists, of_entry)
        if not torch.equal(weights[lists], of_entry):
            came = "weights of one list that change from batch to batch"
            raise ArgumentError("weight", came, "one weight a list")
        return found, weights

    def _joined(self, name: str) -> Tensor:
        state = getattr(self, name)
        if isinstance(state, Tensor):
            return state
        return torch.cat([torch.empty(0, dtype=_STATES[name], device=self.device), *state])

    def _sync_dist(
        self, dist_sync_fn: Callable[..., Any] | None = None, process_group: Any = None
    ) -> None:
        # A process without a batch joins in with empty states of the type that the others have.
        for name in _STATES:
            setattr(self, name, [self._joined(name)])
        if dist_sync_fn is None:
            super()._sync_dist(process_group=process_group)
        else:
            super()._sync_dist(dist_sync_fn, process_group)


def _found(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Values with a weight each, 1 where there was none."""
    if weights.numel() == 0:
        return values, torch.ones_like(values)
    if weights.shape != values.shape:
        raise ArgumentError("weight", "weights in some batches", "weights in all of them, or none")
    return values, weights
