"""Every layout of scores as one flat ragged batch, and back.

Two steps. In torch, the axes that form a list go last and all others become rows (`Layout`). On
the host, masked entries drop out and groups come together (`read_lists`). Without mask and groups
the second step copies nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, NamedTuple, TypedDict, TypeVar

import numpy as np
import torch
from torch import Tensor

from directloss._arguments import index_number, plain
from directloss._copies import to_host
from directloss.errors import ArgumentError, NonFiniteScoreError
from directloss.inference._kernel import Array
from directloss.inference.checks import count_classes, count_odd, count_odd_of_both
from directloss.inference.grouping import (
    gather,
    grouped,
    kept_entries,
    scatter,
    scatter_both,
)
from directloss.qrels import Qrels

__all__ = [
    "ClassSizes",
    "Dim",
    "Empty",
    "Layout",
    "Lists",
    "Reduction",
    "Unit",
    "WithoutPositives",
    "check_weights",
    "class_sizes",
    "elementwise",
    "host",
    "list_axes",
    "other_than",
    "read_lists",
    "widened",
]

Dim = int | Sequence[int]
Reduction = Literal["mean", "sum", "none"]
Empty = Literal["skip", "error"]
Unit = Literal["score", "loss"]
"""Of epsilon: the largest shift of a score, or the weight of Delta."""

WithoutPositives = Literal["skip", "punish"]
"""Whether a list without a positive is left out, or counts with what the metric makes of it."""

_Read = TypeVar("_Read", bound=Callable[..., Array])

_HALF = (torch.float16, torch.bfloat16)

_MOST_ITEMS = (1 << 31) - 1
"""Of a list: kernels keep an item's place in 31 bits beside its label."""


@dataclass(slots=True)  # frozen ones take three times as long to make, in every step
class Lists:
    """A ragged batch: list l is ``scores[offsets[l]:offsets[l + 1]]``, likewise its targets.

    Attributes:
        scores: float32 or float64, flat, contiguous, without NaN.
        targets: in the form of the task's `read_targets`: flat as a rule; one a score, or one a
            list where the task has one target a list.
        offsets: int64 (L + 1,).
        kept_index: int64, where each entry stands among the flattened rows, if some were left out.
        position: int64, where each entry of the flattened rows stands, if all are kept but not as
            they came. If both are None, the entries are the flattened rows.
        finite: whether no score is known to be infinite; False where nobody has checked.
        item_weights: float64, flat as the scores, >= 0; None: 1 everywhere.
    """

    scores: Array
    targets: Any
    offsets: Array
    kept_index: Array | None = None
    position: Array | None = None
    finite: bool = False
    item_weights: Array | None = None

    def __len__(self) -> int:
        return int(self.offsets.size) - 1

    def scatter(self, values: Array, shape: Sequence[int]) -> Array:
        """Values of the entries back to rows (R, n); entries that were left out get 0."""
        if self.position is not None:
            values = gather(values, self.position)
        elif self.kept_index is not None:
            values = scatter(values, self.kept_index, math.prod(shape))
        return values if len(shape) == 1 else values.reshape(tuple(shape))


