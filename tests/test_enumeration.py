"""Every task, at every kind of weight, against all configurations of a thousand small lists."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
import pytest

from directloss.tasks import Solution
from tests.cases import TASKS
from tests.harness import Floats, TaskCase, solve_batch
from tests.on_device import ON_DEVICE, kind_of, solve_padded, solver_of

SIZES = (2, 3, 4, 5)
STEPS = (1e-3, 0.05, 0.5, 4.0, 100.0)
LISTS = 50
"""Of each size, at each step."""


def draw_scores(rng: np.random.Generator, n: int) -> Floats:
    """Half of the lists with few distinct scores, 0 among them."""
    return rng.integers(-2, 3, n) / 2.0 if rng.random() < 0.5 else rng.normal(size=n)


@pytest.mark.parametrize("case", TASKS, ids=str)
def test_every_term_of_every_update_is_optimal(case: TaskCase) -> None:
    _compare_with_enumeration(case, solve_batch, lambda weight: True)


@pytest.mark.parametrize("case", ON_DEVICE, ids=str)
def test_every_term_that_a_device_has_a_solver_for_is_optimal(case: TaskCase) -> None:
    solver = solver_of(case.make())
    _compare_with_enumeration(
        case, solve_padded, lambda weight: solver.missing([kind_of(weight)]) is None
    )


def _compare_with_enumeration(
    case: TaskCase, solve: Callable[..., Solution], has: Callable[[float], bool]
) -> None:
    """Both directions, the prediction and the ground truth, where `solve` has the weight."""
    rng = np.random.default_rng(0)
    task, seen, tied = case.make(), 0, 0
    for n in SIZES:
        for step in STEPS:
            weights = [weight for weight in (step, -step, 0.0, -inf) if has(weight)]
            scores = [draw_scores(rng, n) for _ in range(LISTS)]
            targets = [case.draw(rng, n) for _ in range(LISTS)]
            solution = solve(task, scores, targets, weights)
            for index, (phi, wanted) in enumerate(zip(scores, targets, strict=True)):
                everything = case.configurations(wanted, n)
                rounding = 1e-12 * max(1.0, step)
                for t, weight in enumerate(weights):
                    loss, value = solution.task_losses[index, t], solution.values[index, t]
                    best, _ = everything.best(phi, weight)
                    if weight == -inf:  # the least Delta, and of those the largest F
                        assert loss == pytest.approx(everything.losses.min(), abs=1e-12)
                        assert value == pytest.approx(best, abs=1e-12)
                    else:
                        assert value + weight * loss == pytest.approx(best, abs=rounding)
                    if weight == 0.0:  # among predictions the one of largest Delta
                        assert loss == pytest.approx(case.predicted_loss(phi, wanted), abs=1e-12)
                    seen += 1
                tied += np.unique(phi).size < n
    assert seen >= 3000 and tied >= 200
