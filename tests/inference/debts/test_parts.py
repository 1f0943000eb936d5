"""Certificates, closed forms and the log, each against all cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from directloss.inference.debts.certificates import (
    collects_until,
    lasts_until,
    most_gained,
    untouched_until,
)
from directloss.inference.debts.columns import _harmonic, all_columns, fall_idle, wake
from directloss.inference.debts.rectangle import Rectangle
from directloss.inference.debts.strips import move_down, owe, strips
from directloss.inference.debts.support import empty_log, walk_back, with_room, write_down
from tests.inference.debts.lists import STYLES, gains, whole


def rectangles(count: int) -> Iterator[tuple[np.random.Generator, Rectangle]]:
    rng = np.random.default_rng(0)
    for k in range(count):
        style = list(STYLES.values())[k % len(STYLES)]
        positives, negatives = rng.integers(2, [60, 300])
        rectangle = whole(
            style(rng, positives) + rng.choice([0.0, -2.0]),
            style(rng, negatives),
            float(10 ** rng.uniform(-3, 2)),
        )
        left, first = int(rng.integers(negatives)), int(rng.integers(positives - 1))
        yield rng, rectangle._replace(left=left, first=first)


def part(rng: np.random.Generator, rectangle: Rectangle) -> tuple[int, int, int]:
    """Some columns begin < n <= end, and a row."""
    begin = int(rng.integers(rectangle.left, rectangle.right))
    end = int(rng.integers(begin + 1, rectangle.right + 1))
    return begin, end, int(rng.integers(rectangle.first, rectangle.last))


def test_what_collects_does_so_as_long_as_certified() -> None:
    proved = 0
    for rng, rectangle in rectangles(400):
        begin, end, row = part(rng, rectangle)
        end = min(end, begin + 8)
        until = collects_until(rectangle, begin, end, row, 1)
        d = np.diff(gains(rectangle), axis=1)
        mine = d[row - rectangle.first : until - rectangle.first]
        mine = mine[:, begin - rectangle.left : end - rectangle.left]
        assert (mine >= -1e-9).all()
        proved += mine.size > 0
    assert proved > 40


def test_a_sum_of_gains_rises_no_more_than_certified() -> None:
    proved = 0
    for rng, rectangle in rectangles(400):
        begin, end, row = part(rng, rectangle)
        room = float(rng.exponential()) * (end - begin)
        until = lasts_until(rectangle, begin, end, row, room)
        v = gains(rectangle)[row - rectangle.first :]
        sums = v[:, begin - rectangle.left : end + 1 - rectangle.left]
        sums = sums - sums[:, :1]
        assert most_gained(rectangle, begin, end, row) == pytest.approx(sums[0, 1:].max(), abs=1e-8)
        rise = (sums - sums[0])[: until - row]
        assert rise.max() <= room + 1e-8
        proved += until > row + 1
    assert proved > 100


def test_what_is_untouched_gains_nothing_as_long_as_certified() -> None:
    proved = 0
    for rng, rectangle in rectangles(400):
        begin, end, row = part(rng, rectangle)
        mean = rectangle.negatives[rectangle.left : begin + 1].mean()
        until = untouched_until(rectangle, begin, end, mean, row)
        v = gains(rectangle)[row - rectangle.first : until - rectangle.first]
        assert (v[:, begin + 1 - rectangle.left : end + 1 - rectangle.left] <= 1e-8).all()
        proved += v.size > 0
    assert proved > 100


def test_an_idle_block_wakes_with_what_it_would_have_collected() -> None:
    for _, rectangle in rectangles(100):
        columns, strip = all_columns(rectangle), strips(rectangle)
        strip = move_down(rectangle, strip)
        fall_idle(columns, 0, 0, rectangle.last)
        while strip.bottom < rectangle.last:
            strip = move_down(rectangle, strip)
        wake(rectangle, columns, 0, strip)
        d = np.diff(gains(rectangle), axis=1)[: strip.top - rectangle.first, :64]
        largest = max(1.0, np.abs(d).max(initial=0.0)) * len(d)
        assert columns.collected[:64] == pytest.approx(d.sum(axis=0), abs=1e-12 * largest)
        assert columns.idle_since[0] == -1 and not columns.idle.any()


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 100, 1000])
def test_harmonic_numbers(count: int) -> None:
    assert _harmonic(count) == pytest.approx(sum(1 / k for k in range(1, count + 1)), abs=1e-14)


def test_debts_over_columns_without_support_are_those_of_single_steps() -> None:
    for rng, rectangle in rectangles(200):
        begin, end, _ = part(rng, rectangle)
        strip = move_down(rectangle, strips(rectangle))
        v = gains(rectangle)[: strip.debts.size]
        sums = v[:, begin - rectangle.left : end + 1 - rectangle.left]
        strip.debts[:] = (sums - sums[:, :1]).max() + 1.0
        wanted = strip.debts - (sums[:, -1] - sums[:, 0])
        total = float((rectangle.negatives[begin:end] - rectangle.center).sum())
        owe(rectangle, strip, begin, end, total)
        assert strip.debts == pytest.approx(wanted, abs=1e-9 * max(1.0, np.abs(sums).max()))


def test_the_log_leads_back_to_each_rows_last_rise() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        rows, blocks = rng.integers(1, [12, 6])
        columns = int(64 * (blocks - 1) + rng.integers(1, 65))
        rises = rng.random((rows, columns)) < rng.choice([0.02, 0.3])
        padded = np.pad(rises, ((0, 0), (0, int(64 * blocks - columns))))
        bits = np.packbits(padded, axis=1, bitorder="little").view(np.uint64)
        log = empty_log(rows, 1)
        words, height = np.zeros(blocks, np.uint64), int(rng.integers(1, 5))
        for top in range(0, rows, height):
            for block in range(blocks):
                after = np.ascontiguousarray(bits[top : top + height, block])
                log = with_room(log, after.size)
                write_down(log, top, block, words[block], after)
                words[block] = after[-1]
        scores = np.zeros(rows + 2)
        rectangle = Rectangle(scores, np.zeros(columns + 3), 3, columns + 3, 2, rows + 2, 1.0, 0.0)
        above = np.full(rows + 2, -1, np.int32)
        walk_back(rectangle, words, log, above)
        assert not words.any()
        limit = columns
        for row in range(rows - 1, -1, -1):
            limit = max((n for n in range(1, limit + 1) if rises[row, n - 1]), default=0)
            assert above[row + 2] == 3 + limit
