"""Narrow the corridor of `directloss.inference.corridor` by bounds on blocks of cells.

An answer is a staircase in the P x N grid of gains w(i, j): right of it positives are above
negatives, and its value is the sum of w there. Cut the grid into blocks. A block left of the
staircase adds 0, one right of it its sum W, and one that it crosses at most

    u = 0 if no w > 0,  W if no w < 0,  else |block| * w_max * (mean - w_min) / (w_max - w_min),

the chord above max(w, 0) on [w_min, w_max], taken at the mean. One pass down and one pass up the
rows of blocks give, for each block, a bound on every staircase through it; the best staircase along
block borders is a value that can be had. Blocks whose bound is below it hold no part of any better
answer. What is left is cut finer, until looking would cost more than the programme.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inlined, inner
from directloss.inference.ranked import Ranking

__all__ = ["narrow"]

_BLOCKS = 48
"""Blocks along each side of the first grid."""

_BLOCK_COST = 150
_CELL_COST = 7
"""What a block costs a look and a cell the programme, in units of one product of `_weighted`
(measured: 60 ns and 2.8 ns by 0.4 ns)."""

_LONG_LOOK = 1 << 20
"""Blocks up to which a look may hope to halve the cells. A longer one, which takes time and memory
of its own, is expected to drop the same share of them as the look before did."""


@inlined
def narrow(
    one: Ranking, sums: tuple[Array, Array], fence: Array, weight: float, low: Array, high: Array
) -> None:
    """Tighten low[i] <= n_i <= high[i] around an optimum that lies between, inside one fence.

    Args:
        one, weight: as in `corridor.bounds`.
        sums: `corridor.running_sums` of the positives, and of the negatives.
        fence: int64 (4,): fewest and most negatives above, first and last (exclusive) positive.
        low, high: int32 (P,), in and out; neither ever falling.
    """
    left, right, first, last = fence
    rows, columns = last - first, right - left
    if rows == 0 or columns == 0:
        return
    height = _power_of_two(rows / _BLOCKS)
    width = _power_of_two(columns / _BLOCKS)
    cells, drop = _cells(fence, low, high), 0.5
    # Blocks much wider than the corridor are all crossed, and tell nothing.
    while width * rows > cells and width > 1:
        height, width = max(height // 2, 1), width // 2
    spans = _worthwhile_spans(fence, height, width, low, high, cells, drop)
    if spans.shape[0] == 0:
        return
    entries = one.positives.size + one.negatives.size if one.by_position else right
    falls = _never_grows(one.discounts, one.by_position, entries)
    while spans.shape[0] > 0:
        starts, wins, crossed = _look(one, sums, fence, weight, falls, height, width, spans)
        _keep_promising(starts, spans, wins, crossed, weight, height, width, fence, low, high)
        height, width = max(height // 2, 1), max(width // 2, 1)
        before, cells = cells, _cells(fence, low, high)
        drop = 1.0 - cells / before
        spans = _worthwhile_spans(fence, height, width, low, high, cells, drop)


@inner
def _cells(fence: Array, low: Array, high: Array) -> int:
    cells = 0
    for i in range(fence[2], fence[3]):
        cells += high[i] - low[i] + 1
    return cells


@inner
def _worthwhile_spans(
    fence: Array, height: int, width: int, low: Array, high: Array, cells: int, drop: float
) -> Array:
    """First and last block of each strip of rows, int64; none where a look would not pay.

    Args:
        cells: how many the corridor has.
        drop: the share of them that the look before dropped.
    """
    left, right, first, last = fence
    strips = (last - first + height - 1) // height
    spans = np.empty((strips, 2), np.int64)
    cost = 4 * (right - left + last - first)  # sums and checks of the whole list
    blocks = 0
    for strip in range(strips):
        top = first + strip * height
        bottom = min(top + height, last)
        # A staircase at the right edge of the last block crosses it: there is none beyond.
        spans[strip, 0] = min(low[top] - left, right - left - 1) // width
        spans[strip, 1] = max(spans[strip, 0], (high[bottom - 1] - left - 1) // width)
        count = spans[strip, 1] - spans[strip, 0] + 1
        blocks += count
        cost += count * (_BLOCK_COST + bottom - top)
    if cost > _CELL_COST * cells * (0.5 if blocks <= _LONG_LOOK else drop):
        return spans[:0]
    return spans


@inner
def _look(
    one: Ranking,
    sums: tuple[Array, Array],
    fence: Array,
    weight: float,
    falls: bool,
    height: int,
    width: int,
    spans: Array,
) -> tuple[Array, Array, Array]:
    """Each block's W and u, for blocks of height x width.

    Args:
        spans: of `_worthwhile_spans`.

    Returns:
        starts: int64 (strips + 1,): strip s has entries starts[s] .. starts[s + 1] - 1.
        wins, crossed: W and u, float64.
    """
    positives, negatives, rank_weights = one.positives, one.negatives, one.rank_weights
    discounts, by_position = one.discounts, one.by_position
    score_sums, negative_sums = sums
    left, right, first, last = fence
    strips = spans.shape[0]
    starts = np.zeros(strips + 1, np.int64)
    for strip in range(strips):
        starts[strip + 1] = starts[strip] + spans[strip, 1] - spans[strip, 0] + 1
    wins = np.empty(starts[strips], np.float64)
    crossed = np.empty(starts[strips], np.float64)
    scale = 2.0 / (positives.size * negatives.size)
    chunk = max((height + width) // 8, 1)
    if falls:
        chunk_least = chunk_most = np.empty(0, np.float64)
    else:
        chunk_least, chunk_most = _extremes(discounts, chunk)
    for strip in range(strips):
        top = first + strip * height
        bottom = min(top + height, last)
        score_sum = score_sums[bottom] - score_sums[top]
        r_least, r_most = np.inf, 0.0
        for i in range(top, bottom):
            r_least = min(r_least, rank_weights[i])
            r_most = max(r_most, rank_weights[i])
        at = starts[strip]
        for column in range(spans[strip, 0], spans[strip, 1] + 1):
            begin = left + column * width
            end = min(begin + width, right)
            if column == spans[strip, 0]:
                before = _weighted(rank_weights, discounts, top, bottom, begin, by_position)
            after = _weighted(rank_weights, discounts, top, bottom, end, by_position)
            size = (bottom - top) * (end - begin)
            total = scale * (
                (end - begin) * score_sum
                - (bottom - top) * (negative_sums[end] - negative_sums[begin])
            ) - weight * (before - after)
            before = after
            # Drops D(q) - D(q + 1) that occur in the block, and with them the extremes of w.
            q_first, q_last = by_position * (top + 1) + begin, by_position * bottom + end - 1
            if falls:
                most = discounts[q_first] - discounts[q_first + 1]
                least = discounts[q_last] - discounts[q_last + 1]
            else:
                least, most = np.inf, -np.inf
                for c in range(q_first // chunk, q_last // chunk + 1):
                    least = min(least, chunk_least[c])
                    most = max(most, chunk_most[c])
            light, heavy = -weight * r_least, -weight * r_most
            w_most = scale * (positives[top] - negatives[end - 1]) + max(
                light * least, light * most, heavy * least, heavy * most
            )
            w_least = scale * (positives[bottom - 1] - negatives[begin]) + min(
                light * least, light * most, heavy * least, heavy * most
            )
            if w_most <= 0.0:
                bound = 0.0
            elif w_least >= 0.0:
                bound = total
            else:
                mean = min(max(total / size, w_least), w_most)
                bound = size * w_most * ((mean - w_least) / (w_most - w_least))
            wins[at] = total
            crossed[at] = max(bound, 0.0, total)
            at += 1
    return starts, wins, crossed


@inner
def _keep_promising(
    starts: Array,
    spans: Array,
    wins: Array,
    crossed: Array,
    weight: float,
    height: int,
    width: int,
    fence: Array,
    low: Array,
    high: Array,
) -> None:
    """Cut low and high to the blocks that a staircase as good as the best known may cross."""
    left, _, first, last = fence
    strips = spans.shape[0]
    columns = spans[strips - 1, 1] + 2
    through = np.empty(wins.size, np.float64)
    # Downwards: best[c], over the strips so far, of staircases that end in a block <= c. A
    # staircase of a strip enters in block a, leaves in b >= a, crosses a .. b, wins what is right.
    best = np.zeros(columns, np.float64)
    aligned = np.zeros(columns, np.float64)
    beyond, aligned_beyond = 0.0, 0.0
    reach = columns - 1
    for strip in range(strips):
        begin, end = spans[strip]
        won = 0.0
        for at in range(starts[strip], starts[strip + 1]):
            won += wins[at]
        entry, running, aligned_running, so_far = -np.inf, -np.inf, -np.inf, 0.0
        previous_reach, beyond, aligned_beyond = reach, best[reach], aligned[reach]
        won_aligned = won
        for column in range(begin, end + 2):
            inside = column <= previous_reach
            arrived = best[column] if inside else beyond
            aligned_arrived = aligned[column] if inside else aligned_beyond
            # Along borders: n stands at the left edge of block `column` in the whole strip.
            aligned_running = max(aligned_running, aligned_arrived + won_aligned)
            aligned[column] = aligned_running
            if column > end:
                break
            at = starts[strip] + column - begin
            won_aligned -= wins[at]
            entry = max(entry, arrived - so_far)
            through[at] = entry
            so_far += crossed[at]
            won -= wins[at]
            running = max(running, entry + so_far + won)
            best[column] = running
        best[end + 1] = running
        reach = end + 1
    attainable = aligned[reach]
    slack = 1e-12 * max(1.0, abs(weight), abs(attainable))
    # Upwards: what the strips below add at most, for a staircase that leaves in a block.
    below = np.zeros(columns, np.float64)
    lowest = 0
    kept_low, kept_high = low.copy(), high.copy()
    for strip in range(strips - 1, -1, -1):
        begin, end = spans[strip]
        so_far, won = 0.0, 0.0
        for at in range(starts[strip], starts[strip + 1]):
            so_far += crossed[at]
        before = below[lowest]
        leave = -np.inf
        kept_first, kept_last = end + 1, begin - 1
        running = -np.inf
        for column in range(end, begin - 1, -1):
            at = starts[strip] + column - begin
            rest = below[column] if column >= lowest else before
            leave = max(leave, so_far + won + rest)
            if through[at] + leave >= attainable - slack:
                kept_first = column
                kept_last = max(kept_last, column)
            so_far -= crossed[at]
            won += wins[at]
            running = max(running, leave - so_far)
            below[column] = running
        lowest = begin
        if kept_first > kept_last:
            continue  # sums that lost their digits say nothing
        top = first + strip * height
        for i in range(top, min(top + height, last)):
            low[i] = max(low[i], left + kept_first * width)
            high[i] = min(high[i], left + (kept_last + 1) * width)
    for i in range(first + 1, last):
        low[i] = max(low[i], low[i - 1])
    for i in range(last - 2, first - 1, -1):
        high[i] = min(high[i], high[i + 1])
    for i in range(first, last):
        if low[i] > high[i]:  # sums without digits again: the corridor as it was still holds
            for row in range(low.size):
                low[row], high[row] = kept_low[row], kept_high[row]
            return


@inner
def _weighted(
    rank_weights: Array, discounts: Array, top: int, bottom: int, n: int, by_position: int
) -> float:
    """Sum over positives top .. bottom - 1 of G(i, n) = r_i D(...); four sums in flight."""
    a = b = c = d = 0.0
    at = by_position * (top + 1) + n
    i = top
    while i + 4 <= bottom:
        a += rank_weights[i] * discounts[at]
        b += rank_weights[i + 1] * discounts[at + by_position]
        c += rank_weights[i + 2] * discounts[at + 2 * by_position]
        d += rank_weights[i + 3] * discounts[at + 3 * by_position]
        i += 4
        at += 4 * by_position
    while i < bottom:
        a += rank_weights[i] * discounts[at]
        i += 1
        at += by_position
    return (a + b) + (c + d)


@inner
def _power_of_two(least: float) -> int:
    size = 1
    while size < least:
        size *= 2
    return size


@inner
def _never_grows(discounts: Array, first: int, last: int) -> bool:
    """Whether the drops D(q) - D(q + 1), q = first .. last - 1, never grow, to the last bit."""
    for q in range(first + 1, last):
        if discounts[q] - discounts[q + 1] > discounts[q - 1] - discounts[q]:
            return False
    return True


@inner
def _extremes(discounts: Array, chunk: int) -> tuple[Array, Array]:
    """Least and largest drop D(q) - D(q + 1) in chunks of q."""
    drops = discounts.size - 1
    count = (drops + chunk - 1) // chunk
    least, most = np.empty(count, np.float64), np.empty(count, np.float64)
    for c in range(count):
        least[c], most[c] = np.inf, -np.inf
        for q in range(c * chunk, min((c + 1) * chunk, drops)):
            drop = discounts[q] - discounts[q + 1]
            least[c] = min(least[c], drop)
            most[c] = max(most[c], drop)
    return least, most
