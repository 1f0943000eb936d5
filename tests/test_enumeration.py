"""Every task, at every kind of weight, against all configurations of a thousand small lists."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from tests.cases import TASKS
from tests.harness import Floats, TaskCase, solve_batch

SIZES = (2, 3, 4, 5)
STEPS = (1e-3, 0.05, 0.5, 4.0, 100.0)
LISTS = 50
"""Of each size, at each step."""


def draw_scores(rng: np.random.Generator, n: int) -> Floats:
    """Half of the lists with few distinct scores, 0 among them."""
    return rng.integers(-2, 3, n) / 2.0 if rng.random() < 0.5 else rng.normal(size=n)


@pytest.mark.parametrize("case", TASKS, ids=str)
def test_every_term_of_every_update_is_optimal(case: TaskCase) -> None:
    rng = np.random.default_rng(0)
    task, seen, tied = case.make(), 0, 0
    for n in SIZES:
        for step in STEPS:
            weights = [step, -step, 0.0, -inf]
            scores = [draw_scores(rng, n) for _ in range(LISTS)]
            targets = [case.draw(rng, n) for _ in range(LISTS)]
            solution = solve_batch(task, scores, targets, weights)
            for index, (phi, wanted) in enumerate(zip(scores, targets, strict=True)):
                everything = case.configurations(wanted, n)
                losses, values = solution.task_losses[index], solution.values[index]
                rounding = 1e-12 * max(1.0, step)
                for t in (0, 1, 2):
                    best, _ = everything.best(phi, weights[t])
                    assert values[t] + weights[t] * losses[t] == pytest.approx(best, abs=rounding)
                # Among predictions the one of largest Delta; in the ground truth the least Delta,
                # and of those the largest F.
                assert losses[2] == pytest.approx(case.predicted_loss(phi, wanted), abs=1e-12)
                assert losses[3] == pytest.approx(everything.losses.min(), abs=1e-12)
                best, _ = everything.best(phi, -inf)
                assert values[3] == pytest.approx(best, abs=1e-12)
                seen += 1
                tied += np.unique(phi).size < n
    assert seen >= 1000 and tied >= 200
