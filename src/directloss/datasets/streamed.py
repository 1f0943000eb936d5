"""A binary problem on a table that stays on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Unpack

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from directloss.datasets.cells import Coded
from directloss.datasets.columns import FEWEST_ROWS
from directloss.datasets.errors import DataError, Faults
from directloss.datasets.fitting import fit_recipe
from directloss.datasets.labels import labels_of, shown_positive
from directloss.datasets.reading import FeatureRules
from directloss.datasets.recipe import Recipe
from directloss.datasets.source import assign_roles, missing_note
from directloss.datasets.splits import (
    PART_NAMES,
    TEST_SHARE,
    VALIDATION_SHARE,
    part_numbers,
    refuse_one_kind,
)
from directloss.datasets.stream import Block, TableStream
from directloss.training.batches import Batch, BatchOptions, Rows
from directloss.training.data import SPLITS, Part
from directloss.training.sampler import BalancedBatchSampler, check_positives

_NO_PART = 255  # of rows that are left out

_ROWS_TO_FIT = 200_000  # training rows that the recipe is made from, where there are more
_BLOCKS_TO_FIT = 64
_POOL = 131_072  # rows that are in memory, and mixed, at a time


@dataclass(frozen=True)
class StreamedProblem:
    """One split of a stream: `Data`. In memory are two bytes a row: its target and its part.

    Attributes:
        stream: the rows.
        recipe: how features are made from columns.
        target_name: of the target column.
        positive: its positive value.
        targets: which rows are positive, bool (n,).
        part_of: index into `SPLITS` of each row, uint8 (n,); another number for none.
        notes: what a user should know of the data.
    """

    stream: TableStream
    recipe: Recipe
    target_name: str
    positive: str
    targets: NDArray[np.bool_]
    part_of: NDArray[np.uint8]
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Numbers of rows, blocks, features and positives in one line, and the notes."""
        used = self.part_of != _NO_PART
        sizes = np.bincount(self.part_of[used], minlength=len(SPLITS))
        line = (
            f"{sizes.sum()} rows in {len(self.stream.blocks)} blocks ({sizes[0]} training, "
            f"{sizes[1]} validation, {sizes[2]} test), {self.recipe.width} features, "
            f"{100 * self.targets[used].mean():.1f} % positive "
            f"({shown_positive(self.target_name, self.positive)})"
        )
        return "\n".join((line, *self.notes))

    def size(self, part: str, block: Block) -> int:
        """How many rows of a part a block has."""
        return int(np.count_nonzero(self.part_of[block.slice] == SPLITS.index(part)))

    def blocks(self, part: str) -> list[Block]:
        """The blocks that have rows of a part."""
        return [block for block in self.stream.blocks if self.size(part, block)]

    def read(self, part: str, blocks: list[Block]) -> tuple[Part, Rows]:
        """The samples of a part in some blocks, and their row numbers in the stream."""
        columns = self.recipe.columns
        pieces, numbers = [], []
        for block in blocks:
            chosen = np.flatnonzero(self.part_of[block.slice] == SPLITS.index(part))
            frame = self.stream.read(block, columns)
            pieces.append(self.recipe.apply(frame.iloc[chosen]))
            numbers.append(chosen + block.first)
        rows = np.concatenate(numbers)
        features = torch.from_numpy(np.concatenate(pieces))
        return Part(features, torch.from_numpy(self.targets[rows])), rows

    def batches(self, **how: Unpack[BatchOptions]) -> StreamedBatches:
        """See `Data`."""
        return StreamedBatches(self, **how)

    def chunks(self, split: str, process: int = 0, processes: int = 1) -> Iterator[Part]:
        """The samples of a split in the order of the stream, every so many blocks of them."""
        for block in self.blocks(split)[process::processes]:
            yield self.read(split, [block])[0]


