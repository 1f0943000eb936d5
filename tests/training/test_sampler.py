from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from directloss.errors import ArgumentError
from directloss.training import BalancedBatchSampler, WholeListSampler


@st.composite
def samplers(draw: st.DrawFn) -> tuple[np.ndarray, BalancedBatchSampler]:
    positives = draw(st.integers(1, 30))
    negatives = draw(st.integers(1, 60))
    targets = np.array([1] * positives + [0] * negatives)
    np.random.default_rng(draw(st.integers(0, 99))).shuffle(targets)
    size = draw(st.integers(2, min(40, positives + negatives)))
    share = draw(st.none() | st.integers(1, size - 1) | st.floats(0.01, 0.99))
    return targets, BalancedBatchSampler(
        targets, size, positives=share, seed=draw(st.integers(0, 9))
    )


@given(samplers())
def test_every_batch_is_full_and_holds_the_stated_number_of_positives(
    case: tuple[np.ndarray, BalancedBatchSampler],
) -> None:
    targets, sampler = case
    batches = list(sampler)
    assert len(batches) == len(sampler) == -(-len(targets) // sampler.batch_size)
    for batch in batches:
        assert len(batch) == sampler.batch_size
        assert targets[batch].sum() == sampler.positives_per_batch
        assert 0 < sampler.positives_per_batch < sampler.batch_size


@given(samplers())
def test_no_sample_is_drawn_twice_more_often_than_another_of_its_class(
    case: tuple[np.ndarray, BalancedBatchSampler],
) -> None:
    targets, sampler = case
    counts = Counter(index for batch in sampler for index in batch)
    for label in (0, 1):
        drawn = [counts[index] for index in np.flatnonzero(targets == label)]
        assert max(drawn) - min(drawn) <= 1


@given(samplers())
def test_no_batch_repeats_a_sample_of_a_class_that_is_large_enough(
    case: tuple[np.ndarray, BalancedBatchSampler],
) -> None:
    targets, sampler = case
    for batch in sampler:
        for label in (0, 1):
            drawn = [index for index in batch if targets[index] == label]
            if (targets == label).sum() >= len(drawn):
                assert len(set(drawn)) == len(drawn)


@given(samplers())
def test_seed_and_epoch_decide_the_order(case: tuple[np.ndarray, BalancedBatchSampler]) -> None:
    targets, sampler = case
    again = BalancedBatchSampler(
        targets, sampler.batch_size, positives=sampler.positives_per_batch, seed=sampler.seed
    )
    first, second = list(sampler), list(sampler)
    assert list(again) == first
    again.set_epoch(1)
    assert list(again) == second
    again.set_epoch(0)
    assert list(again) == first


def test_another_seed_and_another_epoch_give_another_order() -> None:
    targets = torch.arange(200) % 10 == 0
    first = list(BalancedBatchSampler(targets, 16, seed=0))
    sampler = BalancedBatchSampler(targets, 16, seed=1)
    assert first != list(sampler) != list(sampler)


def test_share_of_the_data_is_kept_by_default_but_never_zero() -> None:
    rare = np.zeros(1000, dtype=bool)
    rare[:3] = True
    assert BalancedBatchSampler(rare, 50).positives_per_batch == 1
    assert BalancedBatchSampler(np.arange(1000) < 200, 50).positives_per_batch == 10
    assert BalancedBatchSampler(np.arange(1000) < 200, 50, positives=0.5).positives_per_batch == 25


def test_works_as_the_batch_sampler_of_a_data_loader() -> None:
    targets = (torch.arange(90) % 9 == 0).float()
    data = TensorDataset(torch.arange(90.0), targets)
    sampler = BalancedBatchSampler(targets, 20, positives=5)
    sizes = [
        (len(rows), int(labels.sum())) for rows, labels in DataLoader(data, batch_sampler=sampler)
    ]
    assert sizes == [(20, 5)] * 5


@pytest.mark.parametrize(
    ("targets", "size", "positives", "message"),
    [
        ([0, 0, 0], 2, None, "targets: got 0 positives and 3 negatives"),
        ([1, 1, 1], 2, None, "targets: got 3 positives and 0 negatives"),
        ([-1, 1, 1], 2, None, "0/1 labels"),
        ([[0, 1]], 2, None, r"shape \(1, 2\)"),
        ([0, 1], 1, None, "batch_size: got 1"),
        ([0, 0, 1, 1], 4, 4, "positives: got 4, wanted 1 to batch_size - 1 = 3"),
        ([0, 0, 1, 1], 4, 0, "positives: got 0"),
        ([0, 0, 1, 1], 4, 1.5, "positives: got 1.5, wanted a share"),
        ([0, 0, 1, 1], 4, True, "positives: got True, wanted a share"),
        ([0, 1], 4.0, None, "batch_size: got 4.0"),
        ([0, 1, 0], 4, None, "batch_size: got 4, wanted 2 to 3"),
        ([0, 1, 0], 10**12, 1, "batch_size: got 1000000000000, wanted 2 to 3"),
    ],
)
def test_bad_arguments(
    targets: list[int], size: int, positives: int | float | None, message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        BalancedBatchSampler(np.array(targets), size, positives=positives)


def test_numbers_of_numpy_are_numbers() -> None:
    targets = np.arange(40) % 4 == 0
    for one, other in ((3, np.int64(3)), (3, np.array(3)), (0.25, np.float32(0.25))):
        batches = [
            list(BalancedBatchSampler(targets, size, positives=positives))
            for size, positives in ((8, one), (np.int64(8), other))
        ]
        assert batches[0] == batches[1]


def test_whole_lists_stay_together_and_every_sample_comes_once_an_epoch() -> None:
    groups = torch.tensor([4, 1, 4, 9, 1, 4, 7, 9])
    sampler = WholeListSampler(groups, 3, seed=2)
    assert len(sampler) == 3
    epochs = [list(sampler) for _ in range(2)]
    for batches in epochs:
        assert sorted(row for batch in batches for row in batch) == list(range(8))
        lists = [set(groups[batch].tolist()) for batch in batches]
        assert sum(map(len, lists)) == 4
    sampler.set_epoch(0)
    assert list(sampler) == epochs[0]
    assert len(WholeListSampler(groups, 1)) == 4
    with pytest.raises(ArgumentError, match="batch_size: got 0"):
        WholeListSampler(groups, 0)
