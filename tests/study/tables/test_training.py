"""Settings trained at once, and what validation keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from directloss.errors import ArgumentError
from directloss.study.tables import cells, rule, run, training
from directloss.study.tables.methods import METHODS, SETTINGS, Problem
from directloss.study.tables.metrics import METRICS
from directloss.study.tables.rule import Table
from directloss.study.tables.training import train
from directloss.training.data import Part, Parts


def part(count: int, seed: int) -> Part:
    """Two features, of which the product decides: a linear model is too small."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 2, generator=generator)
    chance = torch.sigmoid(3.0 * features[:, 0] * features[:, 1] + features[:, 0] - 2.0)
    return Part(features, (torch.rand(count, generator=generator) < chance).float())


@pytest.fixture(scope="module")
def split() -> Parts:
    return Parts(part(200, 0), part(100, 1), part(100, 2))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "STEPS", 40)


def test_one_run_serves_all_metrics_of_a_loss_that_knows_none(split: Parts) -> None:
    found = train("logistic", split, 0, 0, None)
    assert found.keys() == METRICS.keys()
    for chosen in found.values():
        assert 0 <= chosen.setting < len(SETTINGS)
        assert chosen.step % training.EVERY == 0
        assert chosen.train is not None


@pytest.mark.parametrize("name", [name for name, each in METHODS.items() if each.metrics])
def test_methods_that_know_their_metric_learn_it(split: Parts, name: str) -> None:
    for metric in METHODS[name].metrics:
        found = train(name, split, 8, 0, metric)
        assert found.keys() == {metric}
        prior = float(split.validation.targets.mean())
        least = {"AP": prior, "F1": 2 * prior / (1 + prior), "precision": prior}
        assert found[metric].validation > least.get(metric, 0.5)


def test_refinement_is_never_behind_its_first_phase_on_validation(split: Parts) -> None:
    switch = round(training.SWITCH * training.STEPS)
    for metric in METRICS:
        first = max(
            value for step, value in _validation_by_step(split, metric).items() if step <= switch
        )
        assert train("refine", split, 0, 0, metric)[metric].validation >= first


def _validation_by_step(split: Parts, metric: str) -> dict[int, float]:
    """What cross-entropy has reached on validation by each evaluation of its first phase."""
    seen: dict[int, float] = {}
    add = training._History.add

    def watch(history: training._History, step: int, networks: torch.nn.Module) -> None:
        add(history, step, networks)  # type: ignore[arg-type]
        seen[step] = float(history._values[metric][-1][0].max())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training._History, "add", watch)
        train("refine, plain", split, 0, 0, metric)
    return seen


def test_equal_values_are_decided_by_ap_and_then_by_the_later_step(split: Parts) -> None:
    history = training._History(split, ("precision",), with_train=False)
    for step, (value, tie) in {
        10: (1.0, 0.5),
        20: (1.0, 0.7),
        30: (1.0, 0.7),
        40: (0.9, 1),
    }.items():
        history._steps.append(step)
        history._values["precision"].append(np.full((2, 1), value))
        history._ties.append(np.array([tie]))
    assert history.best("precision").step == 30


def test_metrics_are_those_of_scikit_learn(split: Parts) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores = torch.randn(2, 100, generator=torch.Generator().manual_seed(5))
    labels = split.test.targets
    wanted = {
        "AP": metrics.average_precision_score,
        "partial AUC": lambda y, s: metrics.roc_auc_score(y, s, max_fpr=0.05),
    }
    for name, of in wanted.items():
        found = METRICS[name].of(scores, labels, None)
        assert found == pytest.approx([of(labels, row) for row in scores])
    thresholds = METRICS["F1"].thresholds(scores, labels)
    assert thresholds is not None
    best = [max(metrics.f1_score(labels, row >= cut) for cut in row.tolist()) for row in scores]
    assert METRICS["F1"].of(scores, labels, thresholds) == pytest.approx(best)


def test_losses_are_of_each_network_by_itself(split: Parts) -> None:
    labels = split.train.targets
    scores = torch.randn(3, len(labels), generator=torch.Generator().manual_seed(0))
    for name, method in METHODS.items():
        for metric in method.metrics or ("AP",):
            if name == "refine":
                continue  # its noise depends on the shape of a batch
            loss = method.loss(Problem(labels, METRICS[metric]))
            together = loss(scores)
            alone = torch.cat([loss(row[None]) for row in scores])
            torch.testing.assert_close(together, alone, msg=name)


def table(name: str = "toy") -> Table:
    parts = [part(400, seed) for seed in (0, 1)]
    features = torch.cat([each.features for each in parts]).numpy().copy()
    features[3, 0] = np.nan
    labels = torch.cat([each.targets for each in parts]).numpy() > 0
    return Table(name, features, labels, "1")


def test_a_study_is_taken_up_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule, "chosen", lambda _: ([table()], []))
    monkeypatch.setattr(run, "MODELS", (0, 4))
    trained: list[tuple[int, int]] = []

    def cell(table: Table, seed: int, hidden: int) -> dict[str, object]:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append((seed, hidden))
        return {}

    monkeypatch.setattr(run, "cell", cell)
    with pytest.raises(KeyboardInterrupt):
        run.run(None, tmp_path, splits=2, workers=1)
    monkeypatch.setattr(run, "cell", lambda _, seed, hidden: trained.append((seed, hidden)))
    run.run(None, tmp_path, splits=2, workers=1)
    assert trained == [(0, 0), (0, 4), (1, 0), (1, 4)]
    with pytest.raises(ArgumentError, match="splits"):
        run.run(None, tmp_path, splits=0, workers=1)


def test_a_cell_holds_every_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "STEPS", 10)
    found = cells.cell(table(), 0, 0)
    assert found.keys() == {*METHODS, "boosting"}
    for name, metrics in found.items():
        wanted = METHODS[name].metrics if name in METHODS else ()
        assert metrics.keys() == set(wanted or METRICS)
        assert all(0.0 <= each["test"] <= 1.0 for each in metrics.values())
