from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import directloss as dl
from directloss.errors import ArgumentError
from directloss.models import MLP
from directloss.tasks.counting import Counting
from directloss.thresholds import fit_threshold
from directloss.training import (
    RECIPE,
    DivergedError,
    DivergedWarning,
    FitConfig,
    Part,
    Parts,
    Sources,
    WarmStart,
    fit,
    refine,
)
from directloss.training.baselines import Logistic

QUICK = replace(RECIPE, epochs=40, evaluations=8)
TASK = dl.AveragePrecision()


def crossed(n: int = 2000, seed: int = 0) -> Parts:
    """Positive: large sums and products of two features, which no linear model can tell."""
    generator = torch.Generator().manual_seed(seed)

    def part() -> Part:
        x = torch.randn(n, 6, generator=generator)
        noise = 0.3 * torch.randn(n, generator=generator)
        return Part(x, x[:, 0] * x[:, 1] + x[:, 2] + noise > 2.0)

    return Parts(part(), part(), part())


def loader(part: Part, batch: int = 300) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(part.features, part.targets), batch_size=batch)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))


def metric_of(model: nn.Module, part: Part) -> float:
    with torch.no_grad():
        return float(TASK.metric(model(part.features), part.targets))


@pytest.fixture(scope="module")
def data() -> Parts:
    return crossed()


@pytest.mark.parametrize("noise", [True, False])
def test_a_model_that_is_too_small_gains_and_the_best_of_both_phases_is_kept(
    noise: bool, data: Parts
) -> None:
    model = MLP(6, (), generator=torch.Generator().manual_seed(0))
    found = refine(model, data, TASK, noise=noise)
    history, verdict = found.fit.history, found.refinement
    assert verdict is not None
    assert verdict.step == 80
    assert 80 in history.iteration
    assert found.fit.validation == max(history.validation) == metric_of(model, data.validation)
    first = [v for v, step in zip(history.validation, history.iteration, strict=True) if step <= 80]
    gain = verdict.gains["validation"]
    assert gain.value == pytest.approx(found.fit.validation - max(first))
    assert gain.value > 0.01
    assert "it is not trained out, as training gained" in verdict.outlook
    entry = history.iteration.index(80)
    assert (verdict.train, verdict.validation) == (history.train[entry], history.validation[entry])
    assert not verdict.warnings


def test_the_first_phase_is_kept_where_the_second_one_spoils(data: Parts) -> None:
    class Away(nn.Module):
        def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
            return -nn.functional.binary_cross_entropy_with_logits(scores, targets.float())

    model = network()
    loss_fn = WarmStart(Logistic(), Away())
    config = replace(QUICK, schedule="linear", keep="best")
    result = fit(model, loss_fn, data, TASK, config)
    assert result.history.validation[-1] < result.validation == metric_of(model, data.validation)
    assert result.finer[-1] <= result.switch == 16


def test_the_learning_rate_falls_in_a_line(data: Parts) -> None:
    class Slope(nn.Module):
        def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
            return scores.mean()

    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.zeros(()))

        def forward(self, features: Tensor) -> Tensor:
            return self.value.expand(len(features))

    model = Constant()
    config = FitConfig(learning_rate=0.1, momentum=0.0, epochs=10, schedule="linear")
    fit(model, Slope(), data, TASK, config)
    assert model.value.item() == pytest.approx(-0.1 * sum(1 - k / 10 for k in range(10)))


def test_loaders_are_taken_batch_by_batch_and_all_at_once(data: Parts) -> None:
    sources = Sources(loader(data.train), loader(data.validation, batch=170))
    model = network()
    found = refine(model, sources, TASK, QUICK)
    assert found.fit.history.iteration[-1] == 40 * 7
    assert found.fit.validation == metric_of(model, data.validation)
    assert found.fit.test != found.fit.test, "there is no test part"
    assert found.refinement is not None
    assert list(found.refinement.gains) == ["validation"]
    whole = [network(), network()]
    one = refine(whole[0], sources, TASK, replace(QUICK, batch="all"))
    other = refine(whole[1], data, TASK, replace(QUICK, batch="all"))
    assert one.fit.history.validation == pytest.approx(other.fit.history.validation, abs=1e-3)


