"""Keys that numpy has sorted: the same order, and so the same losses to the last bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

import directloss as dl
from directloss.inference import sorting
from directloss.inference.sorting import INDEX, LABEL, ONE_BIT, sorted_keys

TASKS = [
    dl.AveragePrecision(),
    dl.AveragePrecision(k=20),
    dl.ROCAUC(),
    dl.NDCG(),
    dl.PrecisionAtK(30),
    dl.BEDROC(),
    dl.Jaccard(),
    dl.GMean(),
]
LAYOUTS = {
    "one list": [20_000],
    "rows": [3_000] * 4,
    "short rows": [50] * 400,
    "ragged": [9_000, 2_500, 4_000, 2_049],
    "few items": [200] * 3,
}


def draw(sizes: list[int], style: str = "ties") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    n = sum(sizes)
    scores = rng.normal(size=n)
    if style == "ties":
        scores = np.round(scores, 1)
        scores[rng.random(n) < 0.01] = np.inf
        scores[rng.random(n) < 0.01] = -0.0
    labels = (rng.random(n) < 0.2).astype(np.uint8)
    return scores.astype(np.float32), labels, np.cumsum([0, *sizes])


def let_numpy_sort(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    monkeypatch.setattr(sorting, "_numpy_is_vectorised", lambda: answer)
    monkeypatch.setattr(sorting, "_numpy_is_faster", lambda: answer)


@pytest.mark.parametrize("by_numpy", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_keys_hold_each_list_in_ranked_order(
    layout: str, by_numpy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_numpy_sort(monkeypatch, by_numpy)
    sizes = LAYOUTS[layout]
    scores, labels, offsets = draw(sizes)
    first = 0 if len(sizes) == 1 else 1
    begin = offsets[first]
    keys, spare = np.empty((2, scores.size - begin), np.uint64)
    sorted_keys(first, len(sizes), scores, labels, offsets, ONE_BIT, keys, spare)
    for a, b in zip(offsets[first:-1], offsets[first + 1 :], strict=True):
        wanted = np.lexsort((np.arange(b - a), labels[a:b], -scores[a:b]))
        found = keys[a - begin : b - begin].astype(np.uint32)
        np.testing.assert_array_equal(found & INDEX, wanted)
        np.testing.assert_array_equal((found & LABEL) != 0, labels[a:b][wanted] == 1)


def test_many_short_lists_of_uneven_length_are_sorted_without_a_call_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_numpy_sort(monkeypatch, True)
    monkeypatch.setattr(sorting, "_pack", None)  # with which numpy's way begins
    sizes = [5] * 4_000 + [6]
    scores, labels, offsets = draw(sizes)
    keys, spare = np.empty(scores.size, np.uint64), np.empty(max(sizes), np.uint64)
    sorted_keys(0, len(sizes), scores, labels, offsets, ONE_BIT, keys, spare)
    for a, b in pairwise(offsets):
        wanted = np.lexsort((np.arange(b - a), labels[a:b], -scores[a:b]))
        np.testing.assert_array_equal(keys[a:b].astype(np.uint32) & INDEX, wanted)


def loss_and_gradient(
    task: dl.Task, layout: str, style: str, graded: bool = False
) -> tuple[Tensor, Tensor]:
    sizes = LAYOUTS[layout]
    flat, labels, _ = draw(sizes, style)
    scores = torch.from_numpy(flat).requires_grad_()
    targets = torch.from_numpy(labels)
    if graded:
        targets = targets * torch.randint(1, 16, targets.shape)
    groups = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    loss_fn = dl.DirectLoss(task, epsilon=0.3, direction="both", reduction="none")
    if len(set(sizes)) == 1:
        shape = (len(sizes), sizes[0])
        loss = loss_fn(scores.reshape(shape), targets.reshape(shape))
    else:
        loss = loss_fn(scores, targets, groups=groups)
    loss.sum().backward()
    assert scores.grad is not None
    return loss.detach(), scores.grad


@pytest.mark.parametrize("style", ["ties", "no ties"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("task", "graded"), [*((task, False) for task in TASKS), (dl.NDCG(), True)], ids=repr
)
def test_either_sort_gives_the_same_loss(
    task: dl.Task, graded: bool, layout: str, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for numpy_is_faster in (True, False):
        torch.manual_seed(0)
        let_numpy_sort(monkeypatch, numpy_is_faster)
        found.append(loss_and_gradient(task, layout, style, graded))
    (loss, gradient), (other_loss, other_gradient) = found
    assert torch.equal(loss, other_loss)
    assert torch.equal(gradient, other_gradient)
    if style == "no ties":  # the best may tie at +inf, which nothing moves
        assert gradient.abs().max() > 0


@pytest.mark.parametrize("name", ["_numpy_is_vectorised", "_numpy_is_faster"])
def test_which_is_faster_is_found_out_once(name: str) -> None:
    find_out = getattr(sorting, name)
    find_out.cache_clear()
    first = find_out()
    assert all(find_out() is first for _ in range(3))
    assert find_out.cache_info().misses == 1
