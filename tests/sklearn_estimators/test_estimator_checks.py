"""scikit-learn's own checks, none switched off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def test_there_are_as_many_checks_as_scikit_learn_has_for_such_estimators() -> None:
    counts = [
        sum(1 for _ in estimator_checks_generator(estimator))
        for estimator in (DirectLossClassifier(), DirectLossRanker())
    ]
    assert counts[0] > 60 and counts[1] > 40
