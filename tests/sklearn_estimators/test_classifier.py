"""The classifier: what it learns, what its numbers mean, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, f1_score

import directloss as dl
from directloss.errors import ArgumentError
from directloss.sklearn import DirectLossClassifier
from tests.sklearn_estimators.data import QUICK, imbalanced


@pytest.mark.parametrize("method", ["refine", "cross-entropy", "direct"])
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_every_method_learns(method: str, hidden: tuple[int, ...]) -> None:
    X, y = imbalanced(600)
    model = DirectLossClassifier(method=method, hidden=hidden, max_iter=100, random_state=0)
    model.fit(X[:400], y[:400])
    found = average_precision_score(y[400:], model.decision_function(X[400:]))
    # The score that made the targets has .71.
    assert found > 0.6
    assert model.score(X[400:], y[400:]) == pytest.approx(found, abs=1e-12)


def test_coefficients_are_those_of_the_features_as_they_came() -> None:
    X, y = imbalanced()
    X = X * [1.0, 1e3, 1e-3, 1.0] + [0.0, 1e4, 5.0, -3.0]
    model = DirectLossClassifier(**QUICK).fit(X, y)
    decision = model.decision_function(X)
    assert model.coef_.shape == (1, 4)
    np.testing.assert_allclose(decision, X @ model.coef_[0] + model.intercept_[0], rtol=1e-12)
    plain = DirectLossClassifier(**QUICK).fit(X, y.astype(bool))
    np.testing.assert_array_equal(plain.decision_function(X), decision)


@pytest.mark.parametrize("constant", [0.0, 0.1, 7.0])
def test_a_constant_feature_has_no_weight(constant: float) -> None:
    X, y = imbalanced()
    X[:, 2] = constant
    assert not DirectLossClassifier(**QUICK).fit(X, y).coef_[0, 2]
    assert not DirectLossClassifier(**QUICK).fit(sparse.csr_array(X), y).coef_[0, 2]
    for hidden in ((), (4,)):
        model = DirectLossClassifier(hidden=hidden, **QUICK).fit(X, y)
        other = X + np.array([0.0, 0.0, 100.0, 0.0])
        np.testing.assert_allclose(
            model.decision_function(other), model.decision_function(X), atol=1e-12
        )


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_a_feature_past_double_precision_is_refused(kind: Any) -> None:
    X, y = imbalanced()
    X[:, 1] *= 1e160
    with pytest.raises(ArgumentError, match=r"X: got a feature whose variance .*, column 1"):
        DirectLossClassifier(**QUICK).fit(kind(X), y)


def test_a_sparse_matrix_gives_the_model_of_the_dense_one() -> None:
    X, y = imbalanced()
    X[np.abs(X) < 0.5] = 0.0
    dense, thin = (
        DirectLossClassifier(max_iter=50, random_state=0, method="cross-entropy").fit(each, y)
        for each in (X, sparse.csr_array(X))
    )
    np.testing.assert_allclose(thin.coef_, dense.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        thin.decision_function(sparse.csr_matrix(X)), thin.decision_function(X), rtol=1e-9
    )
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        DirectLossClassifier(hidden=(4,), **QUICK).fit(sparse.csr_array(X), y)


def test_the_threshold_of_f1_is_the_best_of_the_validation_part_or_of_all_rows() -> None:
    X, y = imbalanced()
    model = DirectLossClassifier("f1", validation_fraction=0.0, **QUICK).fit(X, y)
    decision = model.decision_function(X)
    best = max(f1_score(y, decision > cut) for cut in [*decision, decision.min() - 1.0])
    assert f1_score(y, model.predict(X)) == pytest.approx(best, abs=1e-12)
    assert model.score(X, y) == pytest.approx(best, abs=1e-12)


def test_the_threshold_of_a_ranking_metric_is_at_one_half() -> None:
    X, y = imbalanced()
    for calibration in ("sigmoid", "isotonic"):
        model = DirectLossClassifier(calibration=calibration, **QUICK).fit(X, y)
        probability = model.predict_proba(X)
        np.testing.assert_array_equal(model.predict(X), probability[:, 1] > 0.5)
        np.testing.assert_allclose(probability.sum(1), 1.0)
        # A calibration gives the frequency of the rows that it is fitted to: all of them here.
        assert probability[:, 1].mean() == pytest.approx(y.mean(), abs=0.03)


def test_a_sigmoid_grows_with_the_score_even_where_positives_have_low_ones() -> None:
    X, y = imbalanced()
    model = DirectLossClassifier(method="cross-entropy", warm_start=True, **QUICK).fit(X, y)
    model.set_params(learning_rate=1e-9).fit(X, 1 - y)
    assert average_precision_score(1 - y, model.decision_function(X)) < 0.8 == (1 - y).mean()
    assert model.calibrators_[0].coef_[0, 0] > 0.0
    order = np.argsort(model.decision_function(X))
    assert (np.diff(model.predict_proba(X)[order, 1]) >= 0.0).all()
    assert model.predict_proba(X)[:, 1] == pytest.approx(0.8, abs=0.02)


def test_several_labels_have_a_model_each() -> None:
    X, y = imbalanced()
    both = np.column_stack([y, X[:, 2] > 0.0]).astype(int)
    model = DirectLossClassifier(**QUICK).fit(X, both)
    alone = DirectLossClassifier(**QUICK).fit(X, both[:, 1])
    np.testing.assert_array_equal(model.decision_function(X)[:, 1], alone.decision_function(X))
    np.testing.assert_array_equal(model.predict(X)[:, 1], alone.predict(X))
    np.testing.assert_array_equal(model.predict_proba(X)[:, 1], alone.predict_proba(X)[:, 1])
    assert len(model.history_) == 2
    assert model.threshold_.shape == (2,)
    value = [average_precision_score(both[:, k], model.decision_function(X)[:, k]) for k in (0, 1)]
    assert model.score(X, both) == pytest.approx(np.mean(value), abs=1e-12)
    from_sparse = DirectLossClassifier(**QUICK).fit(X, sparse.csr_array(both))
    np.testing.assert_array_equal(from_sparse.predict(X), model.predict(X))
    both[:, 1] = 1
    with pytest.raises(ArgumentError, match="one class: 1 in column 1"):
        DirectLossClassifier(**QUICK).fit(X, both)


def test_whole_weights_are_repeated_rows_with_a_validation_part() -> None:
    X, y = imbalanced()
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    order = np.random.default_rng(2).permutation(len(y))
    weighted = DirectLossClassifier(**QUICK).fit(X[order], y[order], sample_weight=weights[order])
    repeated = DirectLossClassifier(**QUICK).fit(X.repeat(weights, 0), y.repeat(weights))
    assert "validation" in weighted.history_
    np.testing.assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
    tenth = DirectLossClassifier(**QUICK).fit(X, y, sample_weight=weights / 10)
    np.testing.assert_array_equal(tenth.predict_proba(X), repeated.predict_proba(X))


def test_uneven_weights_keep_both_classes_or_are_refused() -> None:
    X, y = imbalanced()
    model = DirectLossClassifier(max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match=r"sample_weight: 2\d\d of 300 rows .* did not train"):
        model.fit(X, y, sample_weight=np.where(y, 1e5, 1.5))
    for weights in (np.where(y, 1e9, 1.5), 1.0 - y):
        with pytest.raises(ArgumentError, match="sample_weight: got rows of class"):
            model.fit(X, y, sample_weight=weights)


def test_class_weights_raise_the_probability_and_not_the_threshold_of_f1() -> None:
    X, y = imbalanced()
    plain, balanced = (
        DirectLossClassifier(class_weight=weight, **QUICK).fit(X, y)
        for weight in (None, "balanced")
    )
    assert plain.predict(X).mean() < 0.25 < balanced.predict(X).mean()
    assert balanced.predict_proba(X)[:, 1].mean() == pytest.approx(0.4, abs=0.1)
    heavy = DirectLossClassifier("f1", class_weight={0: 1.0, 1: 100.0}, **QUICK).fit(X, y)
    assert heavy.predict(X).mean() < 0.4
    with pytest.raises(ArgumentError, match="class_weight"):
        DirectLossClassifier(class_weight={0: 0.0, 1: 1.0}, **QUICK).fit(X, y)


def test_a_warm_start_and_a_partial_fit_go_on() -> None:
    X, y = imbalanced()
    cold = DirectLossClassifier(**QUICK).fit(X, y)
    warm = DirectLossClassifier(warm_start=True, **QUICK).fit(X, y)
    np.testing.assert_array_equal(warm.coef_, cold.coef_)
    warm.set_params(learning_rate=1e-9).fit(2.0 * X + 1.0, y)
    np.testing.assert_allclose(
        warm.coef_ @ X.T + warm.intercept_ + warm.threshold_,
        cold.coef_ @ X.T + cold.intercept_ + cold.threshold_,
        atol=1e-4,
    )
    part = DirectLossClassifier(**QUICK).partial_fit(X, y, classes=[0, 1])
    np.testing.assert_array_equal(part.coef_, cold.coef_)
    part.partial_fit(X[:150], y[:150])
    assert not np.array_equal(part.coef_, cold.coef_)
    with pytest.raises(ArgumentError, match="classes"):
        part.partial_fit(X, y + 1)
    with pytest.raises(ArgumentError, match=r"hidden: got \[8\], wanted \[\]"):
        part.set_params(hidden=(8,)).partial_fit(X, y)


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_rows_of_one_class_wait_for_the_other(hidden: tuple[int, ...]) -> None:
    X, y = imbalanced()
    X, y = X[np.argsort(y, kind="stable")], np.sort(y)
    whole = DirectLossClassifier(hidden=hidden, **QUICK).fit(X, y)
    model = DirectLossClassifier(hidden=hidden, **QUICK)
    model.partial_fit(X[:100], y[:100], classes=[0, 1])
    assert model.classes_.tolist() == [0, 1]
    np.testing.assert_allclose(model.decision_function(X), -np.log(101.0))
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 1.0 / 102.0)
    assert not model.predict(X).any()
    model.partial_fit(X[100:240], y[100:240], classes=[0, 1]).partial_fit(X[240:], y[240:])
    np.testing.assert_array_equal(model.decision_function(X), whole.decision_function(X))
    before = model.decision_function(X)
    for row in range(200, 240):
        model.partial_fit(X[row : row + 1], y[row : row + 1])
    np.testing.assert_array_equal(model.decision_function(X), before)
    again = DirectLossClassifier(hidden=hidden, warm_start=True, **QUICK).fit(X, y)
    model.partial_fit(X[240:241], y[240:241], sample_weight=[3])
    weights = [1] * 40 + [3]
    again.fit(X[200:241], y[200:241], sample_weight=weights)
    np.testing.assert_array_equal(model.decision_function(X), again.decision_function(X))


def test_a_stream_of_sparse_rows_and_of_several_labels() -> None:
    X, y = imbalanced()
    both = np.column_stack([y, X[:, 2] > 0.0]).astype(int)
    order = np.argsort(y, kind="stable")
    X, both = X[order], both[order]
    model = DirectLossClassifier(**QUICK).partial_fit(sparse.csr_array(X[:240]), both[:240])
    assert model.n_iter_ == 0 == model.coef_.any()
    assert model.predict(X).shape == both.shape
    model.partial_fit(X[240:], both[240:])
    whole = DirectLossClassifier(**QUICK).fit(sparse.csr_array(X), both)
    np.testing.assert_array_equal(model.decision_function(X), whole.decision_function(X))


def test_classes_of_a_stream_are_checked() -> None:
    X, y = imbalanced()
    negative = X[y == 0], y[y == 0]
    model = DirectLossClassifier(**QUICK)
    with pytest.raises(ArgumentError, match=r"y: got one class: 0, wanted .*classes="):
        model.partial_fit(*negative)
    with pytest.raises(ArgumentError, match=r"classes: got \[0 1 2\], wanted two"):
        model.partial_fit(*negative, classes=[0, 1, 2])
    with pytest.raises(ArgumentError, match=r"y: got classes \[0\], wanted some of .*\[1 2\]"):
        model.partial_fit(*negative, classes=[1, 2])
    model.partial_fit(X, y, classes=[1, 0])
    with pytest.raises(ArgumentError, match=r"classes: got \[0 5\], wanted those before, \[0 1\]"):
        model.partial_fit(X, y, classes=[0, 5])
    with pytest.raises(ArgumentError, match=r"y: got classes \[1 2\]"):
        model.partial_fit(X, y + 1)


def test_names_of_classes_and_of_columns_are_kept() -> None:
    X, y = imbalanced()
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = DirectLossClassifier(**QUICK).fit(frame, np.where(y, "fraud", "fair"))
    assert model.classes_.tolist() == ["fair", "fraud"]
    assert model.feature_names_in_.tolist() == list("abcd")
    assert set(model.predict(frame)) <= {"fair", "fraud"}
    assert model.score(frame, np.where(y, "fraud", "fair")) > y.mean()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("dcba")])


def test_a_task_and_a_name_are_the_same() -> None:
    X, y = imbalanced()
    named, task = (
        DirectLossClassifier(each, **QUICK).fit(X, y) for each in ("p@10", dl.PrecisionAtK(10))
    )
    np.testing.assert_array_equal(named.coef_, task.coef_)


def test_as_many_labels_as_before_are_wanted() -> None:
    X, y = imbalanced()
    both = np.column_stack([y, 1 - y])
    model = DirectLossClassifier(warm_start=True, **QUICK).fit(X, both)
    for call in (model.fit, model.partial_fit, model.score):
        with pytest.raises(ArgumentError, match=r"y: got 1 label\(s\), wanted 2"):
            call(X, y)
    with pytest.raises(ArgumentError, match="y: got columns of"):
        model.score(X, both + 5)


def test_mini_batches_train() -> None:
    X, y = imbalanced()
    model = DirectLossClassifier(batch_size=64, max_iter=5, random_state=0).fit(X, y)
    assert model.score(X, y) > 2.0 * y.mean()


def test_a_batch_holds_all_rows_at_most() -> None:
    X, y = imbalanced()
    model, full = (DirectLossClassifier(batch_size=b, **QUICK).fit(X, y) for b in (10**12, None))
    np.testing.assert_array_equal(model.coef_, full.coef_)


def test_a_score_of_unknown_labels_is_refused_and_an_undefined_one_warns() -> None:
    X, y = imbalanced()
    model = DirectLossClassifier(**QUICK).fit(X, y)
    for labels in (y + 5, np.array(["n", "y"])[y]):
        with pytest.raises(ArgumentError, match=r"y: got classes .*, wanted some of .*\[0 1\]"):
            model.score(X, labels)
    with pytest.warns(UndefinedMetricWarning, match=r"AveragePrecision\(\) is undefined"):
        assert np.isnan(model.score(X[y == 0], y[y == 0]))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"task": "no-such"}, "task: got 'no-such', wanted one of accuracy, average_precision,"),
    ({"task": "fbeta:x"}, "task: got 'fbeta:x', wanted a number behind"),
    ({"task": dl.MulticlassZeroOne()}, "task: got"),
    ({"method": "boost"}, "method: got 'boost'"),
    ({"hidden": 8}, "hidden: got 8"),
    ({"hidden": (0,)}, "hidden: got 0"),
    ({"validation_fraction": 1.0}, "validation_fraction: got 1.0"),
    ({"calibration": "platt"}, "calibration: got 'platt'"),
    ({"max_iter": 0}, "max_iter: got 0"),
    ({"batch_size": 1}, "batch_size: got 1"),
    ({"l2": -1.0}, "l2: got -1.0"),
    ({"learning_rate": -1}, "learning_rate: got -1, wanted above 0"),
    ({"learning_rate": 0.0}, "learning_rate: got 0.0, wanted above 0"),
    ({"class_weight": {0: 1, 1: np.inf}}, "class_weight: got {0: 1, 1: inf}, wanted weights above"),
    ({"class_weight": {0: 1, 1: np.nan}}, "class_weight: got {0: 1, 1: nan}, wanted weights above"),
    ({"class_weight": {0: 1, 1: 1e39}}, "class_weight: got {0: 1, 1: 1e+39}, wanted weights above"),
    ({"class_weight": {0: 0, 1: 1}}, "class_weight: got {0: 0, 1: 1}, wanted weights above 0"),
    ({"class_weight": {0: "a", 1: 1}}, "class_weight: got {0: 'a', 1: 1}, wanted a dictionary"),
    ({"class_weight": {5: 1}}, "class_weight: got {5: 1}, wanted a dictionary with a number for"),
    ({"class_weight": "even"}, "class_weight: got 'even', wanted a dictionary"),
]


@pytest.mark.parametrize(("parameters", "message"), WRONG, ids=lambda each: str(each))
def test_wrong_parameters_are_refused_in_fit(parameters: dict[str, Any], message: str) -> None:
    X, y = imbalanced(50)
    model = DirectLossClassifier(**parameters)
    with pytest.raises(ArgumentError) as raised:
        model.fit(X, y)
    assert str(raised.value).startswith(message)
