from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import precision_score, recall_score

from directloss.errors import ArgumentError
from directloss.jobs.decisions import Wanted, decision, wanted_thresholds


def rows(size: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    positive = generator.random(size) < 0.3
    return np.round(generator.normal(size=size) + 1.2 * positive, 1), positive


def every_cut(scores: np.ndarray) -> list[float]:
    distinct = np.unique(scores)
    return [distinct[0] - 1, *((distinct[1:] + distinct[:-1]) / 2), distinct[-1] + 1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("costs", [(1.0, 5.0), (3.0, 1.0), (1.0, 0.0), (0.0, 1.0)])
def test_the_threshold_of_least_cost_is_that_of_all_cuts(
    seed: int, costs: tuple[float, float]
) -> None:
    scores, positive = rows(seed=seed)

    def cost(threshold: float) -> float:
        above = scores > threshold
        return costs[0] * (above & ~positive).sum() + costs[1] * (~above & positive).sum()

    found = wanted_thresholds(Wanted(cost=costs), scores, positive)["least cost"]
    assert cost(found) == min(map(cost, every_cut(scores)))
    fewer = [each for each in every_cut(scores) if each > found + 1e-9]
    assert all(cost(each) > cost(found) for each in fewer)


@pytest.mark.parametrize("seed", range(5))
def test_wanted_precision_and_recall_are_met_at_the_best_of_the_other(seed: int) -> None:
    scores, positive = rows(seed=seed)
    found = wanted_thresholds(Wanted(precision=0.5, recall=0.8), scores, positive)
    assert list(found) == ["precision of 50 %", "recall of 80 %"]
    cuts = [t for t in every_cut(scores) if (scores > t).any()]
    precisions = [precision_score(positive, scores > t) for t in cuts]
    recalls = [recall_score(positive, scores > t) for t in cuts]
    at = scores > found["precision of 50 %"]
    assert precision_score(positive, at) >= 0.5
    assert recall_score(positive, at) == max(
        r for p, r in zip(precisions, recalls, strict=True) if p >= 0.5
    )
    at = scores > found["recall of 80 %"]
    assert recall_score(positive, at) >= 0.8
    assert at.sum() == min(
        (scores > t).sum() for t, r in zip(cuts, recalls, strict=True) if r >= 0.8
    )


def test_a_precision_that_no_threshold_has() -> None:
    scores, positive = np.array([3.0, 2.0, 1.0]), np.array([False, True, True])
    with pytest.raises(ArgumentError, match=r"^precision: got 0\.9, wanted 0\.6667 at most"):
        wanted_thresholds(Wanted(precision=0.9), scores, positive)


def test_the_confusion_matrix_with_precision_recall_and_cost() -> None:
    scores = np.array([4.0, 3.0, 2.0, 1.0, 0.5])
    positive = np.array([True, False, True, True, False])
    found = decision("t", 1.5, scores, positive, cost=(2.0, 7.0), resamples=0, seed=0)
    assert (found.tp, found.fp, found.fn, found.tn) == (2, 1, 1, 1)
    assert (found.precision.value, found.recall.value) == (2 / 3, 2 / 3)
    assert found.cost is not None
    assert (found.cost.value, found.cost.low) == (9.0, None)
    none = decision("t", 9.0, scores, positive, cost=None, resamples=100, seed=0)
    assert (none.precision.value, none.precision.low, none.cost) == (None, None, None)
    assert (none.recall.value, none.recall.high) == (0.0, 0.0)


def test_the_interval_of_a_recall_is_that_of_the_binomial() -> None:
    positive = np.repeat([True, False], [200, 200])
    scores = np.where(np.arange(400) % 4 > 0, 1.0, -1.0)
    found = decision("t", 0.0, scores, positive, cost=(0.0, 1.0), resamples=4000, seed=0)
    assert found.recall.value == 0.75
    low, high = binom.ppf([0.025, 0.975], 200, 0.75) / 200
    assert found.recall.low == pytest.approx(low, abs=0.01)
    assert found.recall.high == pytest.approx(high, abs=0.01)
    assert found.cost is not None and found.cost.low is not None
    assert found.cost.low == pytest.approx(binom.ppf(0.025, 400, 50 / 400), abs=2)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"precision": 0.0}, r"^precision: got 0\.0, wanted above 0 and at most 1"),
        ({"recall": 1.5}, r"^recall: got 1\.5"),
        ({"cost": (0.0, 0.0)}, r"^cost: got 0 0, wanted two finite numbers"),
        ({"cost": (-1.0, 2.0)}, r"^cost: got -1 2"),
        ({"cost": (float("nan"), 2.0)}, r"^cost: got nan 2"),
    ],
)
def test_wishes_that_are_none(wish: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Wanted(**wish)
    assert not Wanted()
