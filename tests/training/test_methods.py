from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import directloss as dl
from directloss.training import (
    METHODS,
    FitConfig,
    Method,
    Settings,
    all_methods,
    default_methods,
)
from directloss.training.methods import L2_GRID

NAMES = [
    "logistic",
    "hinge-ap",
    "per-ap",
    "pos-ap",
    "neg-ap",
    "both-ap",
    "hinge-01",
    "per-01",
    "pos-01",
    "neg-01",
    "mix-ap",
    "hinge",
    "per",
    "pos",
    "neg",
    "both",
    "mix",
    "regression",
    "listnet",
    "tuned",
    "refine",
    "refine-plain",
]


def settings_of(method: Method) -> Settings:
    return Settings(0.1, 0.0, epsilon=0.5 if "epsilon" in method.grid else None)


def gradient(loss_fn: torch.nn.Module) -> torch.Tensor:
    scores = torch.linspace(-1, 1, 20, dtype=torch.float64)[torch.randperm(20)].requires_grad_()
    targets = torch.arange(20) % 4 == 0
    loss_fn(scores, targets).backward()
    assert scores.grad is not None
    return scores.grad


def test_registry_is_complete() -> None:
    assert set(METHODS) == set(NAMES)
    assert all(method.name == name for name, method in METHODS.items())


@pytest.mark.parametrize("name", NAMES)
def test_grid_has_epsilon_where_the_method_uses_it(name: str) -> None:
    method = METHODS[name]
    uses = name.startswith(("pos", "neg", "both", "mix", "refine"))
    more = {"length", "balance"} if name == "tuned" else {"epsilon"} if uses else set()
    assert set(method.grid) == {"learning_rate", "l2"} | more
    assert method.grid["l2"] == L2_GRID
    assert gradient(method.loss(settings_of(method), spread=1.0)).isfinite().all()


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("hinge-ap", dl.HingeLoss(dl.AveragePrecision(), margin=2.0)),
        ("per-ap", dl.PerceptronLoss(dl.AveragePrecision())),
        (
            "pos-ap",
            dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, unit="loss", direction="positive"),
        ),
        (
            "neg-ap",
            dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, unit="loss", direction="negative"),
        ),
        (
            "both-ap",
            dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, unit="loss", direction="both"),
        ),
        ("hinge-01", dl.HingeLoss(dl.ZeroOne(), margin=2.0)),
        ("per-01", dl.PerceptronLoss(dl.ZeroOne())),
        ("pos-01", dl.DirectLoss(dl.ZeroOne(), epsilon=1.0, unit="loss", direction="positive")),
        ("neg-01", dl.DirectLoss(dl.ZeroOne(), epsilon=1.0, unit="loss", direction="negative")),
    ],
)
def test_each_name_is_its_update_with_epsilon_and_margin_in_spreads(
    name: str, same: torch.nn.Module
) -> None:
    method = METHODS[name]
    torch.manual_seed(1)
    named = gradient(method.loss(settings_of(method), spread=2.0))
    torch.manual_seed(1)
    assert torch.equal(named, gradient(same))


def test_mix_is_cross_entropy_plus_a_tenth_of_the_direct_loss() -> None:
    torch.manual_seed(1)
    mixed = gradient(METHODS["mix-ap"].loss(Settings(0.1, 0.0, 0.5), spread=2.0))
    torch.manual_seed(1)
    direct = gradient(
        dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, unit="loss", direction="positive")
    )
    torch.manual_seed(1)
    logistic = gradient(METHODS["logistic"].loss(Settings(0.1, 0.0), spread=2.0))
    torch.testing.assert_close(mixed, logistic + 0.1 * direct)


def test_logistic_takes_any_zero_one_targets() -> None:
    scores, targets = torch.randn(9), torch.arange(9) % 2
    loss_fn = METHODS["logistic"].loss(Settings(0.1, 0.0), spread=1.0)
    expected = binary_cross_entropy_with_logits(scores, targets.float())
    assert loss_fn(scores, targets) == loss_fn(scores, targets.bool()) == expected


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("hinge", dl.HingeLoss(dl.NDCG(), margin=2.0)),
        ("per", dl.PerceptronLoss(dl.NDCG())),
        ("pos", dl.DirectLoss(dl.NDCG(), epsilon=1.0, unit="loss", direction="positive")),
        ("neg", dl.DirectLoss(dl.NDCG(), epsilon=1.0, unit="loss", direction="negative")),
        ("both", dl.DirectLoss(dl.NDCG(), epsilon=1.0, unit="loss", direction="both")),
    ],
)
def test_bare_names_descend_the_reported_metric(name: str, same: torch.nn.Module) -> None:
    method = METHODS[name]
    torch.manual_seed(1)
    named = gradient(method.loss(settings_of(method), spread=2.0, metric=dl.NDCG))
    torch.manual_seed(1)
    assert torch.equal(named, gradient(same))


