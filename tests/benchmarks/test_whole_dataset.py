"""The harness of the whole-data-set section, on few rows."""

from __future__ import annotations

import pytest
import torch

from benchmarks import tables, whole_dataset
from benchmarks.timing import Effort


def test_a_stream_gives_the_same_rows_at_each_pass() -> None:
    stream = whole_dataset.Stream(25, 10, (3, 2))
    first, second = list(stream), list(stream)
    assert [len(targets) for _, targets in first] == [10, 10, 5]
    assert first[0][0].shape == (10, 3, 2)
    assert not torch.equal(first[0][0], first[1][0])
    for one, other in zip(first, second, strict=True):
        assert all(map(torch.equal, one, other))


@pytest.mark.parametrize("name", whole_dataset.NETWORKS)
def test_rows_of_every_network(name: str) -> None:
    make, stream = whole_dataset.NETWORKS[name]
    few = whole_dataset.Stream(256, 100, stream.shape)
    rounding = whole_dataset._rounding(name, make(), few)
    assert 0 <= rounding["same_scores"] < 1e-5
    assert 0 <= rounding["end_to_end"] < 1e-3
    network, passes = make(), []
    network.register_forward_hook(lambda *_: passes.append(network.training))
    overhead = whole_dataset._overhead(name, network, few, Effort(seconds=0.0, fewest=1, most=1))
    assert overhead["ratio"] > 0  # one repetition says no more of time
    # The plain step passes each of the chunks once, that of the whole data set twice; how often
    # each runs depends on the time that it takes.
    chunks = len(list(few))
    assert len(passes) >= 3 * chunks and len(passes) % chunks == 0
    assert (overhead["network"], overhead["n"], overhead["chunk"]) == (name, 256, 100)


def test_the_tables() -> None:
    rows = [
        {"kind": "memory", "n": 10, "growth_bytes": 5_000_000},
        {"kind": "memory", "n": 100_000, "growth_bytes": 6_000_000},
        {"kind": "memory", "n": 1_000_000, "growth_bytes": 60_000_000},
        {
            "kind": "overhead",
            "network": "net",
            "n": 20_000,
            "chunk": 100,
            "seconds": 0.25,
            "ratio": 1.5,
        },
        {
            "kind": "rounding",
            "network": "net",
            "n": 20_000,
            "same_scores": 1e-7,
            "end_to_end": 2e-6,
        },
    ]
    text = tables.whole({"whole": rows})
    assert "| 10⁶ | 60.0 MB |" in text
    assert "| a row, from 10⁵ rows | 60 bytes |" in text
    assert "| net | 20,000 | 100 | 250 ms | ×1.50 |" in text
    assert "| net | 20,000 | 1e-07 | 2e-06 |" in text
