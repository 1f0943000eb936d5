"""Debts by strips and blocks: exact, and few cells looked at."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from directloss.inference import programme
from directloss.inference.debts.rectangle import Rectangle
from directloss.inference.debts.reference import solve_row_by_row
from directloss.inference.debts.solver import solve_by_debts
from tests import brute_force
from tests.inference.debts.lists import (
    NO_BUDGET,
    STYLES,
    Counts,
    best,
    descending,
    earned,
    gains,
    rounding,
    solve,
    whole,
)
from tests.inference.small_cases import cases
from tests.needs import kernels_as_python

EPSILONS = (1e-3, 0.05, 0.5, 3.0, 100.0)


def row_by_row(rectangle: Rectangle) -> Counts:
    above = np.full(rectangle.positives.size, -1, np.int32)
    solve_row_by_row(rectangle, above)
    return above[rectangle.first : rectangle.last]


def test_equals_enumeration() -> None:
    for case in cases(400, most=6):
        epsilon = abs(case.weight)
        wanted, _ = brute_force.best_interleaving(
            case.positive, case.negative, case.average_precision_gain, -epsilon
        )
        rectangle = whole(case.positive, case.negative, epsilon)
        for above in (solve(rectangle), row_by_row(rectangle)):
            assert above is not None
            found = brute_force.pairwise_score(case.positive, case.negative, above)
            found -= epsilon * brute_force.ranking_task_loss(case.average_precision_gain, above)
            assert found == pytest.approx(wanted, abs=case.tolerance)


SIZES = [(1, 1000), (1000, 1), (500, 500), (64, 4096), (4000, 250), (450, 4550), (400, 19_600)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("positives", "negatives"), SIZES)
def test_equals_the_programme_on_lists_of_thousands(
    positives: int, negatives: int, style: str
) -> None:
    rng = np.random.default_rng(positives)
    shift = float(rng.choice([0.0, 0.5, 2.0, -1.0]))
    positive = STYLES[style](rng, positives) + shift
    negative = STYLES[style](rng, negatives)
    gain = brute_force.average_precision_gain(positives, negatives)
    for epsilon in EPSILONS:
        wanted, _ = programme.average_precision(positive, negative, -epsilon)
        above = solve(whole(positive, negative, epsilon))
        assert above is not None
        a, b = descending(positive), descending(negative)
        sums = np.append(0.0, np.cumsum(b))
        score = (a * (negatives - 2 * above) - sums[-1] + 2 * sums[above]).sum()
        loss = 1 - gain[np.arange(positives), above].sum()
        found = score / (positives * negatives) - epsilon * loss
        largest = max(1.0, epsilon, float(np.abs(a).max()), float(np.abs(b).max()))
        assert found == pytest.approx(wanted, abs=1e-12 * largest)


@pytest.mark.parametrize("style", STYLES)
def test_equals_the_reference_on_any_part_of_a_list(style: str) -> None:
    """Rows and columns keep the numbers of the whole list, as between infinite scores."""
    rng = np.random.default_rng(1)
    for _ in range(60):
        positives, negatives = rng.integers(1, [300, 3000])
        positive = STYLES[style](rng, positives) + rng.choice([0.0, 0.5, 2.0, -1.0])
        negative = STYLES[style](rng, negatives)
        rectangle = whole(positive, negative, float(10 ** rng.uniform(-3, 2.5)))
        left, right = np.sort(rng.choice(negatives + 1, 2, replace=False)).tolist()
        first, last = np.sort(rng.choice(positives + 1, 2, replace=False)).tolist()
        rectangle = rectangle._replace(left=left, right=right, first=first, last=last)
        v = gains(rectangle)
        for above in (solve(rectangle), row_by_row(rectangle)):
            assert above is not None
            assert earned(v, rectangle, above) == pytest.approx(best(v), abs=rounding(v))


def test_columns_beyond_a_bound_of_some_optimum_are_not_needed() -> None:
    rng = np.random.default_rng(2)
    cut = 0
    for _ in range(40):
        rectangle = whole(rng.normal(size=200), rng.normal(size=1500), 1.0)
        unbound = solve(rectangle)
        high = np.sort(rng.integers(0, 1400, size=200)).astype(np.int32)
        above = np.full(200, -1, np.int32)
        assert unbound is not None
        high = np.maximum(high, unbound)
        assert solve_by_debts(rectangle, high, NO_BUDGET, above)
        assert above.tolist() == unbound.tolist()
        cut += int(np.median(high) < 1200)
    assert cut > 20


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("shift", [0.0, 2.0])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 10.0])
def test_few_of_the_cells_are_looked_at(share: float, shift: float, epsilon: float) -> None:
    rng = np.random.default_rng(3)
    n = 100_000
    positives = round(share * n)
    rectangle = whole(rng.normal(size=positives) + shift, rng.normal(size=n - positives), epsilon)
    assert solve(rectangle, budget=250 * n) is not None


def test_a_budget_that_does_not_suffice_is_said() -> None:
    rng = np.random.default_rng(4)
    rectangle = whole(rng.normal(size=2000), rng.normal(size=8000), 1.0)
    assert solve(rectangle, budget=20_000) is None
    assert solve(rectangle) is not None


ANY_SCORES = """
import numpy as np
from tests.inference.debts.lists import descending, solve, whole
rng = np.random.default_rng(5)
values = [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e-320, 0.0, 1.0]
np.seterr(all="ignore")
for _ in range(150):
    positives, negatives = rng.integers(1, [40, 400])
    positive, negative = rng.normal(size=positives), rng.normal(size=negatives)
    for scores in (positive, negative):
        odd = rng.random(scores.size) < rng.choice([0.0, 0.05, 1.0])
        scores[odd] = rng.choice(values[: rng.integers(1, 9)], int(odd.sum()))
    rectangle = whole(positive, negative, float(rng.choice([1e-300, 1e-3, 1.0, 1e308])))
    left, right = np.sort(rng.choice(negatives + 1, 2, replace=False)).tolist()
    first, last = np.sort(rng.choice(positives + 1, 2, replace=False)).tolist()
    solve(rectangle._replace(left=left, right=right, first=first, last=last))
print("done")
"""


@kernels_as_python
def test_no_index_leaves_its_array_whatever_the_scores_are() -> None:
    """Interpreted, where numpy refuses an index past the end; sums overflow, NaN spreads."""
    ended = subprocess.run(
        [sys.executable, "-c", ANY_SCORES],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.strip() == "done", ended.stderr