def test_names_with_a_metric_descend_it_whatever_is_reported() -> None:
    method = METHODS["pos-ap"]
    torch.manual_seed(1)
    named = gradient(method.loss(settings_of(method), spread=2.0, metric=dl.NDCG))
    torch.manual_seed(1)
    same = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, unit="loss", direction="positive")
    assert torch.equal(named, gradient(same))


def test_mix_takes_the_direction_of_the_reported_metric() -> None:
    loss_fn = METHODS["mix"].loss(Settings(0.1, 0.0, 0.5), spread=1.0, metric=dl.FBeta)
    assert loss_fn.other.direction == dl.FBeta().direction == "both"


def test_all_methods_are_those_that_fit() -> None:
    paper = all_methods("average-precision", grouped=False)
    assert set(paper) == set(NAMES[:11])
    assert paper[0] == "logistic"
    assert set(all_methods("f1", grouped=False)) == {"logistic", *NAMES[11:17]}
    ranking = {"logistic", *NAMES[11:19]}
    assert set(all_methods("ndcg", grouped=True)) == ranking
    assert set(all_methods("average-precision", grouped=True)) == ranking


def test_the_default_is_cross_entropy_tuned_harder_and_refined() -> None:
    assert default_methods(graded=False) == ("logistic", "tuned", "refine")
    assert default_methods(graded=True) == ("logistic", "listnet", "tuned", "refine")


def test_the_tuned_family_is_trained_as_refining_is_and_tries_three_times_as_much() -> None:
    tuned, refined = METHODS["tuned"], METHODS["refine"]
    for name in ("training", "optimiser", "small_start", "usual"):
        assert getattr(tuned, name) == getattr(refined, name)
    assert (tuned.effort, refined.effort) == (3, 1)
    shared = ("learning_rate", "l2")
    assert all(tuned.grid[axis] == refined.grid[axis] for axis in shared)
    longer = tuned.config(FitConfig(learning_rate=0.1, epochs=10), Settings(0.1, 0.0, length=3.0))
    assert (longer.epochs, longer.schedule, longer.keep) == (30, "linear", "best")


def test_balanced_classes_weigh_the_same() -> None:
    scores, targets = torch.randn(40, dtype=torch.float64), torch.arange(40) % 8 == 0
    loss_fn = METHODS["tuned"].loss(Settings(0.1, 0.0, balance=1.0), 1.0)
    of_class = [
        binary_cross_entropy_with_logits(
            scores[targets == y], targets[targets == y].double(), reduction="sum"
        )
        for y in (True, False)
    ]
    torch.testing.assert_close(loss_fn(scores, targets), (7 * of_class[0] + of_class[1]) / 40)
    plain = METHODS["tuned"].loss(Settings(0.1, 0.0), 1.0)
    logistic = METHODS["logistic"].loss(Settings(0.1, 0.0), 1.0)
    torch.testing.assert_close(plain(scores, targets), logistic(scores, targets))


def test_relevances_in_lists_begin_by_listnet() -> None:
    scores, relevance, groups = torch.randn(9), torch.arange(9) % 3, torch.arange(9) // 3
    settings = Settings(0.1, 0.0, 0.3)
    listnet = METHODS["listnet"].loss(settings, 1.0)
    for name, metric, same in (
        ("refine", dl.NDCG, listnet),
        ("tuned", dl.NDCG, listnet),
        ("refine", dl.AveragePrecision, METHODS["logistic"].loss(settings, 1.0)),
    ):
        loss_fn = METHODS[name].loss(settings, 1.0, metric)
        assert loss_fn(scores, relevance, groups=groups) == same(scores, relevance, groups=groups)


def test_listnet_is_the_cross_entropy_of_softmaxes_list_by_list() -> None:
    groups = torch.tensor([7, 2, 7, 7, 2, 9])
    scores = torch.randn(6, dtype=torch.float64)
    targets = torch.tensor([2, 0, 1, 0, 1, 0])
    expected = sum(
        -(targets[of].double().softmax(0) * scores[of].log_softmax(0)).sum()
        for of in (groups == group for group in (2, 7, 9))
    )
    loss_fn = METHODS["listnet"].loss(Settings(0.1, 0.0), spread=1.0)
    torch.testing.assert_close(loss_fn(scores, targets, groups=groups), expected / 3)
    alone = -(targets.double().softmax(0) * scores.log_softmax(0)).sum()
    torch.testing.assert_close(loss_fn(scores, targets), alone)


def test_the_baselines_take_relevances() -> None:
    scores, relevance = torch.randn(9), torch.arange(9) % 3
    settings = Settings(0.1, 0.0)
    logistic = METHODS["logistic"].loss(settings, spread=1.0)
    expected = binary_cross_entropy_with_logits(scores, (relevance > 0).float())
    assert logistic(scores, relevance) == expected
    regression = METHODS["regression"].loss(settings, spread=1.0)
    torch.testing.assert_close(regression(scores, relevance), (scores - relevance).square().mean())
