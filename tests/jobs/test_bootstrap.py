from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import directloss as dl
from directloss.jobs.bootstrap import estimate
from directloss.jobs.scoring import Scored
from directloss.training import bootstrap
from directloss.training.bootstrap import resamples_for


def samples(size: int, right: float = 0.8) -> Scored:
    generator = torch.Generator().manual_seed(1)
    targets = torch.rand(size, generator=generator) < 0.5
    correct = torch.rand(size, generator=generator) < right
    return Scored(torch.where(targets == correct, 1.0, -1.0).double(), targets)


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    scored = samples(400)
    found = estimate("accuracy", scored, {}, resamples=1000, seed=0)
    spread = math.sqrt(found.value * (1 - found.value) / 400)
    assert found.value == pytest.approx(0.8, abs=3 * spread)
    assert found.low == pytest.approx(found.value - 1.96 * spread, abs=0.25 * spread)
    assert found.high == pytest.approx(found.value + 1.96 * spread, abs=0.25 * spread)
    assert found.undefined == 0


def test_intervals_cover_as_often_as_they_say() -> None:
    covered = 0
    for k in range(200):
        generator = torch.Generator().manual_seed(k)
        targets = torch.rand(120, generator=generator) < 0.5
        correct = torch.rand(120, generator=generator) < 0.7
        scores = torch.where(targets == correct, 1.0, -1.0).double()
        found = estimate("accuracy", Scored(scores, targets), {}, resamples=200, seed=k)
        covered += found.low <= 0.7 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_pieces_do_not_change_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    scored = samples(50)
    whole = estimate("accuracy", scored, {}, resamples=64, seed=3)
    monkeypatch.setattr(bootstrap, "_AT_A_TIME", 350)
    steps: list[int] = []
    pieces = estimate("accuracy", scored, {}, resamples=64, seed=3, on_resample=steps.append)
    assert pieces == whole
    assert sum(steps) == 64
    assert len(steps) == 10


def test_resamples_without_a_positive_are_left_out_and_counted() -> None:
    targets = torch.arange(10) == 0
    scored = Scored(torch.arange(10.0).double(), targets)
    found = estimate("average-precision", scored, {}, resamples=1000, seed=0)
    assert found.undefined == pytest.approx((1 - 1 / 10) ** 10, abs=0.05)
    assert found.value == pytest.approx(0.1)
    assert 0 < found.low < found.high


def test_queries_are_drawn_whole() -> None:
    generator = np.random.default_rng(0)
    groups = torch.arange(600) // 20
    targets = torch.from_numpy(generator.random(600) < 0.3)
    scores = torch.from_numpy(generator.normal(size=600))
    found = estimate(
        "average-precision", Scored(scores, targets, groups), {}, resamples=500, seed=0
    )
    of_lists = (
        dl.AveragePrecision().metric(scores, targets, groups=groups, reduction="none").numpy()
    )
    of_lists = of_lists[~np.isnan(of_lists)]  # a query without a positive
    error = of_lists.std() / math.sqrt(len(of_lists))
    assert found.value == pytest.approx(of_lists.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_none_and_few_resamples() -> None:
    found = estimate("accuracy", samples(30), {}, resamples=0, seed=0)
    assert found.low is None
    assert found.undefined == 0
    assert [resamples_for(size) for size in (1, 20_000, 100_000, 10**7)] == [1000, 1000, 200, 100]