def test_a_trained_model_is_refined_and_compared_with_what_it_was(data: Parts) -> None:
    model = network()
    refine(model, data, TASK, replace(QUICK, epochs=5))
    before = metric_of(model, data.validation)
    found = refine(model, data, TASK, QUICK, share=0.0)
    verdict = found.refinement
    assert verdict is not None
    assert verdict.reference == "the model before"
    assert verdict.validation == before
    assert verdict.gains["validation"].value == pytest.approx(found.fit.validation - before)


@pytest.mark.parametrize("memory", [True, False])
def test_the_last_layer_alone(memory: bool, data: Parts) -> None:
    model = network()
    given = data if memory else Sources(loader(data.train), loader(data.validation))
    body = {name: tensor.clone() for name, tensor in model[0].state_dict().items()}
    head = model[2].weight.detach().clone()
    forwards: list[int] = []
    model[0].register_forward_hook(lambda *_: forwards.append(1))
    found = refine(model, given, TASK, QUICK, last_layer="2")
    assert all(torch.equal(model[0].state_dict()[name], body[name]) for name in body)
    assert not torch.equal(model[2].weight, head)
    assert found.fit.validation == pytest.approx(metric_of(model, data.validation))
    assert len(forwards) - 1 == (3 if memory else 7 + 7), "features are computed once"


@pytest.mark.parametrize("name", ["", "9", "0"])
def test_another_layer_than_the_last_is_refused(name: str, data: Parts) -> None:
    with pytest.raises(ArgumentError, match="last_layer: got"):
        refine(network(), data, TASK, QUICK, last_layer=name)


@pytest.mark.parametrize(
    "task",
    [
        dl.FBeta(),
        dl.Jaccard(),
        dl.BalancedError(),
        dl.GMean(),
        dl.ZeroOne(),
        dl.PartialAUC(0.05),
        dl.PrecisionAtK(10),
        dl.NDCG(),
    ],
    ids=lambda task: type(task).__name__,
)
def test_every_metric_has_a_gradient_behind_the_switch(task: dl.tasks.Task, data: Parts) -> None:
    threshold = partial(fit_threshold, task=task) if isinstance(task, Counting) else None
    found = refine(MLP(6, ()), data, task, QUICK, threshold=threshold)
    history = found.fit.history
    behind = [
        zero
        for zero, step in zip(history.zero_gradient, history.iteration, strict=True)
        if step > 16
    ]
    assert min(behind) < 1.0
    assert found.refinement is not None


def test_queries_with_relevances() -> None:
    whole = crossed()
    groups = torch.arange(2000) // 10

    def graded(part: Part) -> Part:
        return Part(part.features, part.targets.long() + (part.features[:, 2] > 1), groups)

    data = Parts(graded(whole.train), graded(whole.validation), graded(whole.test))
    for batch_size in (None, 300):
        found = refine(MLP(6, ()), data, dl.NDCG(5), replace(QUICK, batch_size=batch_size))
        assert found.refinement is not None
        assert found.fit.validation == max(found.fit.history.validation) > 0.5


def test_few_positives_are_counted() -> None:
    found = refine(MLP(6, ()), crossed(n=120), TASK, QUICK)
    assert found.refinement is not None
    first, second = found.refinement.warnings
    assert "the training part has 1" in first
    assert "fewer than the 60 that it takes to learn from" in first
    assert "fewer than the 20 that it takes to choose by" in second
    assert "not resolved" in found.refinement.lines()[-2]


