from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss.models import MLP
from directloss.training import FitConfig, Part, Parts, fit
from directloss.training.baselines import Logistic
from directloss.training.early_stop import EarlyStop
from directloss.training.history import Entry
from directloss.training.ties import finer, rank
from directloss.training.warm_start import WarmStart


def test_the_metric_comes_first_and_then_what_is_finer() -> None:
    better = rank(0.9, (0.1, 0.0, -5.0), higher_is_better=True)
    assert better > rank(0.8, (0.9, 1.0, -1.0), higher_is_better=True)
    assert better < rank(0.9, (0.2, 0.0, -9.0), higher_is_better=True)
    assert better < rank(0.9, (0.1, 0.0, -4.0), higher_is_better=True)
    assert rank(0.2, (), higher_is_better=False) > rank(0.3, (), higher_is_better=False)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_an_undefined_metric_is_the_worst(higher_is_better: bool) -> None:
    undefined = rank(math.nan, (math.nan,), higher_is_better=higher_is_better)
    assert undefined < rank(0.0, (0.0,), higher_is_better=higher_is_better)
    assert undefined < rank(1.0, (0.0,), higher_is_better=higher_is_better)


def test_finer_is_average_precision_and_the_loss() -> None:
    scores, relevance = torch.randn(20), torch.arange(20) % 3
    groups = torch.arange(20) % 2
    precision, phase, loss = finer(Logistic(), scores, relevance, groups)
    task = dl.AveragePrecision()
    assert precision == float(task.metric(scores.double(), relevance > 0, groups=groups))
    assert phase == 0.0
    assert loss == -float(Logistic()(scores, relevance))


def test_a_later_phase_is_finer_whatever_its_loss() -> None:
    scores, targets = torch.randn(20), torch.arange(20) % 3 == 0
    loss_fn = WarmStart(Logistic(), Logistic(), share=0.5)
    first = finer(loss_fn, scores, targets)
    loss_fn.reach(1, 2)
    assert finer(loss_fn, scores, targets)[:2] == (first[0], 1.0)


def entries(*values: tuple[float, float]) -> list[Entry]:
    return [Entry(validation, 1.0, finer=(precision,)) for validation, precision in values]


def watched(patience: int | None, *seen: tuple[float, float]) -> tuple[EarlyStop, nn.Linear, int]:
    """The number of entries until it says stop; the bias counts entries."""
    model = nn.Linear(1, 1)
    stop = EarlyStop(model, patience, keep_best=True, higher_is_better=True)
    for number, entry in enumerate(entries(*seen)):
        nn.init.constant_(model.bias, number)
        if stop.saw(entry):
            return stop, model, number + 1
    return stop, model, len(seen)


def test_equal_metrics_are_decided_by_the_finer_one_and_at_last_by_the_later_entry() -> None:
    stop, model, _ = watched(None, (1.0, 0.5), (1.0, 0.8), (1.0, 0.8), (1.0, 0.7), (0.9, 1.0))
    assert stop.restore(last=4) == 2
    assert model.bias.item() == 2.0


def test_patience_goes_on_while_what_is_finer_grows() -> None:
    assert watched(2, (1.0, 0.1), (1.0, 0.2), (1.0, 0.3), (1.0, 0.3), (1.0, 0.3))[2] == 5
    assert watched(2, (1.0, 0.1), (1.0, 0.1), (1.0, 0.1), (1.0, 0.1))[2] == 3


class _Noted:
    """Precision at the top 3, which notes the average precision of what it rates."""

    higher_is_better = True

    def __init__(self, validation: Part) -> None:
        self.targets, self.precision = validation.targets, list[float]()

    def metric(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        if targets is self.targets:
            self.precision.append(float(dl.AveragePrecision().metric(scores, targets)))
        return dl.PrecisionAtK(3).metric(scores, targets)


def test_a_metric_of_few_steps_does_not_stop_untrained() -> None:
    """It is at its best after a few steps; of the models that reach it the best ranker is kept."""
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(600, 20, generator=generator)
    targets = features.sum(1) + 4.0 * torch.randn(600, generator=generator) > 0
    whole = Part(features, targets)
    data = Parts(whole[:200], whole[200:400], whole[400:])
    metric = _Noted(data.validation)
    model = MLP(20, (), generator=torch.Generator().manual_seed(0))
    config = FitConfig(learning_rate=0.02, epochs=60, evaluations=60, keep="best")
    result = fit(model, Logistic(), data, metric, config)
    best = max(result.history.validation)
    equal = [k for k, value in enumerate(result.history.validation) if value == best]
    wanted = max(metric.precision[k] for k in equal)
    assert len(equal) > 10, "the metric saturates"
    assert metric.precision[equal[0]] < wanted - 0.05, "the first of them is hardly trained"
    with torch.no_grad():
        scores = model(data.validation.features)
    assert float(dl.AveragePrecision().metric(scores, data.validation.targets)) == wanted
    assert result.validation == best
    assert result.finer[0] == wanted
