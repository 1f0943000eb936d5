"""A metric for `scoring=`, and metrics of numpy arrays."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    get_scorer,
    make_scorer,
    matthews_corrcoef,
    roc_auc_score,
    top_k_accuracy_score,
)
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import directloss as dl
from directloss.errors import ArgumentError
from directloss.sklearn import DirectLossClassifier
from tests.sklearn_estimators.data import QUICK, imbalanced, queries


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


WEIGHED = [
    (dl.AveragePrecision(), average_precision_score, "decision_function"),
    (dl.ROCAUC(), roc_auc_score, "decision_function"),
    (dl.FBeta(1.0), f1_score, "predict"),
    (dl.ZeroOne(), accuracy_score, "predict"),
    (dl.MatthewsCorrelation(), matthews_corrcoef, "predict"),
]


@pytest.mark.parametrize(("task", "peer", "method"), WEIGHED, ids=lambda each: repr(each)[:20])
@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
def test_weights_are_those_of_scikit_learn(task: Any, peer: Any, method: str, scale: float) -> None:
    X, y = imbalanced()
    weights = np.random.default_rng(0).uniform(0.0, 3.0, len(y)) ** 3
    weights[::7] = 0.0
    model = LogisticRegression().fit(X, y)
    wanted = peer(y, getattr(model, method)(X), sample_weight=weights)
    found = dl.metric_scorer(task)(model, X, y, sample_weight=weights * scale)
    assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("task", "peer", "method"), [WEIGHED[0], WEIGHED[2]], ids=["average precision", "f1"]
)
def test_the_score_of_a_classifier_has_these_weights(task: Any, peer: Any, method: str) -> None:
    X, y = imbalanced()
    weights = np.random.default_rng(0).uniform(0.0, 3.0, len(y)) ** 3
    labels = np.stack([y, X[:, 2] > 0.5], 1).astype(int)
    one = DirectLossClassifier(task, **QUICK).fit(X, y)
    wanted = peer(y, getattr(one, method)(X), sample_weight=weights)
    assert one.score(X, y, weights) == pytest.approx(wanted, abs=1e-12)
    several = DirectLossClassifier(task, **QUICK).fit(X, labels)
    columns = getattr(several, method)(X)
    wanted = np.mean([peer(labels[:, k], columns[:, k], sample_weight=weights) for k in (0, 1)])
    assert several.score(X, labels, weights) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    "task",
    [
        *(task for task, *_ in WEIGHED),
        dl.PartialAUC(0.3),
        dl.GMean(),
        dl.CountingTask(lambda tp, fp, fn, tn: (10 * fn + fp) / (tp + fp + fn + tn)),
        dl.AveragePrecision(5),
        dl.AveragePrecision(5, normalize="relevant"),
        dl.PrecisionAtK(20),
        dl.NDCG(),
        dl.ReciprocalRank(),
    ],
    ids=repr,
)
def test_a_whole_weight_is_the_row_so_often(task: Any) -> None:
    X, y = imbalanced()
    X = np.round(X)  # ties
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    model = LogisticRegression().fit(X, y)
    repeated = dl.metric_scorer(task)(model, X.repeat(weights, 0), y.repeat(weights))
    found = dl.metric_scorer(task)(model, X, y, sample_weight=weights)
    assert found == pytest.approx(repeated, abs=1e-12)


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
    with pytest.raises(ArgumentError, match="pos_label: got 1"):
        dl.metric_scorer(dl.TopKError(2), pos_label=1)
    two = LogisticRegression().fit(X, y > 0)
    with pytest.raises(ArgumentError, match=r"y_score: got shape \(300,\).*ZeroOne"):
        dl.metric_scorer(dl.MulticlassZeroOne())(two, X, y > 0)


def fold_without(*absent: int, names: Any = (0, 1, 2, 3, 4)) -> tuple[Any, Any, Any]:
    """A model that was trained without some of five classes; features and labels of all five."""
    random = np.random.default_rng(0)
    y = np.arange(200) % 5
    X = np.eye(5)[y] + 0.7 * random.normal(size=(200, 5))
    labels = np.asarray(names)[y]
    known = ~np.isin(y, absent)
    return LogisticRegression().fit(X[known], labels[known]), X, labels


@pytest.mark.parametrize("names", [(0, 1, 2, 3, 4), (7, -2, 1, 0, 3), list("cadbe")], ids=str)
def test_a_class_that_training_lacked_was_never_predicted(names: Any) -> None:
    model, X, y = fold_without(1, names=names)
    weights = np.random.default_rng(1).uniform(0.0, 2.0, len(y))
    scorer = dl.metric_scorer(dl.MulticlassZeroOne())
    assert scorer(model, X, y) == pytest.approx(model.score(X, y), abs=1e-12)
    found = scorer(model, X, y, sample_weight=weights)
    assert found == pytest.approx(model.score(X, y, weights), abs=1e-12)
    best = model.classes_[np.argsort(-model.decision_function(X))]
    for k in (2, 4, 9):
        wanted = (best[:, :k] == y[:, None]).any(1).mean()
        assert dl.metric_scorer(dl.TopKError(k))(model, X, y) == pytest.approx(wanted, abs=1e-12)


def test_columns_are_found_by_their_class() -> None:
    X = np.eye(4) * 5
    model = LogisticRegression(C=100).fit(X, [0, 2, 3, 2])
    y = np.array([0, 2, 2, 2])
    assert dl.metric_scorer(dl.MulticlassZeroOne())(model, X, y) == 0.75 == model.score(X, y)


@pytest.mark.parametrize("absent", [(), (1,), (0, 4)], ids=str)
def test_costs_are_those_of_the_labels(absent: tuple[int, ...]) -> None:
    model, X, y = fold_without(*absent)
    costs = np.random.default_rng(0).uniform(0.0, 3.0, (5, 5))
    wanted = -costs[y, model.predict(X)].mean()
    assert dl.metric_scorer(dl.CostMatrix(costs))(model, X, y) == pytest.approx(wanted, abs=1e-12)


def test_costs_refuse_labels_that_they_do_not_know() -> None:
    scorer = dl.metric_scorer(dl.CostMatrix(np.ones((5, 5))))
    model, X, y = fold_without(names=list("cadbe"))
    assert scorer(model, X, y) == -1.0
    with pytest.raises(ArgumentError, match=r"y_true: got 'x', .* wanted labels out of 'a', 'b'"):
        scorer(model, X, np.full(200, "x"))
    model, X, y = fold_without(1, names=list("cadbe"))
    wanted = r"y_score: got scores of the classes 'b', .* or class indices 0 to 4"
    with pytest.raises(ArgumentError, match=wanted):
        scorer(model, X, y)


def test_labels_of_another_kind_are_refused() -> None:
    model, X, y = fold_without()
    scorer = dl.metric_scorer(dl.MulticlassZeroOne())
    with pytest.raises(ArgumentError, match=r"y_true: got .* of type <U1, wanted labels as the"):
        scorer(model, X, y.astype("<U1"))
    with pytest.raises(ArgumentError, match="y_true: got NaN or None"):
        scorer(model, X, np.where(y == 0, np.nan, y))
    model.classes_ = model.classes_[:4]
    with pytest.raises(ArgumentError, match="y_score: got 5 columns, wanted 4, one a class"):
        scorer(model, X, y)


class Columns(BaseEstimator):
    """Scores of three classes that have no names."""

    def fit(self, X: Any, y: Any) -> Any:
        return self

    def decision_function(self, X: Any) -> Any:
        return X[:, :3]


def test_without_names_of_classes_labels_are_indices() -> None:
    X, y = imbalanced()
    y = y + (X[:, 2] > 0.0)
    scorer = dl.metric_scorer(dl.MulticlassZeroOne())
    assert scorer(Columns(), X, y) == pytest.approx(np.mean(X[:, :3].argmax(1) == y), abs=1e-12)
    for labels in (y + 1, np.array(list("abc"))[y]):
        with pytest.raises(ArgumentError, match=r"y_true: got .*LabelEncoder"):
            scorer(Columns(), X, labels)


def test_a_scorer_of_classes_is_one_among_others() -> None:
    X, y = imbalanced()
    y = np.array(list("abc"))[y + (X[:, 2] > 0.0)]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    scorer = pickle.loads(pickle.dumps(dl.metric_scorer(dl.MulticlassZeroOne())))
    assert "MulticlassZeroOne" in repr(scorer)
    found = cross_validate(model, X, y, cv=3, scoring={"own": scorer, "peer": "accuracy"})
    np.testing.assert_allclose(found["test_own"], found["test_peer"], atol=1e-12)
    weights = np.random.default_rng(0).uniform(0.0, 2.0, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression().set_fit_request(sample_weight=False)
        own, peer = (
            each.set_score_request(sample_weight=True)
            for each in (scorer, make_scorer(accuracy_score))
        )
        found = cross_validate(
            model, X, y, cv=3, scoring={"own": own, "peer": peer}, params={"sample_weight": weights}
        )
    np.testing.assert_allclose(found["test_own"], found["test_peer"], atol=1e-12)
    search = GridSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0]}, scoring={"own": scorer}, refit="own", cv=3
    )
    assert search.fit(X, y, sample_weight=weights).best_score_ > 0.5


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