class Layout(NamedTuple):
    """A call's tensors as rows, a list a row before mask and groups; made once a call.

    Attributes:
        shape: of the scores as they came.
        axes: the axes whose entries form one list, ascending.
        scores: rows (R, n), or (n,) for one row; as given, so that gradients pass.
        targets: in the same form, or (R, 1) where a list has one target.
        mask: in the form of the targets, bool: False leaves an entry (or a list) out; or None.
        groups: integers (n,): each value makes one list a row; or None.
        ignore_index: target that leaves its entry out; or None.
        item_weights: in the form of the scores; or None.
        copies: how many times the rows of scores are there, (copies * R, n), one copy after
            another; all else is there once. An update is the mean of theirs.
    """

    shape: torch.Size
    axes: tuple[int, ...]
    scores: Tensor
    targets: Tensor
    mask: Tensor | None = None
    groups: Tensor | None = None
    ignore_index: int | None = None
    item_weights: Tensor | None = None
    copies: int = 1

    @classmethod
    def of(
        cls,
        scores: Tensor,
        targets: Tensor | Qrels,
        *,
        per_list: bool = False,
        dim: Dim = -1,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
        ignore_index: int | None = None,
    ) -> Layout:
        """Check shapes and types, which a traced graph knows too, and bring the list axes last.

        Args:
            per_list: whether a list has one target instead of one a score.
            Others as for the losses.

        Raises:
            ArgumentError: an argument has the wrong shape or type.
        """
        axes = list_axes(scores, dim)
        shape = scores.shape
        wanted = tuple(n for axis, n in enumerate(shape) if axis not in axes) if per_list else shape
        return cls(
            shape,
            axes,
            scores if scores.ndim == 1 else _rows(scores, axes),
            _target_rows("targets", targets, wanted, axes, per_list=per_list),
            None if mask is None else _mask_rows(mask, wanted, axes, per_list=per_list),
            None if groups is None else _group_row(groups, tuple(shape[axis] for axis in axes)),
            None if ignore_index is None else index_number(ignore_index),
        )

    def repeated(self, rows: Tensor) -> Tensor:
        """What is there once, as often as the scores are."""
        if self.copies == 1:
            return rows
        return rows.expand(self.copies, *rows.shape).flatten(0, -2)

    def with_item_weights(self, weights: Tensor) -> Layout:
        """The same with weights of the items, in the shape of the scores."""
        rows = weights if weights.ndim == 1 else _rows(weights, self.axes)
        return self._replace(item_weights=rows)

    @property
    def rest(self) -> tuple[int, ...]:
        """Shape without the list axes: one entry a row."""
        return tuple(n for axis, n in enumerate(self.shape) if axis not in self.axes)

    @property
    def rows(self) -> tuple[int, int]:
        """Number of rows and their length."""
        length = torch.Size([self.shape[axis] for axis in self.axes]).numel()
        return torch.Size(self.rest).numel(), length

    def from_rows(self, rows: Tensor) -> Tensor:
        """Rows (R, n) in the shape of the scores."""
        last = tuple(range(len(self.shape) - len(self.axes), len(self.shape)))
        if self.axes == last:
            return rows.reshape(self.shape)
        lengths = tuple(self.shape[axis] for axis in self.axes)
        return rows.reshape(self.rest + lengths).movedim(last, self.axes)

    def per_list(self, values: Tensor, groups: int | None) -> Tensor:
        """Values of the lists (R * G,) in the scores' shape without the list axes.

        Groups, if any, take the place of the first list axis, by ascending number.
        """
        if groups is None:
            return values.reshape(self.rest)
        return values.reshape(*self.rest, groups).movedim(-1, self.axes[0])


def list_axes(scores: Tensor, dim: Dim) -> tuple[int, ...]:
    """The list axes, ascending."""
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        came = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise ArgumentError("scores", came, "a tensor of a floating-point type")
    ndim = scores.ndim
    if type(dim) is int and -ndim <= dim < ndim:
        return (dim % ndim,)
    if ndim == 0:
        raise ArgumentError("scores", "shape ()", "at least one axis, such as (n,)")
    alone = isinstance(plain(dim), int | np.integer)
    given = (dim,) if alone else dim if isinstance(dim, Sequence) else ()
    axes = tuple(_axis_number(axis) for axis in given)
    if any(not isinstance(axis, int) or isinstance(axis, bool) for axis in axes):
        raise ArgumentError("dim", repr(dim), "an int, or a sequence of ints")
    if not axes or any(not -ndim <= axis < ndim for axis in axes):
        wanted = f"axes in [-{ndim}, {ndim}), as the scores have shape {tuple(scores.shape)}"
        raise ArgumentError("dim", dim, wanted)
    ascending = tuple(sorted(axis % ndim for axis in axes))
    if len(set(ascending)) < len(ascending):
        raise ArgumentError("dim", dim, "each axis once")
    return ascending


def _axis_number(axis: Any) -> Any:
    """An axis that a library's own integer says, as an int; anything else as it is."""
    number = plain(axis)
    return int(number) if isinstance(number, np.integer) else number


