from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from directloss.jobs.reliability import BINS, reliability
from directloss.training.calibration import Calibration


def test_the_curve_is_that_of_scikit_learn_and_the_intervals_hold_the_truth() -> None:
    generator = np.random.default_rng(2)
    scores = generator.normal(size=3000) - 1
    calibration = Calibration(kind="sigmoid", rows=2, positives=1, slope=1.5, intercept=0.2)
    truth = calibration.apply(scores)
    positive = generator.random(3000) < truth
    found = reliability(calibration, scores, positive, resamples=400, seed=0)
    shares, means = calibration_curve(positive, truth, n_bins=BINS, strategy="quantile")
    assert [each.predicted for each in found.bins] == pytest.approx(means.tolist())
    assert [each.observed.value for each in found.bins] == pytest.approx(shares.tolist())
    assert sum(each.rows for each in found.bins) == 3000
    inside = [each.observed.low < each.predicted < each.observed.high for each in found.bins]
    assert sum(inside) >= BINS - 2
    assert found.brier.value == pytest.approx(brier_score_loss(positive, truth))
    assert found.brier.low < found.brier.value < found.brier.high < found.brier_of_share
    share = positive.mean()
    assert found.brier_of_share == pytest.approx(
        brier_score_loss(positive, np.full(3000, share)), abs=1e-12
    )


def test_equal_probabilities_are_one_class() -> None:
    flat = Calibration(
        kind="isotonic", rows=4, positives=1, scores=(0.0, 1.0), probabilities=(0.25, 0.25)
    )
    scores, positive = np.arange(8.0), np.arange(8) % 4 == 0
    found = reliability(flat, scores, positive, resamples=0, seed=0)
    (only,) = found.bins
    assert (only.rows, only.predicted, only.observed.value) == (8, 0.25, 0.25)
    assert (only.observed.low, found.brier.low) == (None, None)
