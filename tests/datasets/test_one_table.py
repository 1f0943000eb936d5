"""One table, one answer: every reader takes every cell for the same, in every format."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from directloss.datasets import FeatureRules, Reading, load, prepare, prepare_ranking, streamed
from directloss.datasets.cells import days, encode, kind_of, numbers
from directloss.datasets.rows import read_rows
from directloss.datasets.stream import TableStream, frame_of
from directloss.datasets.streamed import prepare_stream
from tests.datasets.tables import TEXTS, TYPED, tables, write_npz, write_pandas

PLAIN = Reading()


def meaning(frames: list[pd.DataFrame], name: str) -> tuple[object, ...]:
    """All that anything later asks of a column."""
    columns = [frame[name] for frame in frames]
    coded = encode(columns, PLAIN)
    by_value = coded.by_value()
    values = [None if code < 0 else by_value.cells[code] for code in by_value.codes]
    found, wrong = _joined([numbers(column, PLAIN) for column in columns])
    since, undated = _joined([days(column, PLAIN) for column in columns])
    return (
        kind_of(coded.cells),
        values,
        [None if np.isnan(value) else float(value) for value in found],
        wrong.tolist(),
        [None if np.isnan(value) else round(value, 9) for value in since],
        undated.tolist(),
    )


def _joined(pieces: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    values, masks = zip(*pieces, strict=True)
    return np.concatenate(values), np.concatenate(masks)


def readers(path: Path) -> dict[str, list[pd.DataFrame]]:
    """The table as each way in gives it."""
    whole = load(str(path), target="row")
    found = {
        "whole": [whole.features.assign(row=whole.target)],
        "pieces": [piece.values for piece in read_rows(str(path)).pieces],
    }
    if path.suffix in (".parquet", ".arrow"):
        stream = TableStream(path)
        found["blocks"] = [stream.read(block) for block in stream.blocks]
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=tables())
def test_every_reader_of_every_format_gives_one_table(table: pa.Table) -> None:
    wanted = {name: meaning([frame_of(table, 0)], name) for name in table.column_names}
    with TemporaryDirectory() as folder:
        files = []
        for name, write in {**TYPED, **TEXTS}.items():
            files.append(Path(folder) / name)
            write(table, files[-1])
        if write_npz(table, Path(folder) / "t.npz"):
            files.append(Path(folder) / "t.npz")
        if len(table) > 2 and pa.null() not in table.schema.types:
            files.append(Path(folder) / "indexed.parquet")
            write_pandas(table, files[-1])
        for file in files:
            for reader, frames in readers(file).items():
                for name in table.column_names:
                    assert meaning(frames, name) == wanted[name], (file.name, reader, name)
                assert [n for f in frames for n in f.index] == list(range(len(table)))


def written(folder: Path) -> dict[str, Path]:
    """A table of features, a target, queries and parts, in every format."""
    generator = np.random.default_rng(3)
    n = 240
    number = generator.normal(100, 20, n).round(3)
    table = pa.table(
        {
            "number": pa.array(number, mask=generator.random(n) < 0.1),
            "count": pa.array(generator.integers(0, 9, n), mask=generator.random(n) < 0.1),
            "flag": pa.array(generator.random(n) < 0.5, mask=generator.random(n) < 0.1),
            "code": pa.array(generator.integers(1, 4, n)),
            "colour": pa.array(generator.choice(["red", "green, dark", 'a "b"'], n)),
            "when": pa.array(np.datetime64("2024-01-01T07:30:00") + 3600 * np.arange(n)),
            "part": pa.array(
                np.array(["train", "train", "train", "val", "test"])[np.arange(n) % 5]
            ),
            "y": pa.array(number + generator.normal(0, 20, n) > 120),
            "grade": pa.array(np.clip((number - 80) // 10, 0, 4).astype(int)),
            "query": pa.array(np.repeat(np.arange(n // 5), 5) % 45),
        }
    )
    files = {}
    for name, write in {**TEXTS, **TYPED}.items():
        files[name] = folder / name
        write(table, files[name])
    return files


RULES = FeatureRules(categorical=("code",), date=("when",), drop=("grade", "query"))


def test_every_reader_makes_the_same_features_and_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "_BLOCKS_TO_FIT", 1000)  # all of them, as for a table in memory
    files = written(tmp_path)
    wanted = None
    for name, file in files.items():
        source = load(str(file), target="y", split_column="part", rules=RULES)
        problems = prepare(source, positive=None, rules=RULES, seed=0)
        found = {
            part: (problems.features[part].numpy(), problems.labels.binary("True")[rows])
            for part, rows in problems.rows.items()
        }
        wanted = wanted or (problems.recipe, found)
        assert problems.recipe == wanted[0], name
        everything = [piece.values for piece in read_rows(str(file), RULES).pieces]
        for part, (features, targets) in wanted[1].items():
            np.testing.assert_array_equal(found[part][0], features, name)
            np.testing.assert_array_equal(found[part][1], targets, name)
            rows = problems.rows[part]
            pieces = np.concatenate([wanted[0].apply(frame) for frame in everything])
            np.testing.assert_array_equal(pieces[rows], features, name)
            labels = [wanted[0].positives(frame["y"], "True") for frame in everything]
            np.testing.assert_array_equal(np.concatenate(labels)[rows], targets, name)
        if name in TYPED:
            problem = prepare_stream(
                file, target="y", split_column="part", positive=None, rules=RULES, seed=0
            )
            assert problem.recipe == wanted[0], name
            for part, (features, targets) in wanted[1].items():
                read, _ = problem.read(part, problem.blocks(part))
                np.testing.assert_array_equal(read.features.numpy(), features, name)
                np.testing.assert_array_equal(read.targets.numpy(), targets, name)


def test_every_format_has_the_same_queries(tmp_path: Path) -> None:
    rules = RULES.model_copy(update={"drop": ("y", "part")})
    wanted: list[list[object]] = []
    for file in written(tmp_path).values():
        source = load(str(file), target="grade", group_column="query", rules=rules)
        parts = prepare_ranking(source, graded=True, rules=rules, seed=1).by_part
        wanted.append(
            [
                (part.features.tolist(), part.targets.tolist(), part.groups.tolist())
                for part in parts.values()
            ]
        )
    assert all(found == wanted[0] for found in wanted)
