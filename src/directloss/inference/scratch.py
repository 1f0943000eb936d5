"""Scratch memory for lists that are ranked by position, one after the other."""

from __future__ import annotations

import numpy as np

from directloss.inference import memory
from directloss.inference._kernel import Array

__all__ = ["Workspace", "workspaces"]


class Workspace:
    """Scratch memory of a range of lists, as long as the longest of them, which has n items.

    Attributes:
        words: uint64, the block itself.
        keys: uint64, one for each item of the range.
        spare: uint64 (n,), for a sort: the memory of `shifted`.
        arrays: what kernels take: discounts, shared, ordered, shifted, float64 (n,); items, merged,
            other, uint32 (n,); narrow, float32 (n,), the memory of `merged`; and places, uint32
            (rows, >= n).
    """

    def __init__(self, words: Array, shape: tuple[int, ...]) -> None:
        self.words, self.shape = words, shape
        n, items, rows = shape
        half = n // 2 + 1
        wide = words[: 4 * n].view(np.float64).reshape(4, n)
        end = 4 * n + 3 * half
        narrow = words[4 * n : end].view(np.uint32).reshape(3, 2 * half)[:, :n]
        places = words[end : end + rows * half].view(np.uint32).reshape(rows, 2 * half)
        end += rows * half
        self.keys, self.spare = words[end : end + items], words[3 * n : 4 * n]
        self.arrays = *wide, *narrow, narrow[1].view(np.float32), places


def _words(longest: int, items: int, rows: int) -> int:
    return 4 * longest + (3 + rows) * (longest // 2 + 1) + items


workspaces = memory.Kept(Workspace, _words)
"""By items of the longest list, items of all, and rankings of a list that are held at once."""
