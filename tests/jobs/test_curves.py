from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from directloss.jobs.curves import MOST_POINTS, Ranked, bands, precision_recall, roc


def scored(size: int, ties: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(size)
    positive = generator.random(size) < 0.2
    scores = generator.normal(size=size) + positive
    return (scores if ties is None else np.round(scores * ties) / ties), positive


@pytest.mark.parametrize("ties", [None, 2])
def test_curves_are_those_of_scikit_learn(ties: int | None) -> None:
    scores, positive = scored(300, ties)
    curve = roc(Ranked.of(scores, positive))
    x, y, _ = roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose([curve.x, curve.y], [x, y], atol=1e-12)
    curve = precision_recall(Ranked.of(scores, positive))
    precision, recall, _ = precision_recall_curve(positive, scores)
    # scikit-learn goes the other way, and begins with (0, 1).
    np.testing.assert_allclose(curve.x, recall[::-1], atol=1e-12)
    np.testing.assert_allclose(curve.y[1:], precision[::-1][1:], atol=1e-12)
    area = np.sum(np.diff(curve.x) * curve.y[1:])
    assert area == pytest.approx(average_precision_score(positive, scores), abs=1e-12)


def test_thinned_curves_keep_their_ends_and_their_area() -> None:
    scores, positive = scored(50_000)
    curve = roc(Ranked.of(scores, positive))
    assert len(curve.x) <= MOST_POINTS
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    x, y, _ = roc_curve(positive, scores)
    assert auc(curve.x, curve.y) == pytest.approx(auc(x, y), abs=1e-3)


@pytest.mark.parametrize("ties", [None, 2])
def test_bands_are_the_intervals_of_resampled_curves(ties: int | None) -> None:
    scores, positive = scored(80, ties)
    found = bands(Ranked.of(scores, positive), resamples=60, seed=3)
    generator = np.random.default_rng(3)
    grid = np.linspace(0, 1, 101)
    precisions, rates = [], []
    for _ in range(60):
        rows = generator.integers(0, 80, 80)
        precision, recall, _ = precision_recall_curve(positive[rows], scores[rows])
        # The highest threshold that has the recall; the last point of scikit-learn has none.
        precisions.append([precision[:-1][recall[:-1] >= r - 1e-12][-1] for r in grid])
        fpr, tpr, _ = roc_curve(positive[rows], scores[rows])
        rates.append(np.interp(grid, fpr, tpr))
    for band, drawn in zip(found, (precisions, rates), strict=True):
        assert band is not None
        low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
        np.testing.assert_allclose(band.low, low, atol=1e-12)
        np.testing.assert_allclose(band.high, high, atol=1e-12)


def test_resamples_of_one_class_have_no_band() -> None:
    one = Ranked.of(np.array([1.0]), np.array([True]))
    assert bands(one, resamples=5, seed=0) == (None, None)
    assert bands(Ranked.of(*scored(50)), resamples=0, seed=0) == (None, None)
