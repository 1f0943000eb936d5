"""Samplers of grades, of many labels and by weight; passes that are taken up again or shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from directloss.errors import ArgumentError
from directloss.training import (
    BalancedBatchSampler,
    MultilabelBatchSampler,
    StratifiedBatchSampler,
    WholeListSampler,
)
from directloss.training._passes import checked_weights, turn

GRADES = np.repeat([0, 1, 2, 3], [60, 25, 12, 3])
LABELS = np.random.default_rng(0).random((80, 5)) < [0.02, 0.1, 0.3, 0.5, 0.9]
LABELS[7] = True

SAMPLERS: dict[str, Callable[..., Any]] = {
    "balanced": lambda **options: BalancedBatchSampler(GRADES > 1, 12, **options),
    "stratified": lambda **options: StratifiedBatchSampler(GRADES, 12, **options),
    "multi-label": lambda **options: MultilabelBatchSampler(LABELS, 12, positives=2, **options),
    "whole lists": lambda **options: WholeListSampler(np.arange(90) // 3, 12, **options),
}
WEIGHTED = [name for name in SAMPLERS if name != "whole lists"]


@pytest.mark.parametrize("name", SAMPLERS)
def test_seed_and_epoch_decide_the_batches(name: str) -> None:
    sampler, again = SAMPLERS[name](seed=4), SAMPLERS[name](seed=4)
    first, second = list(sampler), list(sampler)
    assert len(first) == len(sampler) and first != second
    again.set_epoch(1)
    assert list(again) == second
    assert list(SAMPLERS[name](seed=5)) != first


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_number_of_an_epoch_is_a_whole_number(name: str) -> None:
    sampler = SAMPLERS[name]()
    for wrong in ("1", -1, 1.0, True, None, 2**63):
        with pytest.raises(ArgumentError, match=r"^epoch: got .*, wanted an int >= 0"):
            sampler.set_epoch(wrong)
    second = [*sampler, *sampler][len(sampler) :]
    for number in (1, np.int64(1), np.uint8(1), torch.tensor(1)):
        sampler.set_epoch(number)
        assert sampler.state_dict()["epoch"] == 1
        assert list(sampler) == second


@pytest.mark.parametrize(
    ("make", "targets"),
    [
        (BalancedBatchSampler, GRADES > 1),
        (StratifiedBatchSampler, GRADES),
        (MultilabelBatchSampler, LABELS),
    ],
)
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_targets_and_weights_of_any_precision_are_taken(
    make: Callable[..., Any], targets: Any, kind: torch.dtype
) -> None:
    weights = np.arange(len(targets)) % 3 + 1.0
    given = torch.from_numpy(targets).to(kind), torch.from_numpy(weights).to(kind)
    assert list(make(given[0], 12)) == list(make(targets, 12))
    assert list(make(given[0], 12, weights=given[1])) == list(make(targets, 12, weights=weights))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("drawn", [0, 1, 3, "all"])
def test_a_pass_is_taken_up_at_any_batch(name: str, drawn: Any) -> None:
    sampler = SAMPLERS[name](seed=1)
    expected = [*sampler, *sampler, *sampler]
    count = len(sampler) if drawn == "all" else drawn
    sampler.set_epoch(1)
    assert list(islice(sampler, count)) == expected[len(sampler) :][:count]
    state = sampler.state_dict()
    resumed = SAMPLERS[name](seed=1)
    resumed.load_state_dict(state)
    resumed.set_epoch(state["epoch"])  # as loops do that name each epoch
    rest = [*resumed, *resumed] if drawn != "all" else [*resumed]
    assert rest == expected[len(sampler) + count :]
    resumed.set_epoch(0)
    assert list(resumed) == expected[: len(sampler)]


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("processes", [2, 3])
def test_the_shares_of_all_processes_are_the_batches_of_one(name: str, processes: int) -> None:
    whole = list(SAMPLERS[name](seed=2))
    shares = [
        list(SAMPLERS[name](seed=2, process=rank, processes=processes)) for rank in range(processes)
    ]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert sorted(batch) == sorted(row for part in parts for row in part)
        sizes = [len(part) for part in parts]
        assert min(sizes) > 0 and max(sizes) - min(sizes) <= (3 if name == "whole lists" else 1)


def test_each_process_has_its_part_of_the_positives() -> None:
    targets = np.arange(200) % 10 == 0
    for rank in range(4):
        for batch in BalancedBatchSampler(targets, 40, positives=8, process=rank, processes=4):
            assert len(batch) == 10 and targets[batch].sum() == 2


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(5, 20))
def test_every_batch_holds_every_grade_in_its_share(grades: list[int], size: int) -> None:
    size = min(size, len(grades))
    sampler = StratifiedBatchSampler(torch.tensor(grades), size)
    counts = np.bincount(grades, minlength=5)[sampler.values]
    assert sampler.per_batch.sum() == size and sampler.per_batch.min() >= 1
    for batch in sampler:
        assert len(set(batch)) == size
        found = Counter(grades[row] for row in batch)
        assert [found[value] for value in sampler.values] == sampler.per_batch.tolist()
    share = size * counts / counts.sum()
    assert (sampler.per_batch <= np.maximum(np.ceil(share), 1)).all()


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.data())
def test_every_batch_holds_positives_of_every_class(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    rows, classes, positives = rng.integers(8, 40), rng.integers(1, 4), rng.integers(1, 3)
    labels = (rng.random((rows, classes)) < rng.random(classes)).astype(float)
    labels[rng.integers(rows)] = 1.0
    labels[rng.random(labels.shape) < 0.1] = np.nan
    labels[0] = 1.0
    size = int(rng.integers(classes * positives, rows + 1))
    sampler = MultilabelBatchSampler(labels, size, positives=positives)
    wanted = np.minimum(positives, (labels == 1).sum(0))
    batches = list(sampler)
    assert len(batches) == -(-rows // size)
    for batch in batches:
        assert len(batch) == size == len(set(batch))
        assert ((labels[batch] == 1).sum(0) >= wanted).all()


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_of_one_draw_every_sample_about_as_often(name: str) -> None:
    sampler = SAMPLERS[name](weights=np.ones(len(LABELS if name == "multi-label" else GRADES)))
    assert len(list(sampler)) == len(sampler)
    if name != "multi-label":
        counts = Counter(row for batch in sampler for row in batch)
        for value in (GRADES > 1, GRADES <= 1) if name == "balanced" else (GRADES == 0,):
            drawn = [counts[row] for row in np.flatnonzero(value)]
            assert max(drawn) - min(drawn) <= 1


def test_rows_come_in_proportion_to_their_weight() -> None:
    rng = np.random.default_rng(3)
    targets, weights = np.arange(60) % 3 == 0, rng.random(60)
    weights[:6] = 0.0
    sampler = BalancedBatchSampler(targets, 20, weights=torch.from_numpy(weights))
    share = weights[targets].sum() / weights.sum()
    assert sampler.positives_per_batch == round(20 * share)
    counts = Counter(row for _ in range(200) for batch in sampler for row in batch)
    assert not any(counts[row] for row in range(6))
    for chosen, size in ((targets, sampler.positives_per_batch), (~targets, None)):
        size = 20 - sampler.positives_per_batch if size is None else size
        rows = np.flatnonzero(chosen)
        drawn = np.array([counts[row] for row in rows]) / (200 * len(sampler) * size)
        assert np.abs(drawn - weights[rows] / weights[rows].sum()).max() < 8e-3


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    st.lists(st.sampled_from([0.0, 0.3, 1.0, 2.5, 1e300]), min_size=1, max_size=30),
    st.integers(0, 9),
)
def test_a_weighted_turn_rounds_what_each_sample_is_due(weights: list[float], seed: int) -> None:
    given_weights = checked_weights(np.array([*weights, 1.0]), len(weights) + 1)
    assert given_weights is not None
    rows = len(given_weights)
    drawn = turn(np.arange(rows), given_weights, np.random.default_rng(seed))
    due = rows * given_weights / given_weights.sum()
    counts = np.bincount(drawn, minlength=rows)
    assert counts.sum() == rows and (np.abs(counts - due) < 1 + 1e-9).all()
    assert not counts[given_weights == 0].any()


def test_weights_shift_the_shares_of_grades_too() -> None:
    sampler = StratifiedBatchSampler([0] * 90 + [1] * 10, 20, weights=[1.0] * 90 + [9.0] * 10)
    assert sampler.per_batch.tolist() == [10, 10]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StratifiedBatchSampler([0, 1, 2], 2), "batch_size: got 2, wanted 3 to 3"),
        (lambda: StratifiedBatchSampler([0, 1, 2], 4), "batch_size: got 4, wanted 3 to 3"),
        (
            lambda: StratifiedBatchSampler([0, 1], 2, processes=3),
            "processes: got 3, wanted no more",
        ),
        (lambda: StratifiedBatchSampler([0, np.nan], 2), "targets: got NaN"),
        (lambda: StratifiedBatchSampler([[0, 1]], 2), r"targets: got shape \(1, 2\)"),
        (lambda: MultilabelBatchSampler([[1, 0], [1, 0]], 2), "no positive of class 1"),
        (lambda: MultilabelBatchSampler([[1, 2], [1, 0]], 2), "targets: got 2"),
        (lambda: MultilabelBatchSampler([[1, 1], [1, 0]], 1), "batch_size: got 1, wanted 2 to 2"),
        (lambda: MultilabelBatchSampler([[1], [1]], 3), "batch_size: got 3, wanted 1 to 2"),
        (lambda: BalancedBatchSampler([0, 1], 2, weights=[1]), r"numbers of shape \(2,\)"),
        (lambda: BalancedBatchSampler([0, 1], 2, weights=[1, -1]), "weights: got -1.0"),
        (lambda: BalancedBatchSampler([0, 1], 2, weights=[1, 0]), "0 for all positives"),
        (lambda: BalancedBatchSampler([0, 1], 2, process=2, processes=2), "process: got 2"),
        (lambda: BalancedBatchSampler([0, 1], 2, processes=3), "batch_size: got 2, wanted 3"),
        (lambda: WholeListSampler([0, 0], 2, processes=2), "groups: got 1 lists, wanted 2"),
        (lambda: WholeListSampler([0.5, 1], 2), "groups: got shape"),
        (
            lambda: SAMPLERS["stratified"]().load_state_dict({"epoch": 0, "batch": 9}),
            "state.*: got 9, wanted 0 to 8",
        ),
        (
            lambda: SAMPLERS["stratified"]().load_state_dict({"epoch": 0, "batch": 1, "seed": 77}),
            r"state\['seed'\]: got 77, wanted \d+, that of the sampler",
        ),
    ],
)
def test_bad_arguments(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()
