"""The options of the fit loop that change how a step is taken."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import directloss as dl
from directloss.errors import ArgumentError
from directloss.training import FitConfig, FitResult, fit
from tests.training.arrays import small_parts


def train(epochs: int, learning_rate: float = 0.1, **options: object) -> FitResult:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))
    config = FitConfig(learning_rate=learning_rate, epochs=epochs, evaluations=5, **options)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5)
    return fit(model, loss_fn, small_parts(), dl.AveragePrecision(), config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score_memory": -1}, "score_memory: got -1"),
        ({"score_memory": 2}, "score_memory: got 2, wanted 0, as every step sees all"),
        ({"score_memory": 2, "batch": "all"}, "score_memory: got 2, wanted 0"),
        ({"batch": "every"}, "batch: got 'every', wanted 'mini' or 'all'"),
        ({"batch": "all", "batch_size": 0}, "batch_size: got 0"),
        ({"batch": "all", "positives": 3}, "positives: got 3, wanted None"),
    ],
)
def test_options_of_the_fit_loop(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        FitConfig(learning_rate=0.1, **options)


@pytest.mark.parametrize(
    "options", [{"batch": "all", "batch_size": 50}, {"batch_size": 16, "score_memory": 4}], ids=str
)
def test_the_fit_loop_trains_with_it(options: dict[str, object]) -> None:
    result = train(20, **options)
    assert result.test > 0.8
    assert result.history.iteration[-1] == (20 if "batch" in options else 20 * 8)


def test_whole_data_sets_are_full_batches() -> None:
    full = train(5).history
    for options in ({"batch_size": 17}, {}):
        history = train(5, batch="all", **options).history
        assert history.test == pytest.approx(full.test, abs=1e-6)
        assert history.spread == pytest.approx(full.spread, rel=1e-5)
        assert history.zero_gradient == full.zero_gradient


def test_divergence_is_noticed_in_two_passes() -> None:
    assert train(20, learning_rate=1e38, batch="all").diverged
