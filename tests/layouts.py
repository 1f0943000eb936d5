"""Every layout of scores, with its lists spelled out one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.harness import TaskCase

Owners = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """A tensor of scores and who owns its entries.

    Attributes:
        dim: what the loss is told.
        owner: in the shape of the scores, the list of each entry, in the order in which reduction
            "none" returns the lists; -1 for an entry that is left out.
        values: the shape of what reduction "none" returns.
        left_out: how the entries with owner -1 are left out: "mask", "NaN targets", "ignore_index".
        groups: as the loss is told.
    """

    dim: int | tuple[int, ...]
    owner: Owners
    values: tuple[int, ...]
    left_out: str = "mask"
    groups: Tensor | None = None

    @property
    def lists(self) -> list[Owners]:
        """Flat indices of the entries of each list."""
        flat = self.owner.reshape(-1)
        return [np.flatnonzero(flat == number) for number in range(int(np.prod(self.values)))]

    def of_whole_lists(self) -> Layout:
        """The same where what is left out are whole lists: those of which most entries are."""
        axes = (self.dim,) if isinstance(self.dim, int) else self.dim
        kept = (self.owner >= 0).mean(axis=axes, keepdims=True) > 0.6
        numbers = np.arange(kept.size).reshape(kept.shape)
        owner = np.broadcast_to(np.where(kept, numbers, -1), self.owner.shape)
        return replace(self, owner=owner)


@dataclass(frozen=True)
class Batch:
    """What a layout holds for a task, ready for a loss."""

    layout: Layout
    scores: Tensor
    targets: Tensor
    mask: Tensor | None
    ignore_index: int | None = None

    @property
    def module_options(self) -> dict[str, object]:
        return {"dim": self.layout.dim, "ignore_index": self.ignore_index}

    @property
    def lists(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Scores and targets of each list on its own."""
        scores, targets = self.scores.reshape(-1), self.targets.reshape(-1)
        for number, entries in enumerate(self.layout.lists):
            if targets.numel() == scores.numel():
                yield scores[entries], targets[entries]
            else:  # where the list is left out, so is its target
                yield scores[entries], targets[number] if entries.size else torch.zeros(())

    @property
    def call_options(self) -> dict[str, Tensor]:
        given = {"mask": self.mask, "groups": self.layout.groups}
        return {name: value for name, value in given.items() if value is not None}


IGNORED = -100


def fill(case: TaskCase, layout: Layout, rng: np.random.Generator) -> Batch:
    """Normal scores; every fourth list is drawn without care for whether its metric is defined."""
    if case.target_per_list:
        layout = layout.of_whole_lists()
    scores = torch.from_numpy(rng.normal(size=layout.owner.shape))
    targets = torch.zeros(layout.values if case.target_per_list else layout.owner.shape).double()
    for number, entries in enumerate(layout.lists):
        if number % 4 != 3 and entries.size >= 2:
            where = number if case.target_per_list else entries
            targets.view(-1)[where] = torch.from_numpy(case.draw(rng, entries.size))
    known = torch.from_numpy(layout.owner >= 0)
    if bool(known.all()):
        return Batch(layout, scores, targets, None)
    # What is left out may be anything.
    scores[~known] = torch.tensor([float("nan"), float("inf"), 1e30]).double()[
        torch.from_numpy(rng.integers(0, 3, size=int((~known).sum())))
    ]
    kept = known
    if case.target_per_list:
        kept = torch.tensor([bool(entries.size) for entries in layout.lists]).reshape(layout.values)
    if layout.left_out == "NaN targets":
        targets[~kept] = float("nan")
        return Batch(layout, scores, targets, None)
    if layout.left_out == "ignore_index":
        targets[~kept] = IGNORED
        return Batch(layout, scores, targets.long(), None, IGNORED)
    targets[~kept] = 7.0
    return Batch(layout, scores, targets, kept)


