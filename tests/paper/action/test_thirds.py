from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directloss.datasets.errors import DataError
from directloss.paper.action.thirds import thirds

ROWS = st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=60, max_size=200)


@given(ROWS, st.integers(0, 5))
def test_no_photograph_is_in_two_parts_and_nobody_is_lost(
    rows: list[tuple[int, bool]], seed: int
) -> None:
    image = np.array([number for number, _ in rows])
    positive = np.array([does_it for _, does_it in rows])
    try:
        parts = thirds(positive, image, np.random.default_rng(seed))
    except DataError:
        # Possible only where a class is so rare, or sits in so few photographs.
        assert min(len(set(image[positive])), len(set(image[~positive]))) <= 12
        return
    every = [parts.train, parts.validation, parts.test]
    assert sorted(np.concatenate(every)) == list(range(len(rows)))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not set(image[every[one]]) & set(image[every[other]])


def test_thirds_are_equal_in_persons_and_positives() -> None:
    generator = np.random.default_rng(0)
    image = np.sort(generator.integers(0, 500, 900))
    positive = generator.random(900) < 0.1
    parts = thirds(positive, image, generator)
    sizes = [len(part) for part in (parts.train, parts.validation, parts.test)]
    shares = [int(positive[part].sum()) for part in (parts.train, parts.validation, parts.test)]
    assert max(sizes) - min(sizes) <= 2
    assert max(shares) - min(shares) <= 2


def test_the_seed_decides() -> None:
    image, positive = np.arange(60), np.arange(60) % 4 == 0
    first, again, other = (
        thirds(positive, image, np.random.default_rng(seed)).train for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


@pytest.mark.parametrize("positives", [0, 2, 9])
def test_too_few_of_a_class_are_refused(positives: int) -> None:
    message = f"{positives} positives and {9 - positives} negatives in 9 photographs cannot"
    with pytest.raises(DataError, match=message):
        thirds(np.arange(9) < positives, np.arange(9), np.random.default_rng(0))
