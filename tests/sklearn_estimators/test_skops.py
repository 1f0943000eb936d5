"""Estimators in a file of skops, which runs no code that its reader does not trust."""

from __future__ import annotations

import numpy as np
import pytest

import directloss as dl
from directloss.sklearn import DirectLossClassifier, DirectLossRanker
from tests.sklearn_estimators.data import QUICK, imbalanced, queries

skops = pytest.importorskip("skops.io", reason="skops is not installed")

CLASSIFIER = "directloss.sklearn._classifier.DirectLossClassifier"
RANKER = "directloss.sklearn._ranker.DirectLossRanker"


@pytest.mark.parametrize(
    ("task", "others"),
    [("f1", []), ("average_precision", []), (dl.FBeta(2.0), ["directloss.tasks.counting.FBeta"])],
    ids=repr,
)
@pytest.mark.parametrize("hidden", [(), (3,)], ids=["linear", "perceptron"])
@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic"])
def test_a_classifier_comes_back(
    task: object, others: list[str], hidden: tuple[int, ...], calibration: str
) -> None:
    X, y = imbalanced()
    model = DirectLossClassifier(task, hidden=hidden, calibration=calibration, **QUICK).fit(X, y)
    content = skops.dumps(model)
    trusted = [CLASSIFIER, *others]
    assert skops.get_untrusted_types(data=content) == trusted
    found = skops.loads(content, trusted=trusted)
    np.testing.assert_array_equal(found.decision_function(X), model.decision_function(X))
    np.testing.assert_array_equal(found.predict_proba(X), model.predict_proba(X))
    assert found.get_params().keys() == model.get_params().keys()
    with pytest.raises(TypeError, match="DirectLossClassifier"):
        skops.loads(content)


def test_a_ranker_comes_back() -> None:
    X, relevance, group = queries()
    model = DirectLossRanker(**QUICK).fit(X, relevance, group=group)
    found = skops.loads(skops.dumps(model), trusted=[RANKER])
    np.testing.assert_array_equal(found.predict(X), model.predict(X))