def _rows(tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    """A tensor of two axes or more as rows (R, n), a view where strides allow."""
    first = tensor.ndim - len(axes)
    last = tuple(range(first, tensor.ndim))
    if axes != last:
        tensor = tensor.movedim(axes, last)
    return tensor.reshape(math.prod(tensor.shape[:first]), math.prod(tensor.shape[first:]))


def _target_rows(
    name: str,
    targets: Tensor | Qrels,
    wanted: tuple[int, ...],
    axes: tuple[int, ...],
    *,
    per_list: bool,
) -> Tensor:
    if not isinstance(targets, Tensor):
        if isinstance(targets, Qrels) and name == "targets" and not per_list:
            rows = tuple(n for axis, n in enumerate(wanted) if axis not in axes)
            dense = targets.dense(rows, torch.Size([wanted[axis] for axis in axes]).numel())
            return dense if len(wanted) == 1 else dense.reshape(-1, dense.shape[-1])
        raise ArgumentError(name, type(targets).__name__, "a tensor")
    if targets.is_complex():
        raise ArgumentError(name, targets.dtype, "a tensor of real numbers")
    if targets.shape != wanted:
        without = f" (the scores' without dim {axes})" if per_list else " of the scores"
        raise ArgumentError(
            name, f"shape {tuple(targets.shape)}", f"the shape {tuple(wanted)}{without}"
        )
    if per_list:
        return targets.reshape(-1, 1)
    return targets if targets.ndim == 1 else _rows(targets, axes)


def _mask_rows(
    mask: Tensor, wanted: tuple[int, ...], axes: tuple[int, ...], *, per_list: bool
) -> Tensor:
    rows = _target_rows("mask", mask, wanted, axes, per_list=per_list)
    if rows.dtype != torch.bool:
        raise ArgumentError("mask", rows.dtype, "torch.bool: True = in the list")
    return rows


def _group_row(groups: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """Group numbers of the entries along the list axes, flat."""
    if not isinstance(groups, Tensor) or groups.is_floating_point() or groups.is_complex():
        came = groups.dtype if isinstance(groups, Tensor) else type(groups).__name__
        raise ArgumentError("groups", came, "a tensor of integers")
    if tuple(groups.shape) != wanted:
        raise ArgumentError(
            "groups", f"shape {tuple(groups.shape)}", f"{wanted}: one number an entry along dim"
        )
    return groups.reshape(-1)


def widened(tensor: Tensor) -> Tensor:
    """Half precisions as float32, exactly; any other tensor as it is."""
    return tensor.float() if tensor.dtype in _HALF else tensor


def host(tensor: Tensor) -> Array:
    """A tensor's data as a contiguous numpy array; half precisions widened."""
    if tensor.dtype in _HALF:  # `widened`, without a call
        tensor = tensor.float()
    return np.ascontiguousarray(tensor.numpy(force=True))


def read_lists(
    layout: Layout, read_targets: Callable[[Array], Any], *, per_list: bool | None = None
) -> tuple[Lists, int]:
    """A call's rows to the lists that kernels take.

    Args:
        read_targets: validates and converts the kept targets.
        per_list: whether a list has one target; None: as the shapes say, where lists of one entry
            count as having one target an entry.

    Returns:
        The lists (row by row, groups by ascending number, copy by copy; a list of which nothing is
        kept stays, empty) and the number of lists a row.

    Raises:
        NonFiniteScoreError: a score that is kept is NaN.
        ArgumentError: a list of more than 2**31 - 1 items, or groups of a task that has one target
            a list.
    """
    _, _, scores, targets, mask, groups, ignore_index, item_weights, copies = layout
    if scores.is_cuda:  # else `host` copies what has to be, one tensor after the other
        scores, targets, (mask, groups) = to_host(scores.detach(), targets, mask, groups)
    rows, length = shape = tuple(scores.shape) if scores.ndim == 2 else (1, scores.numel())
    flat, flat_targets = host(scores).ravel(), host(targets).ravel()
    # Copies have their NaN and infinities where the first one has them, as noise is finite.
    first = flat if copies == 1 else flat[: flat.size // copies]
    if flat_targets.dtype.kind == "f":
        wrong, infinite, missing = count_odd_of_both(first, flat_targets)
    else:
        wrong, infinite, missing = *count_odd(first), 0
    keep = None
    if missing or mask is not None or ignore_index is not None:
        keep = _kept(flat_targets, missing, mask, ignore_index)
    kept_index, position, lists_a_row = None, None, 1
    if keep is None and groups is None:
        if wrong:
            raise _nan_error(np.flatnonzero(np.isnan(flat)), flat.size, shape, copies)
        # One row apart: each small step of numpy counts beside the solving of a short list.
        offsets = np.array((0, length)) if rows == 1 else np.arange(rows + 1) * length
    else:
        if per_list is None:
            per_list = targets.shape != scores.shape
        if copies > 1:
            flat_targets = np.tile(flat_targets, copies)
            keep = None if keep is None else np.tile(keep, copies)
        flat, flat_targets, offsets, kept_index, position, lists_a_row = _arranged(
            flat,
            flat_targets,
            shape,
            keep,
            groups,
            wrong=wrong > 0,
            per_list=per_list,
            copies=copies,
        )
        copies = 1  # whose targets are there
    if flat.size > _MOST_ITEMS:
        _refuse_long_lists(offsets)
    if copies > 1 and not getattr(read_targets, "elementwise", False):
        flat_targets, copies = np.tile(flat_targets, copies), 1
    known = read_targets(flat_targets)
    if copies > 1:
        known = np.concatenate((known,) * copies)  # `np.tile` takes longer to call
    lists = Lists(flat, known, offsets, kept_index, position, not infinite)
    if item_weights is not None:
        lists.item_weights = _item_weights(layout.repeated(item_weights), lists)
    return lists, lists_a_row


def elementwise(read_targets: _Read) -> _Read:
    """Says of a `read_targets` that it reads each target alone: those of copies are read once."""
    read_targets.elementwise = True  # type: ignore[attr-defined]
    return read_targets


def other_than(targets: Tensor, ignore_index: int) -> Tensor:
    """Where targets are not that index; everywhere if their type has no such number.

    torch would take it modulo what the type holds, 156 for -100 among bytes.
    """
    if targets.dtype == torch.bool or targets.is_floating_point():
        return widened(targets) != ignore_index  # which bfloat16 may round to another number
    ends = torch.iinfo(targets.dtype)
    if ends.min <= ignore_index <= ends.max:
        return targets != ignore_index
    return torch.ones_like(targets, dtype=torch.bool)


def _kept(
    targets: Array, missing: int, mask: Tensor | None, ignore_index: int | None
) -> Array | None:
    """Which of the flattened entries are kept, bool; None where all are.

    Args:
        missing: how many targets are NaN.
    """
    parts = []
    if mask is not None:
        parts.append(host(mask).reshape(-1))
    if missing:
        parts.append(~np.isnan(targets))
    if ignore_index is not None:
        parts.append(targets != ignore_index)
    keep = reduce(np.logical_and, parts)
    return None if keep.all() else keep


def _arranged(
    flat: Array,
    targets: Array,
    shape: tuple[int, ...],
    keep: Array | None,
    groups: Tensor | None,
    *,
    wrong: bool,
    per_list: bool,
    copies: int,
) -> tuple[Array, Array, Array, Array | None, Array | None, int]:
    """What is kept of the flattened rows, groups together.

    Args:
        flat, targets: of the rows.
        shape: number of rows, and their length.
        keep: as of `_kept`.
        wrong: whether a score is NaN.
        per_list: as in `read_lists`.
        copies: how many times all is there, one after another.

    Returns:
        Scores, targets, offsets, kept_index and position, as in `Lists`; and the number of lists a
        row.
    """
    rows, length = shape
    if per_list and groups is not None:
        raise ArgumentError(
            "groups", f"shape {tuple(groups.shape)}", "None, as the task has one target a list"
        )
    starts, position = np.zeros(1, np.int64), None
    if groups is not None:
        starts, position = grouped(host(groups))
    if keep is None:
        if wrong:
            raise _nan_error(np.flatnonzero(np.isnan(flat)), flat.size, shape, copies)
        begins = np.arange(rows)[:, None] * length + starts
        offsets = np.append(begins.reshape(-1), rows * length)
        if position is not None:
            if rows != 1:
                position = (np.arange(rows)[:, None] * length + position).reshape(-1)
            flat, targets = scatter_both(flat, targets, position)
        return flat, targets, offsets, None, position, starts.size
    order = None if position is None else scatter(np.arange(length), position, length)
    bounds = np.append(starts, length)
    kept_index, offsets = kept_entries(keep, rows, bounds, order, per_row=per_list)
    flat = gather(flat, kept_index)
    if wrong and count_odd(flat)[0]:
        raise _nan_error(kept_index[np.isnan(flat)], flat.size, shape, copies)
    if not per_list:
        targets = gather(targets, kept_index)
    else:
        # A list left out keeps its place; any target that is kept stands in for its own.
        kept = np.diff(offsets) > 0
        targets = np.where(kept, targets, targets[kept][:1].sum())
    return flat, targets, offsets, kept_index, None, starts.size


def _refuse_long_lists(offsets: Array) -> None:
    longest = int(np.diff(offsets).max())
    if longest > _MOST_ITEMS:
        raise ArgumentError("scores", f"a list of {longest} items", f"at most {_MOST_ITEMS} a list")


def _item_weights(rows: Tensor, lists: Lists) -> Array:
    """The weights of the items that are kept, in the order of the lists."""
    weights = host(rows).reshape(-1).astype(np.float64)
    if lists.kept_index is not None:
        weights = gather(weights, lists.kept_index)
    elif lists.position is not None:
        weights = scatter(weights, lists.position, weights.size)
    check_weights(weights)
    return weights


def check_weights(weights: Array, name: str = "weight") -> None:
    """Refuse weights of which one is negative, infinite or NaN, naming the argument."""
    wrong = ~((weights >= 0.0) & (weights < np.inf))
    if wrong.any():
        raise ArgumentError(name, weights[wrong].reshape(-1)[0], "finite numbers >= 0")


def _nan_error(
    places: Array, entries: int, shape: tuple[int, ...], copies: int
) -> NonFiniteScoreError:
    """What is wrong where scores at these places of the flattened rows, all copies, are NaN."""
    rows, length = shape
    row, entry = divmod(int(places.min()), length)
    return NonFiniteScoreError(
        "scores",
        f"{places.size // copies} NaN of {entries // copies} scores, the first at entry {entry} "
        "along dim" + (f" of list {row}" if rows > copies else ""),
        "numbers; +inf and -inf are allowed",
    )


_ZERO = np.zeros(1, np.int64)
"""Of all batches of one list; nobody writes to it."""


class ClassSizes(NamedTuple):
    """How many positives and negatives the lists of a batch have.

    Attributes:
        positives, negatives: int64 (L,).
        most: the most positives, negatives and items of any list.
        zeros: int64 (L,): where a table begins that is the same for all lists.
    """

    positives: Array
    negatives: Array
    most: Most
    zeros: Array


class Most(TypedDict):
    """Of each, the most that a list has."""

    positives: int
    negatives: int
    items: int


def class_sizes(lists: Lists) -> ClassSizes:
    """Sizes of the classes of binary targets."""
    count = lists.offsets.size - 1
    if count == 1:  # as fast, and nothing has to be compiled
        P = int(np.count_nonzero(lists.targets))
        N = lists.targets.size - P
        both = np.array((P, N))
        most: Most = {"positives": P, "negatives": N, "items": P + N}
        return ClassSizes(both[:1], both[1:], most, _ZERO)
    positives, negatives = np.empty(count, np.int64), np.empty(count, np.int64)
    P, N, items = count_classes(lists.targets, lists.offsets, positives, negatives)
    most = {"positives": P, "negatives": N, "items": items}
    return ClassSizes(positives, negatives, most, np.zeros(count, np.int64))
