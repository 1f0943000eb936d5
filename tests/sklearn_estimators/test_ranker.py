"""The ranker: what it learns on lists, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import ndcg_score

import directloss as dl
from directloss.errors import ArgumentError
from directloss.sklearn import DirectLossRanker
from tests.sklearn_estimators.data import QUICK, queries


@pytest.mark.parametrize("method", ["refine", "cross-entropy", "direct"])
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_every_method_learns(method: str, hidden: tuple[int, ...]) -> None:
    X, y, group = queries(60)
    model = DirectLossRanker(method=method, hidden=hidden, max_iter=200, random_state=0)
    model.fit(X[:320], y[:320], group=group[:320])
    found = model.score(X[320:], y[320:], group=group[320:])
    drawn = dl.NDCG().metric(
        np.random.default_rng(0).normal(size=160), y[320:], groups=np.arange(160) // 8
    )
    assert found > 0.85 > 0.75 > float(drawn)


def test_the_score_is_the_mean_over_the_lists() -> None:
    X, y, group = queries()
    model = DirectLossRanker(dl.NDCG(gain="linear"), **QUICK).fit(X, y, group=group)
    shape = (30, 8)
    wanted = [
        ndcg_score(relevances[None], scores[None])
        for relevances, scores in zip(
            y.reshape(shape), model.predict(X).reshape(shape), strict=True
        )
        if relevances.any()
    ]
    assert model.score(X, y, group=group) == pytest.approx(np.mean(wanted), abs=1e-12)


def test_order_of_rows_and_names_of_lists_do_not_count() -> None:
    X, y, group = queries(120)
    model = DirectLossRanker(**QUICK).fit(X, y, group=group)
    assert "validation" in model.history_
    order = np.random.default_rng(1).permutation(len(y))
    names = np.array([int(name[1:]) * 7 % 1000 for name in group])
    again = DirectLossRanker(**QUICK).fit(X[order], y[order], group=names[order])
    np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-4)


@pytest.mark.parametrize("method", ["refine", "cross-entropy", "direct"])
def test_a_sparse_matrix_gives_the_model_of_the_dense_one(method: str) -> None:
    X, y, group = queries()
    X += 1.0
    dense, thin = (
        DirectLossRanker(method=method, max_iter=100, random_state=0).fit(each, y, group=group)
        for each in (X, sparse.csr_array(X))
    )
    np.testing.assert_allclose(
        thin.predict(X), dense.predict(X), atol=1e-3 * dense.predict(X).std()
    )
    assert dense.predict(X).mean() == pytest.approx(0.0, abs=1e-6)


def test_a_partial_fit_goes_on_with_other_lists() -> None:
    X, y, group = queries()
    model = DirectLossRanker(**QUICK).partial_fit(X[:120], y[:120], group=group[:120])
    first = model.coef_.copy()
    model.set_params(learning_rate=1e-9).partial_fit(X[120:], y[120:], group=group[120:])
    np.testing.assert_allclose(model.coef_, first, rtol=1e-5)


def test_sizes_of_lists_are_refused_with_a_word_on_labels() -> None:
    X, y, _ = queries()
    with pytest.raises(ArgumentError, match=r"group: got shape \(30,\) for 240 rows, .*repeat"):
        DirectLossRanker().fit(X, y, group=np.full(30, 8))


def test_relevances_that_the_metric_does_not_know_are_refused() -> None:
    X, y, group = queries()
    message = r"y: got 2\.0, wanted 0 or 1; of relevances take task=dl\.{}\(.*relevant_from=1\)"
    with pytest.raises(ArgumentError, match=message.format("AveragePrecision")):
        DirectLossRanker("average_precision").fit(X, y, group=group)
    with pytest.raises(ArgumentError, match=message.format("PrecisionAtK")):
        DirectLossRanker("p@3", **QUICK).fit(X, y > 1, group=group).score(X, y, group=group)
    DirectLossRanker(dl.AveragePrecision(relevant_from=1), **QUICK).fit(X, y, group=group)
    with pytest.raises(ArgumentError, match=r"^y: got -1\.0"):
        DirectLossRanker().fit(X, y - 1.0, group=group)


@pytest.mark.parametrize("task", ["ndcg", "average_precision"])
def test_lists_without_an_order_are_refused(task: str) -> None:
    X, y, group = queries()
    y = (y > 0).astype(int)
    alone = np.arange(len(y))
    for targets, lists in ((0 * y, group), (np.repeat(y[::8], 8), group), (y, alone)):
        with pytest.raises(ArgumentError, match=r"y: got \d+ list\(s\) of equal relevances"):
            DirectLossRanker(task, **QUICK).fit(X, targets, group=lists)
    model = DirectLossRanker(task, **QUICK).partial_fit(X, y, group=group)
    before = model.coef_.copy()
    with pytest.warns(UserWarning, match="nothing to learn"):
        model.partial_fit(X[:8], 0 * y[:8], group=group[:8])
    np.testing.assert_array_equal(model.coef_, before)
    with pytest.warns(UndefinedMetricWarning, match="y: it has nothing"):
        assert np.isnan(model.score(X, 0 * y, group=group))


@pytest.mark.parametrize("missing", [np.nan, None])
def test_a_row_without_a_list_is_refused(missing: float | None) -> None:
    X, y, group = queries()
    labels = group.astype(object)
    labels[5] = missing
    with pytest.raises(ArgumentError, match=f"group: got {missing} in row 5"):
        DirectLossRanker(**QUICK).fit(X, y, group=labels)


@pytest.mark.parametrize("kind", [list, pd.Series, lambda labels: np.array(labels, object)])
def test_lists_of_names_and_numbers_are_refused(kind: Any) -> None:
    X, y, group = queries()
    labels = kind([1, *group.tolist()[1:-1], "1"])
    wanted = "group: got labels of types int, str, wanted labels of one type"
    with pytest.raises(ArgumentError, match=wanted):
        DirectLossRanker(**QUICK).fit(X, y, group=labels)
    model = DirectLossRanker(**QUICK).fit(X, y, group=group)
    with pytest.raises(ArgumentError, match=wanted):
        model.score(X, y, group=labels)
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(ArgumentError, match=wanted),
    ):
        dl.metric_scorer("ndcg")(model, X, y, group=labels)


def test_names_may_come_as_a_list() -> None:
    X, y, group = queries()
    one, other = (
        DirectLossRanker(**QUICK).fit(X, y, group=labels) for labels in (group, group.tolist())
    )
    np.testing.assert_array_equal(one.coef_, other.coef_)
    with pytest.raises(ArgumentError, match="group: got what is no array"):
        one.score(X, y, group=[[1], [1, 2]])
