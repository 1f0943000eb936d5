"""One pass of debts is one row of the programme, said by its steps."""

from __future__ import annotations

import numpy as np
import pytest

from directloss.inference.debts.reference import pass_row
from tests.inference.debts.lists import STYLES, gains, whole


@pytest.mark.parametrize("style", STYLES)
def test_what_is_collected_are_the_steps_of_the_running_maximum(style: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        rectangle = whole(
            STYLES[style](rng, 30), STYLES[style](rng, 80), float(10 ** rng.uniform(-2, 2))
        )
        collected, maximum = np.zeros(80), np.zeros(81)
        largest = 1.0
        for row, v in enumerate(gains(rectangle)):
            maximum = np.maximum.accumulate(v + maximum)
            largest = max(largest, float(np.abs(maximum).max()))
            pass_row(rectangle, row, collected)
            assert collected == pytest.approx(np.diff(maximum), abs=1e-12 * largest)
