"""A metric for `scoring=`, and metrics of numpy arrays."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    get_scorer,
    top_k_accuracy_score,
)
from sklearn.model_selection import cross_val_score

import directloss as dl
from directloss.errors import ArgumentError
from tests.sklearn_estimators.data import imbalanced, queries


@pytest.mark.parametrize("name", ["average_precision", "f1", "roc_auc", "accuracy"])
@pytest.mark.parametrize(
    "model", [LogisticRegression(), RandomForestClassifier(20, random_state=0)], ids=["lr", "rf"]
)
def test_it_scores_as_the_scorer_of_that_name(name: str, model: object) -> None:
    X, y = imbalanced()
    own, wanted = (
        cross_val_score(model, X, y, cv=3, scoring=scorer)
        for scorer in (dl.metric_scorer(name), get_scorer(name))
    )
    np.testing.assert_allclose(own, wanted, atol=1e-12)


def test_lower_is_better_turns_the_sign() -> None:
    X, y = imbalanced()
    model = LogisticRegression().fit(X, y)
    cost = dl.CountingTask(lambda tp, fp, fn, tn: (10 * fn + fp) / (tp + fp + fn + tn))
    found = model.predict(X)
    wanted = (10 * np.sum(y > found) + np.sum(found > y)) / len(y)
    assert dl.metric_scorer(cost)(model, X, y) == pytest.approx(-wanted, abs=1e-12)


def test_classes_with_names_want_the_positive_one() -> None:
    X, y = imbalanced()
    names = np.where(y, "a fraud", "fair")  # the positive class is not the last one
    model = LogisticRegression().fit(X, names)
    found = dl.metric_scorer("f1", pos_label="a fraud")(model, X, names)
    assert found == pytest.approx(f1_score(names, model.predict(X), pos_label="a fraud"), abs=1e-12)
    ranked = dl.metric_scorer("average_precision", pos_label="a fraud")(model, X, names)
    wanted = average_precision_score(y, -model.decision_function(X))
    assert ranked == pytest.approx(wanted, abs=1e-12)
    with pytest.raises(ArgumentError, match="pos_label"):
        dl.metric_scorer("f1")(model, X, names)


def test_whole_weights_are_repeated_rows() -> None:
    X, y = imbalanced()
    model = LogisticRegression().fit(X, y)
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    scorer = dl.metric_scorer("average_precision")
    repeated = scorer(model, X.repeat(weights, 0), y.repeat(weights))
    assert scorer(model, X, y, sample_weight=weights) == pytest.approx(repeated, abs=1e-12)


def test_lists_are_given_by_group() -> None:
    X, y, group = queries()
    model = LogisticRegression().fit(X, y > 0)
    scores = model.decision_function(X)
    wanted = dl.AveragePrecision().metric(scores.reshape(30, 8), (y > 0).reshape(30, 8).astype(int))
    with sklearn.config_context(enable_metadata_routing=True):
        found = dl.metric_scorer("average_precision")(model, X, (y > 0), group=group)
    assert found == pytest.approx(float(wanted), abs=1e-12)


def test_it_can_be_pickled_and_says_its_task() -> None:
    X, y = imbalanced()
    model = LogisticRegression().fit(X, y)
    scorer = dl.metric_scorer("p@10")
    assert "PrecisionAtK(10)" in repr(scorer)
    assert pickle.loads(pickle.dumps(scorer))(model, X, y) == scorer(model, X, y)


@pytest.mark.parametrize("model", [LogisticRegression(), RandomForestClassifier(9, random_state=0)])
def test_a_metric_of_several_classes_takes_the_scores_of_all(model: Any) -> None:
    X, y = imbalanced()
    y = y + (X[:, 2] > 0.0)
    model.fit(X, y)
    scores = model.predict_proba(X)
    right = dl.metric_scorer(dl.MulticlassZeroOne())(model, X, y)
    assert right == pytest.approx(accuracy_score(y, model.predict(X)), abs=1e-12)
    near = dl.metric_scorer(dl.TopKError(2))(model, X, y)
    assert near == pytest.approx(top_k_accuracy_score(y, scores, k=2), abs=0.02)
    for labels in (y + 1, np.array(list("abc"))[y]):
        with pytest.raises(ArgumentError, match=r"y_true: got .*LabelEncoder"):
            dl.metric_scorer(dl.TopKError(2))(model, X, labels)
    with pytest.raises(ArgumentError, match="pos_label: got 1"):
        dl.metric_scorer(dl.TopKError(2), pos_label=1)
    two = LogisticRegression().fit(X, y > 0)
    with pytest.raises(ArgumentError, match=r"y_score: got shape \(300,\).*ZeroOne"):
        dl.metric_scorer(dl.MulticlassZeroOne())(two, X, y > 0)


def test_a_metric_of_two_classes_refuses_three() -> None:
    X, y = imbalanced()
    y = y + (X[:, 2] > 0.0)
    model = LogisticRegression().fit(X, y)
    with pytest.raises(ArgumentError, match=r"y_true: got 2\.0, wanted two classes, .*pos_label="):
        dl.metric_scorer("f1")(model, X, y)
    with pytest.raises(ArgumentError, match=r"y_true: got .* 3 classes, wanted two classes"):
        dl.metric_scorer("average_precision")(model, X, y)
    with pytest.raises(ArgumentError, match="task: got 'bogus', wanted one of"):
        dl.metric_scorer("bogus")


@pytest.mark.parametrize("name", ["average_precision", "f1"])
def test_labels_may_be_minus_one_and_one(name: str) -> None:
    X, y = imbalanced()
    found, signed = (
        dl.metric_scorer(name)(LogisticRegression().fit(X, labels), X, labels)
        for labels in (y, 2 * y - 1)
    )
    assert signed == found
