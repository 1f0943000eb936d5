from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import directloss as dl
from directloss.training._rows import Scored
from directloss.training.bootstrap import Difference, difference, resampled


def scored(noise: float, *, seed: int = 0, size: int = 500, groups: bool = False) -> Scored:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(size) % 5 == 0
    scores = targets + noise * torch.randn(size, generator=generator, dtype=torch.float64)
    return Scored(scores, targets, torch.arange(size) // 25 if groups else None)


@pytest.mark.parametrize("groups", [False, True])
def test_a_better_model_is_better_and_the_difference_is_paired(groups: bool) -> None:
    worse, better = scored(2.0, groups=groups), scored(0.5, groups=groups)
    task = dl.AveragePrecision()
    found = difference(task, worse, better)
    expected = [float(task.metric(s.scores, s.targets, groups=s.groups)) for s in (worse, better)]
    assert found.value == pytest.approx(expected[1] - expected[0])
    assert 0 < found.low < found.value < found.high
    assert found.resolved
    assert "not resolved" not in str(found)
    same = difference(task, better, better)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0), "the same resamples"
    assert str(same).endswith(", not resolved")


def test_better_is_above_zero_where_the_metric_should_be_low() -> None:
    class Error(dl.ZeroOne):
        higher_is_better = False  # the metric is then the loss

    models = [Scored(s.scores - 0.5, s.targets) for s in (scored(2.0), scored(0.5))]
    errors = [float(Error().metric(s.scores, s.targets)) for s in models]
    assert errors[0] > errors[1] > 0
    found, same = difference(Error(), *models), difference(dl.ZeroOne(), *models)
    assert found.value == pytest.approx(same.value) == pytest.approx(errors[0] - errors[1])
    assert (found.low, found.high) == pytest.approx((same.low, same.high))


def test_intervals_of_the_difference_cover_as_often_as_they_say() -> None:
    """Two models of accuracy 0.7 and 0.8: each sample is right for both, one or neither."""
    covered = 0
    for k in range(120):
        generator = np.random.default_rng(k)
        chance = generator.random((2, 150))
        right = [torch.from_numpy(c < p) for c, p in zip(chance, (0.7, 0.8), strict=True)]
        targets = torch.from_numpy(generator.random(150) < 0.5)
        models = [Scored(torch.where(targets == r, 1.0, -1.0).double(), targets) for r in right]
        found = difference(dl.ZeroOne(), *models, seed=k)
        covered += found.low <= 0.1 <= found.high
    assert 0.88 <= covered / 120 <= 1.0


def test_without_a_positive_there_is_no_interval() -> None:
    none = Scored(torch.randn(20).double(), torch.zeros(20))
    found = difference(dl.AveragePrecision(), none, none)
    assert math.isnan(found.low)
    assert not found.resolved


def test_words() -> None:
    assert str(Difference(0.0123, 0.001, 0.03)) == "+1.23 points [+0.10, +3.00]"
    assert str(Difference(-0.01, -0.03, 0.01)) == "-1.00 points [-3.00, +1.00], not resolved"


def test_resamples_are_those_of_the_seed() -> None:
    one, other = (
        resampled(dl.AveragePrecision(), scored(1.0), resamples=9, seed=k) for k in (1, 2)
    )
    again = resampled(dl.AveragePrecision(), scored(1.0), resamples=9, seed=1)
    assert (one == again).all()
    assert not (one == other).any()
