"""A task's metric as a torchmetrics metric: updated by batches, synchronised over processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from directloss._extras import METRICS, require
from directloss.lists import Dim, read_lists
from directloss.tasks.base import Task

require(__name__, "metrics", METRICS)

from torchmetrics import Metric

__all__ = ["TaskMetric"]

_STATES = {
    "scores": torch.float64,
    "targets": torch.float64,
    "rows": torch.int64,
    "groups": torch.int64,
    "values": torch.float64,
}


class TaskMetric(Metric):
    r"""The exact metric of a task over all batches: the mean over the lists on which it is defined.

    Which scores form a list is said as for the losses, and what goes on from batch to batch follows
    from it. Where the first axis is one of `dim`, batches continue the same lists: scores (n,) are
    one list, however many batches it comes in, (n, C) with ``dim=0`` one list a column, and with
    `groups` one list for each number, wherever its entries arrive. All entries are kept, at 32
    bytes each. Where the first axis is not in `dim`, and for class indices, each batch brings lists
    of its own, of any length; of those only the value is kept.

    Args:
        task: the metric, such as ``AveragePrecision()``.
        dim: the axis, or axes, whose entries form one list.
        ignore_index: target value that leaves its entry out.
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
    values: list[Tensor]

    def __init__(
        self, task: Task, *, dim: Dim = -1, ignore_index: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.task = task
        self.dim = dim
        self.ignore_index = ignore_index
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
        targets: Tensor,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            scores: any floating type, raw scores.
            targets: in the shape of `scores`, or without `dim` for class indices; NaN leaves out.
            mask: bool in the shape of `targets`; False leaves an entry out.
            groups: integers along `dim`; entries of equal number form a list, over all batches
                where the first axis is in `dim`.

        Raises:
            ArgumentError: an argument has the wrong shape, type or value, or every list one item
                where the task ranks and no batch had longer ones. Nothing was added.
            NonFiniteScoreError: a score that takes part is NaN. Nothing was added.
        """
        scores, targets = scores.detach(), targets.detach()
        layout = self.task.read(scores, targets, self.dim, mask, groups).layout
        if self.ignore_index is not None:
            kept = targets != self.ignore_index
            mask = kept if mask is None else mask & kept
            layout = self.task.read(scores, targets, self.dim, mask, groups).layout
        if self.task.ranks and not self._ranked:
            layout.refuse_lists_of_one()
            self._ranked = layout.rows[1] > 1
        if self.task.target_per_list or 0 not in layout.axes:
            if mask is None and layout.of_one:  # as the metric wants it of lists so short
                mask = torch.ones_like(targets, dtype=torch.bool)
            values = self.task.metric(
                scores, targets, dim=self.dim, mask=mask, groups=groups, reduction="none"
            )
            self.values.append(values.reshape(-1).to(self.device))
            return

        # Errors belong to the batch that has them.
        read_lists(replace(layout, groups=None), self.task.read_targets)
        shape = layout.rows
        entries, target_rows = layout.scores.reshape(shape), layout.targets.reshape(shape)
        mask_rows = None if layout.mask is None else layout.mask.reshape(shape)
        keep = ~target_rows.isnan() if mask_rows is None else mask_rows & ~target_rows.isnan()
        numbers = (
            torch.zeros(entries.shape[1], dtype=torch.int64, device=entries.device)
            if layout.groups is None
            else layout.groups.long()
        )
        row = torch.arange(entries.shape[0], device=entries.device)[:, None]
        self.scores.append(entries[keep].double())
        self.targets.append(target_rows[keep].double())
        self.rows.append(row.expand(entries.shape)[keep])
        self.groups.append(numbers.expand(entries.shape)[keep])

    def compute(self) -> Tensor:
        """The mean over all lists on which the metric is defined."""
        scores, targets, rows, groups, values = (self._joined(name) for name in _STATES)
        if scores.numel():
            _, lists = torch.unique(torch.stack([rows, groups]), dim=1, return_inverse=True)
            continued = self.task.metric(scores, targets, groups=lists, reduction="none")
            values = torch.cat([values, continued.to(values)])
        return values.nanmean()

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
