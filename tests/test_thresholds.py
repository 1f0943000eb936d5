"""The threshold of a metric of decisions, against all cuts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss.errors import ArgumentError, NonFiniteScoreError

TASKS = [
    dl.ZeroOne(), dl.BalancedError(), dl.FBeta(), dl.FBeta(2.0), dl.Jaccard(), dl.GMean(),
    dl.MatthewsCorrelation(), dl.Tversky(0.3, 0.9),
    dl.CountingTask(lambda tp, fp, fn, tn: (3 * fn + fp + 2 * np.sin(fp) ** 2) / (fp + tn + 9)),
]  # fmt: skip


def drawn(seed: int, digits: int) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(seed)
    targets = torch.from_numpy(generator.permutation(np.arange(30) < 3 + seed % 5))
    return torch.from_numpy(generator.normal(size=30).round(digits)), targets


@pytest.mark.parametrize("task", TASKS, ids=repr)
@pytest.mark.parametrize("digits", [0, 1, 6])
def test_the_fitted_threshold_is_the_best_of_all(task: dl.Task, digits: int) -> None:
    for seed in range(20):
        scores, targets = drawn(seed, digits)
        values = scores.unique()
        cuts = torch.cat([values[:1] - 1, (values[1:] + values[:-1]) / 2, values[-1:] + 1])
        metrics = [float(task.metric(scores - cut, targets)) for cut in cuts]
        best = max(metrics) if task.higher_is_better else min(metrics)
        fitted = dl.fit_threshold(scores, targets, task)
        assert float(task.metric(scores - fitted, targets)) == pytest.approx(best, abs=1e-12)


def test_a_head_is_read_at_0_when_its_bias_is_less_by_the_threshold() -> None:
    """A head whose order is right and whose offset is none, as a ranking metric leaves it."""
    torch.manual_seed(0)
    x = torch.randn(200, 3)
    y = x[:, 0] > 1
    head = nn.Linear(3, 1)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0, 0.0]]))
        head.bias.fill_(7.0)
        assert float(dl.FBeta().metric(head(x)[:, 0], y)) < 0.5
        head.bias -= dl.fit_threshold(head(x)[:, 0], y, dl.FBeta())
        assert float(dl.FBeta().metric(head(x)[:, 0], y)) == 1.0


def test_all_axes_are_one_list_of_any_type() -> None:
    scores, targets = drawn(0, 6)
    wanted = dl.fit_threshold(scores, targets, dl.FBeta())
    assert dl.fit_threshold(scores.reshape(2, 3, 5), targets.reshape(2, 3, 5), dl.FBeta()) == wanted
    assert dl.fit_threshold(scores, targets.float(), dl.FBeta()) == wanted
    assert dl.fit_threshold(scores.numpy(), targets.numpy(), dl.FBeta()) == wanted
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        rounded = scores.to(dtype)
        cut = dl.fit_threshold(rounded.requires_grad_(), targets, dl.FBeta())
        wide = dl.fit_threshold(rounded.double(), targets, dl.FBeta())
        assert torch.tensor(cut, dtype=dtype).item() == cut
        assert torch.equal(rounded > cut, rounded.double() > wide)


def test_extremes() -> None:
    largest = torch.finfo(torch.float64).max
    scores = torch.tensor([largest, largest / 2, -largest], dtype=torch.float64)
    assert dl.fit_threshold(scores, torch.tensor([1, 1, 0]), dl.ZeroOne()) == -largest / 4
    assert dl.fit_threshold(torch.tensor([1.0, 3.0]), torch.tensor([0, 0]), dl.ZeroOne()) == 4.0
    assert dl.fit_threshold(torch.tensor([1.0, 3.0]), torch.tensor([1, 1]), dl.ZeroOne()) == 0.0


def test_what_has_no_threshold_is_refused_by_name() -> None:
    scores, targets = torch.tensor([1.0, 2.0]), torch.tensor([0, 1])
    with pytest.raises(ArgumentError, match=r"^task: got AveragePrecision\(\), wanted a metric of"):
        dl.fit_threshold(scores, targets, dl.AveragePrecision())
    with pytest.raises(ArgumentError, match=r"^targets: got 2"):
        dl.fit_threshold(scores, 2 * targets, dl.FBeta())
    with pytest.raises(ArgumentError, match=r"^targets: got shape"):
        dl.fit_threshold(scores, targets[:1], dl.FBeta())
    with pytest.raises(ArgumentError, match=r"^scores: got none"):
        dl.fit_threshold(scores[:0], targets[:0], dl.FBeta())
    with pytest.raises(ArgumentError, match=r"^scores: got list"):
        dl.fit_threshold([1.0, 2.0], targets, dl.FBeta())  # type: ignore[arg-type]
    if np.longdouble(0).itemsize > 8:
        with pytest.raises(ArgumentError, match=r"^scores: got an array of type"):
            dl.fit_threshold(scores.numpy().astype(np.longdouble), targets, dl.FBeta())
    for value in (math.inf, math.nan):
        with pytest.raises(NonFiniteScoreError, match=r"^scores: got 1 that are not finite"):
            dl.fit_threshold(torch.tensor([1.0, value]), targets, dl.FBeta())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_the_threshold_parts_the_scores_in_their_own_type(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        scores = torch.randn(300, generator=generator).to(dtype)
        targets = (torch.rand(300, generator=generator) + 0.2 * scores.float() > 0.7).long()
        found = dl.fit_threshold(scores, targets, dl.FBeta())
        wanted = dl.fit_threshold(scores.double(), targets, dl.FBeta())
        decided = scores > found
        assert torch.equal(decided, scores.double() > wanted)
        assert torch.equal(decided, scores - torch.tensor(found, dtype=dtype) > 0)
    high = torch.tensor(1.0, dtype=dtype)
    neighbours = torch.stack([torch.nextafter(high, high + 1), high])
    found = dl.fit_threshold(neighbours, torch.tensor([1, 0]), dl.FBeta())
    assert (neighbours > found).tolist() == [True, False]
    far = torch.tensor([1024.0], dtype=dtype)  # less 1 it is 1024 again in bfloat16
    assert (far > dl.fit_threshold(far, torch.tensor([1]), dl.FBeta())).all()
