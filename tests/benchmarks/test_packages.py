"""What other packages are asked to do is the work that we think it is."""

from __future__ import annotations

import pytest
import torch

import directloss as dl
from benchmarks import packages, peers
from benchmarks.case import Case

CASE = Case(500)


def skip_without(name: str) -> None:
    reason = packages.missing(name)
    if reason is not None:
        pytest.skip(reason)


def test_scikit_learn_takes_the_metrics_that_we_train_on() -> None:
    drawn = CASE.draw()
    ap = packages.sklearn_average_precision(CASE)()
    assert ap == pytest.approx(float(dl.AveragePrecision().metric(drawn.scores, drawn.binary)))
    ndcg = packages.sklearn_ndcg(CASE)()
    linear = dl.NDCG(gain="linear").metric(drawn.scores, drawn.graded)
    assert ndcg == pytest.approx(float(linear))


def test_torchmetrics_takes_the_metrics_that_we_train_on() -> None:
    skip_without("torchmetrics")
    drawn = CASE.draw()
    ap = packages.torchmetrics_average_precision(CASE)()
    assert float(ap) == pytest.approx(
        float(dl.AveragePrecision().metric(drawn.scores, drawn.binary)), abs=1e-5
    )
    ndcg = packages.torchmetrics_ndcg(CASE)()
    linear = dl.NDCG(gain="linear").metric(drawn.scores, drawn.graded)
    assert float(ndcg) == pytest.approx(float(linear), abs=1e-5)


def test_metric_learning_and_our_smooth_ap_agree_where_both_are_defined() -> None:
    skip_without("pytorch_metric_learning")
    from pytorch_metric_learning.losses import SmoothAPLoss

    embeddings = torch.randn(16, 5)
    labels = torch.arange(4).repeat_interleave(4)
    directions = torch.nn.functional.normalize(embeddings)
    rows = [
        peers.smooth_ap_loss(similarities, labels == label)
        for similarities, label in zip(directions @ directions.T, labels, strict=True)
    ]
    theirs = SmoothAPLoss()(embeddings, labels)
    assert float(theirs) == pytest.approx(float(torch.stack(rows).mean()), abs=1e-5)


def test_libauc_raises_positives_and_lowers_negatives() -> None:
    skip_without("libauc")
    drawn = CASE.draw()
    packages.libauc_ap_loss(drawn.scores, drawn, CASE).backward()
    gradient = drawn.scores.grad
    assert gradient is not None
    assert (gradient[drawn.binary == 1] <= 0).all()
    assert (gradient[drawn.binary == 0] >= 0).all()
    assert gradient.abs().sum() > 0
