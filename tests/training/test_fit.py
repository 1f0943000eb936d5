from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss.errors import ArgumentError
from directloss.models import MLP, scale_to_unit_spread
from directloss.training import (
    METHODS,
    FitConfig,
    FitResult,
    Part,
    Parts,
    ScoreCollapseWarning,
    Settings,
    fit,
)
from directloss.training.optimiser import make_optimiser
from tests.training.arrays import small_parts

SETTINGS = Settings(learning_rate=0.1, l2=1e-3)


def train(
    method: str = "logistic", data: Parts | None = None, **options: object
) -> tuple[MLP, FitResult]:
    data = data or small_parts()
    model = MLP(5, (8,), generator=torch.Generator().manual_seed(0))
    scale_to_unit_spread(model, data.train.features)
    settings = Settings(0.1, 1e-3, epsilon=1.0 if "epsilon" in METHODS[method].grid else None)
    config = FitConfig(**{"learning_rate": 0.1, "l2": 1e-3, "epochs": 40, **options})
    loss_fn = METHODS[method].loss(settings, spread=1.0)
    return model, fit(model, loss_fn, data, dl.AveragePrecision(), config)


@pytest.mark.parametrize("method", ["logistic", "hinge-ap", "pos-ap", "both-ap", "mix-ap"])
@pytest.mark.parametrize("batch_size", [None, 32])
def test_training_raises_the_metric(method: str, batch_size: int | None) -> None:
    _, result = train(method, batch_size=batch_size)
    history = result.history
    assert history.validation[0] < 0.75 * result.validation
    assert result.test == history.test[-1] > 0.8
    assert history.loss[-1] < history.loss[0]
    assert not result.diverged


def test_history_begins_before_the_first_step_and_ends_after_the_last() -> None:
    _, result = train(epochs=40, evaluations=10)
    assert result.history.iteration == [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40]
    assert result.history.spread[0] == pytest.approx(1.0, abs=1e-6)
    assert set(result.history.zero_gradient) == {0.0}
    _, result = train(epochs=3, evaluations=10)
    assert result.history.iteration == [0, 1, 2, 3]
    _, result = train(epochs=3, evaluations=5, batch_size=32)
    assert result.history.iteration[-1] == 3 * 4


def test_history_holds_the_metric_and_the_loss_of_the_model() -> None:
    data = small_parts()
    model, result = train(data=data)
    scores = model(data.train.features).detach()
    assert result.history.train[-1] == float(
        dl.AveragePrecision().metric(scores, data.train.targets)
    )
    expected = nn.functional.binary_cross_entropy_with_logits(scores, data.train.targets.float())
    assert result.history.loss[-1] == float(expected)
    assert result.history.spread[-1] == pytest.approx(float(scores.std(correction=0)))


@pytest.mark.parametrize("batch_size", [None, 32])
def test_same_seed_same_numbers(batch_size: int | None) -> None:
    first, second = (train("pos-ap", batch_size=batch_size)[1] for _ in range(2))
    assert first.history == second.history
    if batch_size is not None:
        assert train("pos-ap", batch_size=batch_size, seed=1)[1].history != first.history


def test_zero_gradients_are_counted() -> None:
    class Deaf(nn.Module):
        """Teaches on the first three calls in training mode, and nothing afterwards."""

        calls = 0

        def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
            self.calls += self.training
            return scores.sum() * float(self.calls <= 3)

    data = small_parts()
    config = FitConfig(learning_rate=1e-3, epochs=8, evaluations=2)
    result = fit(MLP(5, ()), Deaf(), data, dl.AveragePrecision(), config)
    assert result.history.zero_gradient == [0.0, 0.25, 1.0]


def test_collapse_of_the_spread_warns_once() -> None:
    class Shrink(nn.Module):
        def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
            return scores.square().mean()

    data = small_parts()
    config = FitConfig(learning_rate=0.1, epochs=200)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fit(MLP(5, ()), Shrink(), data, dl.AveragePrecision(), config)
    assert result.history.spread[-1] < 0.01 * result.history.spread[0]
    (warning,) = (w for w in caught if w.category is ScoreCollapseWarning)
    assert "the spread of the scores fell from" in str(warning.message)


def test_diverged_training_is_rated_as_a_constant_model() -> None:
    data = small_parts()
    _, result = train("logistic", data, learning_rate=1e30)
    assert result.diverged
    share = float(data.test.targets.double().mean())
    assert result.test == pytest.approx(share)
    assert result.validation == pytest.approx(float(data.validation.targets.double().mean()))
    assert len(result.history) >= 1


