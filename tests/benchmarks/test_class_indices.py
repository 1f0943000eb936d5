"""The benchmark of class indices: its table, its losses, and memory within cross-entropy's."""

from __future__ import annotations

import sys

import pytest

from benchmarks import tables
from benchmarks.class_indices import LOSSES, REFERENCE, data, growth


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_a_gradient(name: str) -> None:
    scores, targets = data((2, 8, 24, 24))
    LOSSES[name]()(scores, targets).backward()
    assert scores.grad is not None and scores.grad.any()
    assert not scores.grad.movedim(1, -1)[targets == 255].any()


def test_the_table_has_a_line_a_loss() -> None:
    row = {"loss": "ours", "growth_bytes": 2e6, "memory_ratio": 1.25, "seconds": 0.5, "ratio": 3.0}
    found = tables.class_indices({"class_indices": [row]})
    assert found.splitlines()[-1] == "| ours | 2.00 MB (×1.25) | 500 ms (×3.00) |"


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is only known on Linux")
def test_memory_is_within_that_of_cross_entropy() -> None:
    shape = (4, 21, 192, 192)
    assert growth("Jaccard(), classes", shape) < 1.3 * growth(REFERENCE, shape)
