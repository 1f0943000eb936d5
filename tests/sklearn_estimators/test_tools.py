"""The estimators inside the tools of scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import directloss as dl
from directloss.sklearn import DirectLossClassifier, DirectLossRanker
from tests.sklearn_estimators.data import QUICK, imbalanced, queries


def test_a_pipeline_gives_names_and_takes_weights() -> None:
    X, y = imbalanced()
    model = make_pipeline(StandardScaler(), DirectLossClassifier(**QUICK))
    model.set_output(transform="pandas")
    weights = np.arange(len(y)) % 3
    model.fit(pd.DataFrame(X, columns=list("abcd")), y, directlossclassifier__sample_weight=weights)
    assert model[-1].feature_names_in_.tolist() == list("abcd")
    # Standardised features stay as they are, so that a scaler before changes little.
    alone = DirectLossClassifier(**QUICK).fit(StandardScaler().fit_transform(X), y, weights)
    np.testing.assert_allclose(alone.coef_, model[-1].coef_, atol=1e-3)


def test_a_grid_is_searched_by_two_workers() -> None:
    X, y = imbalanced()
    grid = {"task": ["average_precision", dl.FBeta(2.0)], "l2": [1e-3, 1.0]}
    search = GridSearchCV(
        DirectLossClassifier(**QUICK), grid, scoring=dl.metric_scorer("f1"), cv=2, n_jobs=2
    ).fit(X, y)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    one = GridSearchCV(
        DirectLossClassifier(**QUICK), grid, scoring=dl.metric_scorer("f1"), cv=2
    ).fit(X, y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"], atol=1e-12
    )


def test_cross_validation_takes_the_score_of_the_task() -> None:
    X, y = imbalanced()
    model = DirectLossClassifier("f1", **QUICK)
    own, scorer = (
        cross_val_score(model, X, y, cv=3, scoring=scoring)
        for scoring in (None, dl.metric_scorer("f1"))
    )
    np.testing.assert_allclose(own, scorer, atol=1e-12)


def test_another_calibration_goes_on_top() -> None:
    X, y = imbalanced()
    model = CalibratedClassifierCV(DirectLossClassifier(**QUICK), cv=3).fit(X, y)
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), abs=0.05)


def test_lists_are_routed_through_a_search() -> None:
    X, y, group = queries()
    with sklearn.config_context(enable_metadata_routing=True):
        ranker = DirectLossRanker(**QUICK).set_fit_request(group=True).set_score_request(group=True)
        search = GridSearchCV(ranker, {"l2": [1e-3, 1.0]}, cv=GroupKFold(3))
        search.fit(X, y, group=group, groups=group)
        scorer = dl.metric_scorer("ndcg").set_score_request(group=True)
        again = GridSearchCV(ranker, {"l2": [1e-3, 1.0]}, cv=GroupKFold(3), scoring=scorer)
        again.fit(X, y, group=group, groups=group)
    np.testing.assert_allclose(
        again.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"], atol=1e-12
    )


@pytest.mark.parametrize("hidden", [(), (4,)])
@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic"])
def test_copies_and_pickles_predict_the_same(hidden: tuple[int, ...], calibration: str) -> None:
    X, y = imbalanced()
    model = DirectLossClassifier(hidden=hidden, calibration=calibration, **QUICK).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(clone(model).fit(X, y).predict_proba(X), model.predict_proba(X))