def test_patience_goes_back_to_the_best_weights() -> None:
    class Worse(nn.Module):
        """Improves for ten steps, then undoes what was learned."""

        steps = 0

        def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
            self.steps += self.training
            sign = 1.0 if self.steps <= 10 else -1.0
            return sign * METHODS["logistic"].loss(SETTINGS, 1.0)(scores, targets)

    data = small_parts()
    model = MLP(5, (8,), generator=torch.Generator().manual_seed(0))
    config = FitConfig(learning_rate=0.1, epochs=60, evaluations=60, patience=5)
    result = fit(model, Worse(), data, dl.AveragePrecision(), config)
    best = max(result.history.validation)
    assert result.history.iteration[-1] < 60
    assert result.validation == best > result.history.validation[-1]
    scores = model(data.validation.features).detach()
    assert float(dl.AveragePrecision().metric(scores, data.validation.targets)) == best


def test_parameter_groups() -> None:
    model = MLP(5, (8,))
    config = FitConfig(
        learning_rate=0.1, l2=0.01, learning_rate_factors={"head": 10.0, "head.bias": 20.0}
    )
    groups = make_optimiser(model, config).param_groups
    found = {
        name: (group["lr"], group["weight_decay"])
        for name, parameter in model.named_parameters()
        for group in groups
        if any(parameter is member for member in group["params"])
    }
    assert found == {
        "body.0.weight": (0.1, 0.01),
        "body.0.bias": (0.1, 0.0),
        "head.weight": (1.0, 0.01),
        "head.bias": (2.0, 0.0),
    }


def test_adam_is_adam() -> None:
    optimiser = make_optimiser(MLP(5, ()), FitConfig(learning_rate=0.1, optimiser="adam"))
    assert isinstance(optimiser, torch.optim.Adam)
    _, result = train(optimiser="adam", learning_rate=0.02)
    assert result.test > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate: got 0.0"),
        ({"epochs": 0}, "epochs: got 0"),
        ({"l2": -1.0}, "l2: got -1.0"),
        ({"patience": 0}, "patience: got 0"),
        ({"optimiser": "lion"}, "optimiser: got 'lion', wanted 'sgd' or 'adam'"),
        ({"learning_rate_factors": {"tail": 2.0}}, r"learning_rate_factors: got \['tail'\]"),
        ({"batch_size": 1}, "batch_size: got 1"),
    ],
)
def test_bad_arguments(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        train(**options)


def test_parts_must_match() -> None:
    from directloss.training import Part

    with pytest.raises(ArgumentError, match="one target a sample"):
        Part(torch.zeros(3, 2), torch.zeros(4))


def test_the_threshold_is_fitted_to_the_training_part_and_changes_no_weight() -> None:
    seen: list[Tensor] = []

    def everything_positive(scores: Tensor, targets: Tensor) -> float:
        seen.append(targets)
        return float(scores.min()) - 100.0

    data = small_parts()
    config = FitConfig(learning_rate=0.1, epochs=5)
    weights, results = [], []
    for threshold in (None, everything_positive):
        model = MLP(5, (8,), generator=torch.Generator().manual_seed(0))
        loss_fn = METHODS["logistic"].loss(SETTINGS, spread=1.0)
        results.append(fit(model, loss_fn, data, dl.ZeroOne(), config, threshold=threshold))
        weights.append(nn.utils.parameters_to_vector(model.parameters()))
    assert torch.equal(*weights)
    share = float(data.test.targets.double().mean())
    assert results[1].test == pytest.approx(share)
    assert results[0].test > share + 0.1
    assert len(seen) == len(results[1].history)
    assert all(targets is seen[0] for targets in seen)
    assert torch.equal(seen[0], data.train.targets)


def test_loss_and_metric_go_list_by_list() -> None:
    data = small_parts()
    groups = torch.arange(len(data.train)) % 10
    grouped = Parts(
        *(Part(p.features, p.targets, groups) for p in (data.train, data.validation, data.test))
    )
    model, result = train("pos-ap", grouped, epochs=10)
    with torch.no_grad():
        scores = model(data.test.features)
    task = dl.AveragePrecision()
    assert result.test == task.metric(scores, data.test.targets, groups=groups)
    assert result.test != task.metric(scores, data.test.targets)
    train_scores = model(data.train.features).detach()
    loss = 1 - task.metric(train_scores, data.train.targets, groups=groups)
    assert result.history.loss[-1] == pytest.approx(float(loss), abs=1e-6)


def test_mini_batches_of_lists_hold_whole_lists() -> None:
    class Seen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lists: list[set[int]] = []

        def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor) -> Tensor:
            if self.training:
                self.lists.append(set(groups.tolist()))
                assert len(groups) == 12 * len(self.lists[-1])
            return METHODS["logistic"].loss(SETTINGS, 1.0)(scores, targets)

    data = small_parts()
    groups = torch.arange(len(data.train)) % 10
    grouped = Parts(
        *(Part(p.features, p.targets, groups) for p in (data.train, data.validation, data.test))
    )
    loss_fn = Seen()
    config = FitConfig(learning_rate=0.1, epochs=2, batch_size=36)
    fit(MLP(5, ()), loss_fn, grouped, dl.AveragePrecision(), config)
    assert len(loss_fn.lists) == 2 * 3
    for epoch in (loss_fn.lists[:3], loss_fn.lists[3:]):
        assert sorted(number for lists in epoch for number in lists) == list(range(10))
