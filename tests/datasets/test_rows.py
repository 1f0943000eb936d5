from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from directloss.datasets import DataError, Reading, load, rows
from directloss.datasets.cells import spelled
from directloss.datasets.embedded import EMBEDDED, NAMES
from directloss.datasets.rows import Piece, read_rows

TABLE = pd.DataFrame({"a": [1, 20, 3], "b": [0.5, np.nan, 2.0], "k": ["x, y", None, "7"]})


def given(pieces: list[Piece]) -> pd.DataFrame:
    return pd.concat([piece.given.to_pandas() for piece in pieces], ignore_index=True)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz"])
def test_texts_stay_as_they_stand(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_PIECE", 2)
    TABLE.to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
    found = read_rows(str(tmp_path / name))
    pieces = list(found.pieces)
    assert found.columns == ["a", "b", "k"]
    assert [piece.given.num_rows for piece in pieces] == [2, 1]
    assert given(pieces).to_numpy().tolist() == [
        ["1", "0.5", "x, y"],
        ["20", "", ""],
        ["3", "2.0", "7"],
    ]
    values = pd.concat([piece.values for piece in pieces])
    assert values.index.tolist() == [0, 1, 2]
    missing = [spelled(values[name], Reading()).is_null().to_pylist() for name in values]
    assert missing == [[False] * 3, [False, True, False], [False, True, False]]


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
def test_types_stay_as_they_are(name: str, tmp_path: Path) -> None:
    if name.endswith(".arrow"):
        TABLE.to_feather(tmp_path / name)
    else:
        TABLE.to_parquet(tmp_path / name, row_group_size=2)
    found = read_rows(str(tmp_path / name))
    pd.testing.assert_frame_equal(given(list(found.pieces)), TABLE, check_dtype=False)
    assert found.count == 3


def test_formats_that_are_read_whole(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.arange(6.0).reshape(3, 2), y=np.arange(3))
    found = read_rows(str(tmp_path / "t.npz"))
    assert (found.columns, found.count) == (["x_0", "x_1", "y"], 3)
    assert given(list(found.pieces))["x_1"].tolist() == [1, 3, 5]
    digits = read_rows("digits")
    assert "digit" in digits.columns
    assert digits.count == sum(len(piece.values) for piece in digits.pieces)


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_table_says_what_its_target_is(name: str) -> None:
    rows = read_rows(name)
    assert rows.target in rows.columns
    assert f"'{name}'" in NAMES
    source = load(name)
    assert len(source.target) == rows.count


def test_a_quarter_of_the_patients_have_a_fast_diabetes() -> None:
    assert load("diabetes").target.mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "cannot read .*t.csv: No columns"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "row 3 .the header is row 1. has 3 cells, wanted 2"),
        ("t.csv", b"a,\xff\n1,2\n", "cannot read .*t.csv: .*codec can't decode"),
        ("t.csv.gz", b"a,b\n1,2\n", "cannot read .*t.csv.gz: "),
        ("t.xyz", b"", "is of no known format"),
        ("t.parquet", b"PAR1", "cannot read .*t.parquet: "),
        ("t.arrow", b"ARROW1", "cannot read .*t.arrow: "),
    ],
)
def test_what_cannot_be_read(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_rows(str(tmp_path / name)).pieces)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize("text", ["a name", "a value"])
def test_texts_that_are_no_utf8(text: str, ending: str, tmp_path: Path) -> None:
    table = pa.table({"a name": ["a value", "another"], "y": [0, 1]})
    path = tmp_path / f"t.{ending}"
    if ending == "parquet":
        pa.parquet.write_table(table, path, use_dictionary=False, write_statistics=False)
    else:
        pa.feather.write_feather(table, path, compression="uncompressed")
    damaged = path.read_bytes().replace(text.encode(), text[:-1].encode() + b"\xe3")
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"cannot read .*t\."):
        list(read_rows(str(path)).pieces)


def test_no_file() -> None:
    with pytest.raises(DataError, match=r"no file 'nothing\.csv'"):
        read_rows("nothing.csv")