def rows(count: int, length: int) -> Owners:
    return np.repeat(np.arange(count), length).reshape(count, length)


def drop(owner: Owners, *, also: int | None = None) -> Owners:
    """Leave out a third of the entries, and a whole list if one is named."""
    rng = np.random.default_rng(0)
    left = np.where(rng.random(owner.shape) < 1 / 3, -1, owner)
    return left if also is None else np.where(owner == also, -1, left)


# Groups in no order, with gaps, one of a single entry: by ascending number they are 0, 1, 2, 3.
GROUPS = torch.tensor([40, 7, 40, -3, 7, 40, 7, -3, 7, 40, 8, 7, -3, 40, -3])
GROUP_OF_ENTRY = np.searchsorted([-3, 7, 8, 40], GROUPS.numpy())
N = GROUPS.numel()


def _groups_in_columns(columns: int) -> Owners:
    """(n, C) with dim=0: reduction "none" gives (G, C)."""
    return GROUP_OF_ENTRY[:, None] * columns + np.arange(columns)


def _groups_in_rows(count: int) -> Owners:
    """(R, n): reduction "none" gives (R, G)."""
    return np.arange(count)[:, None] * 4 + GROUP_OF_ENTRY


LAYOUTS: dict[str, Callable[[], Layout]] = {
    "(n,)": lambda: Layout(-1, np.zeros(9, np.int64), ()),
    "(R, n)": lambda: Layout(-1, rows(5, 7), (5,)),
    "(A, B, n)": lambda: Layout(2, rows(6, 5).reshape(2, 3, 5), (2, 3)),
    "(n, C), dim=0": lambda: Layout(0, rows(5, 8).T, (5,)),
    "(A, n, B), dim=-2": lambda: Layout(
        -2, rows(6, 5).reshape(2, 3, 5).transpose(0, 2, 1), (2, 3)
    ),
    "images, dim=(1, 2, 3)": lambda: Layout((1, 2, 3), rows(5, 12).reshape(5, 1, 4, 3), (5,)),
    "images, all axes": lambda: Layout((0, 1, 2, 3), np.zeros((2, 1, 3, 4), np.int64), ()),
    "axes apart, dim=(-1, 0)": lambda: Layout(
        (-1, 0), np.broadcast_to(np.arange(4)[None, :, None], (3, 4, 5)), (4,)
    ),
    "mask": lambda: Layout(-1, drop(rows(5, 9), also=2), (5,)),
    "mask of (n, C), dim=0": lambda: Layout(0, drop(rows(5, 9).T), (5,)),
    "mask of images": lambda: Layout((1, 2, 3), drop(rows(5, 12).reshape(5, 1, 4, 3)), (5,)),
    "everything masked": lambda: Layout(-1, np.full((3, 4), -1), (3,)),
    "NaN targets": lambda: Layout(-1, drop(rows(5, 9), also=0), (5,), "NaN targets"),
    "ignore_index": lambda: Layout(-1, drop(rows(5, 9), also=1), (5,), "ignore_index"),
    "groups": lambda: Layout(-1, GROUP_OF_ENTRY, (4,), groups=GROUPS),
    "groups of (n, C), dim=0": lambda: Layout(0, _groups_in_columns(3), (4, 3), groups=GROUPS),
    "groups of (R, n)": lambda: Layout(-1, _groups_in_rows(2), (2, 4), groups=GROUPS),
    "groups over two axes": lambda: Layout(
        (0, 2), _groups_in_columns(2).reshape(5, 3, 2).transpose(0, 2, 1), (4, 2),
        groups=GROUPS.reshape(5, 3),
    ),
    "groups and mask": lambda: Layout(
        0, drop(_groups_in_columns(3), also=4), (4, 3), groups=GROUPS
    ),
    "groups and NaN targets": lambda: Layout(
        -1, drop(_groups_in_rows(2)), (2, 4), "NaN targets", GROUPS
    ),
}  # fmt: skip