class Exponential(nn.Module):
    """Scores that overflow once the weights are large."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(6, 1)

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = torch.exp(self.linear(features).squeeze(-1))
        return scores


class Failing(nn.Module):
    """Cross-entropy for some steps, then NaN."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        self.steps -= self.training
        loss: Tensor = Logistic()(scores, targets)
        return loss * (1.0 if self.steps >= 0 else float("nan"))


def test_a_trained_model_that_diverges_is_as_good_as_it_was(data: Parts) -> None:
    model = Exponential()
    trained = refine(model, data, TASK, QUICK).fit.validation
    with pytest.warns(DivergedWarning, match=r"in step .*; the best weights on validation before"):
        found = refine(model, data, TASK, replace(QUICK, learning_rate=1e3), share=0)
    assert found.fit.diverged
    assert found.fit.validation == metric_of(model, data.validation) >= trained
    first, *others = found.lines()
    assert first.startswith("warning: training diverged: ")
    assert any("refined against the model before" in line for line in others)


def test_the_best_weights_of_a_first_phase_that_diverged_are_kept(data: Parts) -> None:
    model = MLP(6, (), generator=torch.Generator().manual_seed(0))
    with pytest.warns(DivergedWarning, match="loss"):
        found = refine(model, data, TASK, QUICK, first=Failing(13))
    assert found.fit.diverged and found.refinement is None
    assert found.fit.validation == max(found.fit.history.validation)
    assert found.fit.validation == metric_of(model, data.validation)
    (line,) = found.lines()
    assert line.startswith("warning: training diverged: ")


def test_scores_that_are_not_finite_before_any_step_are_an_error(data: Parts) -> None:
    features = data.train.features.clone()
    features[3, 2] = float("nan")
    broken = Parts(Part(features, data.train.targets), data.validation, data.test)
    model = MLP(6, ())
    with pytest.raises(DivergedError, match="training score"):
        refine(model, broken, TASK, QUICK)
    assert model.training


def test_a_validation_part_without_positives_cannot_choose(data: Parts) -> None:
    nothing = Part(data.validation.features, torch.zeros_like(data.validation.targets))
    with pytest.raises(ArgumentError, match=r"validation: got a part .* is undefined"):
        refine(MLP(6, ()), Parts(data.train, nothing, data.test), TASK, QUICK)


def test_without_a_step_of_cross_entropy_it_is_refined_against_the_model_before(
    data: Parts,
) -> None:
    found = refine(MLP(6, ()), data, TASK, replace(QUICK, epochs=1))
    assert "the model before at the switch" in found.lines()[0]


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"task": "ap"}, "task: got 'ap', wanted a metric of one score a sample"),
        ({"task": dl.Chain()}, "task: got Chain"),
        ({"task": dl.MulticlassZeroOne()}, "task: got MulticlassZeroOne"),
        ({"data": (1, 2, 3)}, "data: got a tuple, wanted Parts, or Sources"),
        ({"config": None}, "config: got None, wanted a FitConfig"),
        ({"scale": "auto"}, "scale: got 'auto', wanted a positive finite number"),
        ({"noise": "no"}, "noise: got 'no', wanted True or False"),
    ],
)
def test_arguments_are_checked(changed: dict[str, Any], wanted: str, data: Parts) -> None:
    given = {"data": data, "task": TASK, "config": QUICK, **changed}
    with pytest.raises(ArgumentError, match=re.escape(wanted)):
        refine(MLP(6, ()), **given)


def test_data_are_checked(data: Parts) -> None:
    with pytest.raises(ArgumentError, match="features: got a ndarray, wanted a tensor"):
        Part(data.train.features.numpy(), data.train.targets)  # type: ignore[arg-type]
    for batches, came in (([], "no batch"), ([{"x": 1, "y": 2}], "a batch that is a dict of 2")):
        with pytest.raises(ArgumentError, match=f"loader: got {came}"):
            refine(MLP(6, ()), Sources(data.train, batches), TASK, QUICK)  # type: ignore[arg-type]
