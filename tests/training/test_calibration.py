from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from directloss.training.calibration import Calibration, fit_calibration

GENERATOR = np.random.default_rng(7)
SCORES = 40.0 + 3.0 * GENERATOR.normal(size=500)
POSITIVE = GENERATOR.random(500) < 1 / (1 + np.exp(41.0 - SCORES))


def test_a_sigmoid_is_the_logistic_regression_on_the_score() -> None:
    found = fit_calibration("sigmoid", SCORES, POSITIVE)
    free = LogisticRegression(C=np.inf, tol=1e-8).fit(SCORES[:, None] - 40.0, POSITIVE)
    wanted = free.predict_proba(SCORES[:, None] - 40.0)[:, 1]
    np.testing.assert_allclose(found.apply(SCORES), wanted, atol=0.03)  # it has a small L2
    assert (found.rows, found.positives) == (500, POSITIVE.sum())


def test_an_isotonic_one_is_scikit_learns_also_outside() -> None:
    found = fit_calibration("isotonic", SCORES, POSITIVE)
    regression = IsotonicRegression(out_of_bounds="clip").fit(SCORES, POSITIVE)
    new = np.linspace(0.0, 80.0, 999)
    np.testing.assert_allclose(found.apply(new), regression.predict(new), atol=1e-12)


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_it_comes_back_from_its_text(kind: str) -> None:
    found = fit_calibration(kind, SCORES, POSITIVE)
    again = Calibration.model_validate_json(found.model_dump_json(exclude_defaults=True))
    assert again == found
    assert np.array_equal(again.apply(SCORES), found.apply(SCORES))


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_scores_that_go_the_wrong_way_keep_their_order(kind: str) -> None:
    found = fit_calibration(kind, -SCORES, POSITIVE)
    probabilities = found.apply(np.sort(-SCORES))
    assert (np.diff(probabilities) >= 0).all()
    assert probabilities.mean() == pytest.approx(POSITIVE.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "sigmoid", "slope": 1.0}, "a sigmoid has a slope and an intercept"),
        ({"kind": "sigmoid", "slope": -1.0, "intercept": 0.0}, "greater than 0"),
        ({"kind": "isotonic"}, "has scores and probabilities"),
        ({"kind": "isotonic", "scores": (1.0, 2.0), "probabilities": (0.5,)}, "for each"),
        ({"kind": "isotonic", "scores": (2.0, 1.0), "probabilities": (0.1, 0.2)}, "scores grow"),
        ({"kind": "isotonic", "scores": (1.0, 2.0), "probabilities": (0.2, 0.1)}, "not fall"),
        ({"kind": "isotonic", "scores": (1.0,), "probabilities": (1.5,)}, "less than or equal"),
    ],
)
def test_what_is_no_calibration(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Calibration.model_validate({"rows": 10, "positives": 2, **content})
