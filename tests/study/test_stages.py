"""Stages do what is not done yet, and nothing twice."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from directloss.datasets import DataError
from directloss.study.stages import (
    Arrays,
    Stage,
    StageCost,
    digest,
    load_arrays,
    run_stage,
    save_arrays,
)


@dataclass(frozen=True)
class Squares(Stage[int]):
    """Squares of numbers; 13 cannot be used."""

    folder: Path

    def path(self, item: int) -> Path:
        return self.folder / f"{item}.npz"

    def make(self, item: int) -> Arrays:
        if item == 13:
            raise DataError("13 brings bad luck")
        if item < 0:
            raise ZeroDivisionError
        return {"square": np.array(item**2), "process": np.array(os.getpid())}


def test_what_was_done_before_is_not_done_again(tmp_path: Path) -> None:
    stage = Squares(tmp_path)
    run_stage(stage, [1, 2])
    written = stage.path(1).stat().st_mtime_ns
    seen: list[bool] = []
    result = run_stage(stage, [1, 2, 3, 4], on_item=seen.append)
    assert seen == [True, True, False, False]
    assert (result.cost.items, result.cost.reused) == (4, 2)
    assert result.refused == {}
    assert stage.path(1).stat().st_mtime_ns == written
    assert [int(stage.load(item)["square"]) for item in (1, 2, 3, 4)] == [1, 4, 9, 16]


@pytest.mark.parametrize(("items", "elsewhere"), [(15, False), (16, True)])
def test_processes_are_started_where_there_is_work_for_them(
    tmp_path: Path, items: int, elsewhere: bool
) -> None:
    stage = Squares(tmp_path)
    result = run_stage(stage, range(items), workers=2)
    assert list(result.refused) == [13]
    done = [stage.load(item) for item in range(items) if item != 13]
    assert [int(each["square"]) for each in done] == [k**2 for k in range(items) if k != 13]
    assert all((int(each["process"]) != os.getpid()) == elsewhere for each in done)


def test_an_item_that_cannot_be_used_is_told_and_tried_again(tmp_path: Path) -> None:
    for _ in range(2):
        result = run_stage(Squares(tmp_path), [12, 13, 14])
        assert result.refused == {13: "13 brings bad luck"}
    assert result.cost.reused == 2


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_file_is_made_anew(tmp_path: Path, share: float) -> None:
    stage = Squares(tmp_path)
    run_stage(stage, [1, 2])
    content = stage.path(2).read_bytes()
    stage.path(2).write_bytes(content[: int(share * len(content))])
    assert run_stage(stage, [1, 2]).cost.reused == 1
    assert int(stage.load(2)["square"]) == 4


def test_an_error_of_another_kind_ends_the_stage_and_keeps_what_was_done(tmp_path: Path) -> None:
    stage = Squares(tmp_path)
    with pytest.raises(ZeroDivisionError):
        run_stage(stage, [5, -1, 6])
    assert stage.path(5).is_file()
    assert not stage.path(-1).exists()


def test_the_cost_counts_time_of_before_and_memory(tmp_path: Path) -> None:
    stage = Squares(tmp_path)
    first = run_stage(stage, [1, 2, 3]).cost
    second = run_stage(stage, [1, 2, 3]).cost
    assert second.seconds == pytest.approx(first.seconds)
    assert second.peak_megabytes > 10
    both = first.plus(StageCost(1, 0, 5.0, 1e6))
    assert (both.items, both.peak_megabytes) == (4, 1e6)
    assert both.seconds == pytest.approx(first.seconds + 5)


def test_a_file_that_cannot_be_written_whole_is_not_there(tmp_path: Path) -> None:
    class Unwritable:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_arrays(tmp_path / "a.npz", {"good": np.ones(3), "bad": Unwritable()})  # type: ignore[dict-item]
    assert list(tmp_path.iterdir()) == []
    save_arrays(tmp_path / "a.npz", {"good": np.ones(3)})
    assert load_arrays(tmp_path / "a.npz")["good"].tolist() == [1, 1, 1]


def test_a_digest_knows_every_part_and_no_order_of_names() -> None:
    assert digest({"a": 1, "b": [2.5]}) == digest({"b": [2.5], "a": 1})
    assert len({digest(*parts) for parts in ((1, 2), (2, 1), ([1, 2],), ("1", 2), (1, None))}) == 5
