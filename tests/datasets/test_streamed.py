from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from directloss.datasets import DataError, FeatureRules, Reading
from directloss.datasets.stream import TableStream
from directloss.datasets.streamed import StreamedBatches, StreamedProblem, prepare_stream
from directloss.errors import ArgumentError

NO_RULES = FeatureRules()


def table(rows: int = 1000, first: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(first + 9)
    rare = generator.random(rows) < 0.2
    return pd.DataFrame(
        {
            "number": np.arange(first, first + rows, dtype=float),
            "k": generator.choice(["u", "v"], rows),
            "y": rare.astype(int),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2000 rows in one Parquet and one Arrow file, 30 blocks."""
    path = tmp_path_factory.mktemp("stream")
    table().to_parquet(path / "a.parquet", row_group_size=100)
    table(1000, 1000)[["y", "number", "k"]].to_feather(path / "b.arrow", chunksize=50)
    return path


def prepared(data: Path, **options: object) -> StreamedProblem:
    given: dict[str, object] = {
        "target": "y",
        "split_column": None,
        "positive": None,
        "rules": NO_RULES,
        "seed": 0,
    }
    return prepare_stream(data, **(given | options))  # type: ignore[arg-type]


def test_blocks_give_the_rows_of_the_files(folder: Path) -> None:
    stream = TableStream(folder)
    assert len(stream) == 2000
    assert len(stream.blocks) == 30
    rows = pd.concat([stream.read(block) for block in stream.blocks])
    wanted = pd.concat([table(), table(1000, 1000)], ignore_index=True)
    pd.testing.assert_frame_equal(rows, wanted, check_dtype=False)
    coded = stream.encode("number", Reading())
    assert [float(coded.cells[code]) for code in coded.codes] == list(range(2000))


def test_parts_are_disjoint_and_complete(folder: Path) -> None:
    problem = prepared(folder)
    rows = {part: problem.read(part, problem.blocks(part))[1] for part in PARTS}
    assert sorted(np.concatenate(list(rows.values()))) == list(range(2000))
    sizes = {part: len(numbers) for part, numbers in rows.items()}
    assert sizes["train"] == pytest.approx(1200, abs=60)
    assert "2000 rows in 30 blocks" in problem.describe()


PARTS = ("train", "validation", "test")


def test_an_epoch_goes_through_every_row_with_positives_in_every_batch(folder: Path) -> None:
    problem = prepared(folder)
    batches = StreamedBatches(problem, batch_size=40, pool=300)
    found = list(batches.epoch(0))
    assert len(found) == len(batches) == int((problem.part_of == 0).sum()) // 40
    assert all(0 < int(batch.part.targets.sum()) < 40 for batch in found)
    rows = np.concatenate([batch.rows for batch in found])
    assert len(np.unique(rows)) > 0.9 * (problem.part_of == 0).sum()
    assert (problem.part_of[rows] == 0).all()
    numbers = torch.cat([batch.part.features[:, 0] for batch in found])
    # The feature is the row number, scaled: each row comes with its own features and target.
    assert np.corrcoef(numbers.numpy(), rows)[0, 1] == pytest.approx(1)
    targets = torch.cat([batch.part.targets for batch in found]).numpy()
    np.testing.assert_array_equal(targets, problem.targets[rows])


def test_epochs_differ_and_can_be_taken_up_in_the_middle(folder: Path) -> None:
    batches = StreamedBatches(prepared(folder), batch_size=64, pool=300)
    whole = [batch.rows.tolist() for batch in batches.epoch(1)]
    for start in (1, len(whole) // 2, len(whole) - 1, len(whole)):
        assert [batch.rows.tolist() for batch in batches.epoch(1, start=start)] == whole[start:]
    assert [batch.rows.tolist() for batch in batches.epoch(2)] != whole


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_blocks(processes: int, folder: Path) -> None:
    problem = prepared(folder)
    shares = [
        StreamedBatches(problem, batch_size=32, positives=7, process=process, processes=processes)
        for process in range(processes)
    ]
    assert {len(share) for share in shares} == {len(StreamedBatches(problem, batch_size=32))}
    for joint in zip(*(share.epoch(0) for share in shares), strict=True):
        assert 30 <= sum(len(batch.rows) for batch in joint) <= 32
        assert abs(sum(int(batch.part.targets.sum()) for batch in joint) - 7) <= 1
    rows = [{row for batch in share.epoch(0) for row in batch.rows} for share in shares]
    assert sum(map(len, rows)) == len(set().union(*rows))
    chunks = [list(problem.chunks("test", k, processes)) for k in range(processes)]
    assert sum(len(part) for share in chunks for part in share) == (problem.part_of == 2).sum()


def test_a_batch_larger_than_all_rows_holds_each_of_them_once(tmp_path: Path) -> None:
    table(100).to_parquet(tmp_path / "t.parquet")
    problem = prepared(tmp_path / "t.parquet")
    for positives in (None, 150):
        (batch,) = StreamedBatches(problem, batch_size=200, positives=positives).epoch(0)
        assert len(batch.rows) == (problem.part_of == 0).sum()
    (batch,) = StreamedBatches(problem, batch_size=200).epoch(0)
    assert sorted(batch.rows) == np.flatnonzero(problem.part_of == 0).tolist()


def test_too_few_blocks_for_the_processes(tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="1 blocks of training rows, too few for 2 processes"):
        StreamedBatches(prepared(tmp_path / "t.parquet"), batch_size=8, process=0, processes=2)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("positives", [8, 9, 0, 1.0])
def test_positives_that_do_not_fit_into_a_batch(
    positives: float, processes: int, folder: Path
) -> None:
    with pytest.raises(ArgumentError, match=f"^positives: got {positives}, wanted"):
        StreamedBatches(
            prepared(folder), batch_size=8, positives=positives, process=0, processes=processes
        )


def test_a_file_that_is_sorted_by_its_target(tmp_path: Path) -> None:
    frame = table().sort_values("y", ignore_index=True)
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    batches = StreamedBatches(prepared(tmp_path / "t.parquet"), batch_size=20, pool=80)
    found = list(batches.epoch(0))
    assert len(found) == len(batches)
    assert {len(batch.rows) for batch in found} <= set(range(1, 21))


def test_folders_and_columns_name_the_parts(tmp_path: Path) -> None:
    for k, part in enumerate(("train", "valid", "test")):
        (tmp_path / "f" / part).mkdir(parents=True)
        table(200, 1000 * k).to_parquet(tmp_path / "f" / part / "x.parquet")
    problem = prepared(tmp_path / "f")
    by_folder = {part: problem.read(part, problem.blocks(part))[1].tolist() for part in PARTS}
    # Files come by name: test, train, valid.
    assert by_folder["train"] == list(range(200, 400))
    assert by_folder["validation"] == list(range(400, 600))
    frame = table(300)
    frame["part"] = ["Train ", "val", "test"] * 100
    frame.to_parquet(tmp_path / "c.parquet", row_group_size=40)
    problem = prepared(tmp_path / "c.parquet", split_column="part")
    assert problem.part_of.tolist() == [0, 1, 2] * 100
    assert "part" not in problem.recipe.columns


def test_validation_rows_are_drawn_from_training_where_a_column_names_none(tmp_path: Path) -> None:
    frame = table(500)
    frame["part"] = ["train", "train", "train", "test"] * 125
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    problem = prepared(tmp_path / "t.parquet", split_column="part")
    assert (problem.part_of[3::4] == 2).all()
    assert (problem.part_of == 1).sum() == pytest.approx(75, abs=20)


def test_the_recipe_comes_from_training_rows_only(tmp_path: Path) -> None:
    frame = table(300)
    frame["part"] = ["train", "validation", "test"] * 100
    frame.loc[frame["part"] != "train", "number"] = 1e9
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    problem = prepared(tmp_path / "t.parquet", split_column="part")
    train = frame["number"][frame["part"] == "train"]
    (numbers,) = problem.recipe.numbers
    assert numbers.values.mean == pytest.approx(train.mean())
    assert numbers.values.scale == pytest.approx(train.std(ddof=0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": None}, "target: say which column of .* is the target: 'number'"),
        ({"target": "z"}, "target: .* has no column 'z'; it has "),
        ({"split_column": "k"}, "split_column: 'k' holds 'u'|split_column: 'k' holds 'v'"),
        ({"positive": "7"}, "positive: 'y' has no value '7'"),
        ({"target": "number"}, "target: 'number' has 2000 distinct values"),
    ],
)
def test_what_does_not_fit_is_told(change: dict[str, object], message: str, folder: Path) -> None:
    with pytest.raises(DataError, match=message):
        prepared(folder, **change)


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    table(10).to_parquet(tmp_path / "a.parquet")
    table(10).drop(columns="k").to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"column 'k' is not in all files of .* \(b.parquet\)"):
        TableStream(tmp_path)
    with pytest.raises(DataError, match="holds no file whose name ends in"):
        TableStream(_empty(tmp_path))
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"cannot read .*c.parquet"):
        TableStream(tmp_path / "c.parquet")


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
def test_a_pipe_in_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="holds no file whose name ends in"):
        TableStream(tmp_path)


def test_hidden_files_and_folders_are_no_data(tmp_path: Path) -> None:
    table(100).to_parquet(tmp_path / "t.parquet", row_group_size=20)
    for hidden in (".ipynb_checkpoints", "_temporary"):
        (tmp_path / hidden).mkdir()
        (tmp_path / hidden / "old.parquet").write_bytes(b"PAR1")
    for name in ("._t.parquet", "_metadata.parquet"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.parquet").mkdir()
    assert len(TableStream(tmp_path)) == 100


def test_folders_of_a_key_and_a_value_are_a_column(tmp_path: Path) -> None:
    values = ("2023", "a%2Fb", "__HIVE_DEFAULT_PARTITION__")
    for first, value in enumerate(values):
        (tmp_path / f"year={value}").mkdir()
        table(10, first).to_parquet(tmp_path / f"year={value}" / "x.parquet", row_group_size=4)
    stream = TableStream(tmp_path)
    assert stream.columns == ["number", "k", "y", "year"]
    coded = stream.encode("year", Reading())
    assert coded.cells == ["2023", "a/b"]
    assert coded.codes.tolist() == [0] * 10 + [-1] * 10 + [1] * 10
    frame = stream.read(stream.blocks[0], ["year", "number"])
    assert frame["year"].tolist() == ["2023"] * 4
    table(10).assign(year=1).to_parquet(tmp_path / "year=2023" / "x.parquet")
    with pytest.raises(DataError, match="two columns named 'year'"):
        TableStream(tmp_path)


def test_rows_without_a_target_can_be_left_out(tmp_path: Path) -> None:
    frame = table(400)
    frame["y"] = frame["y"].astype("Int64").mask(frame.index % 4 == 0)
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    with pytest.raises(DataError, match=r"'y' is missing in 100 of 400 rows; .*`drop_missing"):
        prepared(tmp_path / "t.parquet")
    problem = prepared(tmp_path / "t.parquet", rules=FeatureRules(drop_missing_target=True))
    rows = np.concatenate([problem.read(part, problem.blocks(part))[1] for part in PARTS])
    assert sorted(rows) == [row for row in range(400) if row % 4]
    assert problem.describe().startswith("300 rows in 8 blocks")
    assert "100 rows without a 'y' are left out" in problem.describe()


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    frame = table(200).assign(note=[f"text {k}" for k in range(200)], when="2024-01-01")
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"positive: .*column 'note' .*column 'when'"):
        prepared(tmp_path / "t.parquet", positive="7")
