"""scikit-learn's own checks, none switched off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from directloss.sklearn import DirectLossClassifier, DirectLossRanker


def checks() -> list[Any]:
    found = []
    for estimator in (DirectLossClassifier(max_iter=20), DirectLossRanker(max_iter=20)):
        for number, (own, check) in enumerate(estimator_checks_generator(estimator)):
            name = getattr(getattr(check, "func", check), "__name__", "check")
            found.append(pytest.param(own, check, id=f"{type(own).__name__} {number} {name}"))
    return found


# The losses' own warning is for people, and no failure of a check.
@pytest.mark.filterwarnings("ignore:DirectLoss:UserWarning")
@pytest.mark.parametrize(("estimator", "check"), checks())
def test_check(estimator: Any, check: Callable[[Any], None]) -> None:
    """A check that cannot run for want of a package skips itself and says so."""
    check(estimator)


BY_INTENTION: list[tuple[dict[str, Any], set[str]]] = [
    (
        {"task": "f1"},
        {
            "check_class_weight_classifiers",
            "check_classifier_multioutput",
            "check_classifiers_train",
        },
    ),
    (
        {"calibration": "isotonic"},
        {
            "check_classifier_multioutput",
            "check_classifiers_multilabel_output_format_predict_proba",
        },
    ),
]


@pytest.mark.filterwarnings("ignore:DirectLoss:UserWarning")
@pytest.mark.parametrize(("parameters", "names"), BY_INTENTION, ids=["counts", "isotonic"])
def test_those_fail_that_the_docs_name(parameters: dict[str, Any], names: set[str]) -> None:
    failed = set()
    for own, check in estimator_checks_generator(DirectLossClassifier(max_iter=20, **parameters)):
        try:
            check(own)
        except AssertionError:
            failed.add(check.func.__name__)
        except SkipTest:
            continue
    assert failed == names


def test_there_are_as_many_checks_as_scikit_learn_has_for_such_estimators() -> None:
    counts = [
        sum(1 for _ in estimator_checks_generator(estimator))
        for estimator in (DirectLossClassifier(), DirectLossRanker())
    ]
    assert counts[0] > 60 and counts[1] > 40