class StreamedBatches:
    """Batches of a stream: blocks in random order, a pool of them mixed at a time.

    An epoch goes once through all training rows. Each pool is cut into batches like a small data
    set of its own, with positives in every batch. Of several processes, each reads its own blocks.

    Args:
        problem: where the rows come from.
        batch_size: samples a batch, of all processes together.
        positives: positives a batch, see `BalancedBatchSampler`.
        seed: together with the epoch decides the order.
        process, processes: which share of the blocks to take.
        pool: rows that are in memory, and mixed, at a time.

    Raises:
        ArgumentError: `positives` do not fit into a batch.
        DataError: there are fewer blocks than processes.
    """

    def __init__(
        self,
        problem: StreamedProblem,
        *,
        batch_size: int,
        positives: int | float | None = None,
        seed: int = 0,
        process: int = 0,
        processes: int = 1,
        pool: int = _POOL,
    ) -> None:
        check_positives(positives, batch_size)
        self._problem = problem
        self._blocks = problem.blocks("train")
        if len(self._blocks) < processes:
            raise DataError(
                f"data: {problem.stream.path} has {len(self._blocks)} blocks of training rows, "
                f"too few for {processes} processes; write it with smaller row groups"
            )
        self._size = batch_size // processes + (process < batch_size % processes)
        self._positives = positives
        if processes > 1 and isinstance(positives, int):
            self._positives = positives / batch_size
        self._seed = seed
        self._process, self._processes = process, processes
        self._pool = max(pool, 4 * batch_size)
        self._sizes = {block: problem.size("train", block) for block in self._blocks}
        # The same for every epoch and process, or they would wait for each other for ever.
        self._length = max(1, sum(self._sizes.values()) // batch_size)

    def __len__(self) -> int:
        return self._length

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """See `Batches`."""
        before = start
        left = self._length - start
        for turn, pool in enumerate(self._pools(number)):
            batches = -(-sum(self._sizes[block] for block in pool) // self._size)
            if before >= batches:
                before -= batches
                continue
            for batch in islice(self._cut(pool, (self._seed, number, turn)), before, before + left):
                yield batch
                left -= 1
            before = 0
            if not left:
                return

    def _pools(self, number: int) -> Iterator[list[Block]]:
        """Pools of whole blocks; begins again where this process' blocks give too few batches."""
        order = np.random.default_rng((self._seed, number)).permutation(len(self._blocks))
        mine = [self._blocks[k] for k in order[self._process :: self._processes]]
        while True:
            pool: list[Block] = []
            for block in mine:
                pool.append(block)
                if sum(self._sizes[each] for each in pool) >= self._pool:
                    yield pool
                    pool = []
            if pool:
                yield pool

    def _cut(self, pool: list[Block], seeds: tuple[int, ...]) -> Iterator[Batch]:
        part, rows = self._problem.read("train", pool)
        seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
        for chosen in self._orders(part.targets, seed):
            yield Batch(part[torch.from_numpy(chosen)], rows[chosen])

    def _orders(self, targets: torch.Tensor, seed: int) -> Iterator[Rows]:
        if self._size > 1 and 0 < int(targets.sum()) < len(targets):
            size, positives = min(self._size, len(targets)), self._positives
            if isinstance(positives, int):
                positives = min(positives, size - 1)  # of a last pool smaller than a batch
            sampler = BalancedBatchSampler(targets, size, positives=positives, seed=seed)
            yield from map(np.asarray, sampler)
            return
        # A pool of one class, such as the middle of a file that is sorted by it.
        order = np.random.default_rng(seed).permutation(len(targets))
        yield from np.split(order, range(self._size, len(order), self._size))


def prepare_stream(
    data: Path,
    *,
    target: str | None,
    split_column: str | None,
    positive: str | None,
    rules: FeatureRules,
    seed: int,
    graded: bool | None = False,
) -> StreamedProblem:
    """Splits the rows, reads the target, and makes the recipe from (a sample of) training rows.

    Parts come from `split_column` (without validation rows a fifth of the training rows is drawn
    for it); without it from folders named train, validation and test; and
    without these each row is drawn, 60 % training, 20 % validation, 20 % test.

    Raises:
        DataError: files, columns or values do not fit; a part has no positives or no negatives.
    """
    stream = TableStream(data)
    roles = assign_roles(data.name, stream.columns, rules, target=target, split_column=split_column)
    faults = Faults()
    notes = roles.notes
    coded = stream.encode(roles.target, rules)
    present = coded.codes >= 0
    if rules.drop_missing_target:
        notes += missing_note(roles.target, coded.missing)
        coded = Coded(coded.codes[present], coded.cells)
    labels = faults.attempt(lambda: labels_of(coded, roles.target, positive))
    chosen = None
    if labels is not None:
        what = f"target: {roles.target!r}"
        chosen = faults.attempt(lambda: labels.only_positive(what, graded=graded))
    part_of = faults.attempt(lambda: _parts(stream, split_column, rules, seed))
    if part_of is None:
        part_of = np.zeros(len(stream), np.uint8)  # all rows say what else is wrong
    targets = np.zeros(len(stream), bool)
    if labels is not None and chosen is not None:
        used = present if rules.drop_missing_target else slice(None)
        targets[used] = labels.binary(chosen)
        if rules.drop_missing_target:
            part_of = np.where(present, part_of, np.uint8(_NO_PART))
        faults.attempt(lambda: _check_parts(targets, part_of, roles.target, chosen))
    sample = _sample(stream, roles.features, part_of, seed)
    fitted = faults.attempt(lambda: fit_recipe(sample, rules))
    faults.check()
    assert labels is not None and chosen is not None and fitted is not None
    recipe, more = fitted
    recipe = recipe.model_copy(update={"labels": labels.known(chosen, FEWEST_ROWS)})
    return StreamedProblem(stream, recipe, roles.target, chosen, targets, part_of, notes + more)


def _check_parts(
    targets: NDArray[np.bool_], part_of: NDArray[np.uint8], target: str, positive: str
) -> None:
    inside = {part: part_of == index for index, part in enumerate(SPLITS)}
    counts = {part: (int(targets[rows].sum()), int(rows.sum())) for part, rows in inside.items()}
    refuse_one_kind(counts, shown_positive(target, positive))


def _parts(
    stream: TableStream, split_column: str | None, rules: FeatureRules, seed: int
) -> NDArray[np.uint8]:
    # Two numbers, since data that a user drew with the seed alone must not meet their own draws.
    generator = np.random.default_rng((seed, 2))
    if split_column is not None:
        part_of = part_numbers(stream.encode(split_column, rules), split_column)
        if not (part_of == SPLITS.index("validation")).any():
            train = np.flatnonzero(part_of == SPLITS.index("train"))
            chosen = generator.random(len(train)) < VALIDATION_SHARE
            part_of[train[chosen]] = SPLITS.index("validation")
        return part_of
    folders = [
        block.file.relative_to(stream.path).parts[0].lower() if stream.path.is_dir() else ""
        for block in stream.blocks
    ]
    if all(folder in PART_NAMES for folder in folders):
        found = [SPLITS.index(PART_NAMES[folder]) for folder in folders]
        sizes = [block.rows for block in stream.blocks]
        part_of = np.repeat(np.array(found, np.uint8), sizes)
        if len(set(found)) < len(SPLITS):
            raise DataError(f"data: {stream.path} needs folders train, validation and test")
        return part_of
    bounds = np.array([1 - VALIDATION_SHARE - TEST_SHARE, 1 - TEST_SHARE])
    drawn = (generator.random(block.rows) for block in stream.blocks)  # not all at a time: memory
    return np.concatenate(
        [np.searchsorted(bounds, draws, side="right").astype(np.uint8) for draws in drawn]
    )


def _sample(
    stream: TableStream, names: list[str], part_of: NDArray[np.uint8], seed: int
) -> pd.DataFrame:
    """Training rows, evenly from blocks all over the stream."""
    generator = np.random.default_rng((seed, 1))
    blocks = [b for b in stream.blocks if (part_of[b.slice] == 0).any()]
    if len(blocks) > _BLOCKS_TO_FIT:
        chosen = np.sort(generator.choice(len(blocks), _BLOCKS_TO_FIT, replace=False))
        blocks = [blocks[k] for k in chosen]
    rows = [np.flatnonzero(part_of[block.slice] == 0) for block in blocks]
    share = min(1.0, _ROWS_TO_FIT / sum(map(len, rows)))
    pieces = []
    for block, available in zip(blocks, rows, strict=True):
        count = max(1, round(share * len(available)))
        kept = np.sort(generator.choice(available, count, replace=False))
        pieces.append(stream.read(block, names).iloc[kept])
    return pd.concat(pieces)
