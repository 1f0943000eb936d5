from __future__ import annotations

import pytest
import torch

import directloss as dl
from directloss.errors import ArgumentError
from directloss.jobs.config import TrainingSection
from directloss.study.metrics import canonical_name, metric_named

DECISIONS = ["accuracy", "f1", "fbeta:2", "jaccard", "mcc", "balanced-accuracy", "gmean"]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("average-precision", dl.AveragePrecision()),
        ("average-precision:5", dl.AveragePrecision(5)),
        ("roc-auc", dl.ROCAUC()),
        ("partial-auc", dl.PartialAUC(0.1)),
        ("partial-auc:0.3", dl.PartialAUC(0.3)),
        ("ndcg", dl.NDCG()),
        ("ndcg:5", dl.NDCG(5)),
        ("precision-at-k:4", dl.PrecisionAtK(4)),
        ("recall-at-k:4", dl.RecallAtK(4)),
        ("r-precision", dl.RPrecision()),
        ("reciprocal-rank", dl.ReciprocalRank()),
        ("bedroc", dl.BEDROC(20.0)),
        ("bedroc:80", dl.BEDROC(80.0)),
        ("accuracy", dl.ZeroOne()),
        ("f1", dl.FBeta()),
        ("fbeta:2", dl.FBeta(2.0)),
        ("jaccard", dl.Jaccard()),
        ("mcc", dl.MatthewsCorrelation()),
        ("balanced-accuracy", dl.BalancedError()),
        ("gmean", dl.GMean()),
    ],
)
def test_names_give_their_metric(name: str, task: dl.Task) -> None:
    scores, targets = torch.randn(40), torch.rand(40) < 0.3
    metric = metric_named(name)
    assert metric.make_task().metric(scores, targets) == task.metric(scores, targets)
    assert metric.decides == (name in DECISIONS)
    assert metric.graded == name.startswith("ndcg")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ap", "average-precision"),
        ("MAP@20", "average-precision:20"),
        ("auc", "roc-auc"),
        ("ROC_AUC", "roc-auc"),
        ("ndcg@10", "ndcg:10"),
        ("p@10", "precision-at-k:10"),
        ("Recall@5", "recall-at-k:5"),
        (" mrr ", "reciprocal-rank"),
        ("acc", "accuracy"),
        ("IoU", "jaccard"),
        ("pAUC:0.2", "partial-auc:0.2"),
        ("partial_auc", "partial-auc"),
        ("partial-auc:.10", "partial-auc"),
        ("bedroc:20.0", "bedroc"),
        ("bedroc:1e1", "bedroc:10"),
        ("ndcg@010", "ndcg:10"),
        ("fbeta:2.0", "fbeta:2"),
    ],
)
def test_what_people_type_is_understood(typed: str, name: str) -> None:
    assert canonical_name(typed) == name
    assert canonical_name(name) == name
    mine, theirs = metric_named(typed), metric_named(name)
    assert mine.words == theirs.words
    assert repr(mine.make_task()) == repr(theirs.make_task())


def test_a_configuration_keeps_the_name_that_tables_have() -> None:
    assert TrainingSection(metric="p@10").metric == "precision-at-k:10"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("magic", "metric: got 'magic', wanted one of accuracy, average-precision, .*bedroc"),
        ("f1:2", "metric: got 'f1:2'"),
        ("precision-at-k", "metric: got 'precision-at-k', wanted .*precision-at-k:NUMBER"),
        ("precision-at-k:0", "wanted a fitting number: k: got 0"),
        ("bedroc:much", "wanted a number behind 'bedroc'"),
        ("ndcg:", "metric: got 'ndcg:'"),
        ("p", "metric: got 'p', wanted .*precision-at-k:NUMBER"),
        ("p@ten", "metric: got 'p@ten', wanted a whole number behind 'precision-at-k'"),
        ("ndcg@1.5", "wanted a whole number behind 'ndcg'"),
        ("ndcg@٣", "wanted a whole number behind 'ndcg'"),
        ("ndcg@1e3", "wanted a whole number behind 'ndcg'"),
        ("bedroc:nan", "wanted a number behind 'bedroc'"),
        ("bedroc:1e400", "wanted a number behind 'bedroc'"),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        metric_named(name)


def test_metrics_of_order_have_no_threshold() -> None:
    assert metric_named("roc-auc").threshold() is None
    fitted = metric_named("f1").threshold()
    assert fitted is not None
    assert fitted(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([0, 0, 1])) == 3.5
    assert fitted(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([0, 2, 3])) == 1.5
