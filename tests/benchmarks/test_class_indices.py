"""The benchmark of class indices: its table, its losses, and memory within cross-entropy's."""

from __future__ import annotations

import sys

import pytest

from benchmarks.class_indices import LOSSES, REFERENCE, data, growth, table


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_a_gradient(name: str) -> None:
    scores, targets = data((2, 8, 24, 24))
    LOSSES[name]()(scores, targets).backward()
    assert scores.grad is not None and scores.grad.any()
    assert not scores.grad.movedim(1, -1)[targets == 255].any()


def test_the_table_has_a_line_a_loss() -> None:
    measured = {REFERENCE: {"memory": 2.0**20, "time": 0.5}, "ours": {"memory": 1.25, "time": 3.0}}
    assert table(measured).splitlines()[2:] == [
        "| cross-entropy | 1 (1 MiB) | 1 (0.5 s) |",
        "| ours | 1.25 | 3.0 |",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is only known on Linux")
def test_memory_is_within_that_of_cross_entropy() -> None:
    shape = (4, 21, 192, 192)
    assert growth("Jaccard(), classes", shape, 1) < 1.3 * growth(REFERENCE, shape, 1)
