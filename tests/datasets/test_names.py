from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from directloss.datasets import DataError
from directloss.datasets.names import is_named, refuse_equal_names
from directloss.datasets.rows import read_rows
from directloss.datasets.stream import TableStream

EQUAL = [
    ("y", "y "),
    ("y", "\u00a0y"),
    ("y", "\ufeffy"),
    ("y", "\u200by"),
    ("a b", "a\u00a0 b"),
    ("caf\u00e9", "cafe\u0301"),
    ("", " "),
    ("y", "y"),
]


@pytest.mark.parametrize("names", EQUAL)
def test_names_that_nobody_can_tell_apart(names: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=r"t has two columns named .*; rename or delete one"):
        refuse_equal_names("t", ["x", *names])
    assert is_named(names[0], ["x", names[1]])


@pytest.mark.parametrize("names", [("x", "X"), ("a b", "ab"), ("\u00e9", "e"), ("\u00b5", "u")])
def test_other_names_are_two(names: tuple[str, str]) -> None:
    refuse_equal_names("t", names)
    assert not is_named(*[names[0], [names[1]]])


def test_both_spellings_are_said() -> None:
    with pytest.raises(DataError, match=r"named 'y', 'y ' \(space around a name does not count\)"):
        refuse_equal_names("t", ["y", "x", "y "])
    with pytest.raises(DataError, match=r"named 'y'; rename"):
        refuse_equal_names("t", ["y", "x", "y"])


def write(names: Sequence[str], file: Path) -> None:
    table = pa.table([pa.array([1, 2])] * len(names), names=list(names))
    match file.suffix:
        case ".parquet":
            pa.parquet.write_table(table, file)
        case ".arrow":
            pa.feather.write_feather(table, file)
        case ".npz":
            np.savez(file, **{name: np.array([1, 2]) for name in names})
        case _:
            sep = "\t" if file.suffix == ".tsv" else ","
            lines = [names, *[["1"] * len(names)] * 2]
            file.write_text("\n".join(map(sep.join, lines)) + "\n", encoding="utf-8")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".arrow", ".npz"])
def test_every_reader_refuses_equal_names(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"t{suffix}"
    write(["x", "y ", "y"], file)
    with pytest.raises(DataError, match="two columns named 'y', 'y '"):
        read_rows(str(file))
    write(["x ", "y"], file)
    assert read_rows(str(file)).columns == ["x ", "y"]


def test_a_folder_is_a_column(tmp_path: Path) -> None:
    (tmp_path / "y=1").mkdir()
    pd.DataFrame({"y ": [1]}).to_parquet(tmp_path / "y=1" / "t.parquet")
    with pytest.raises(DataError, match="two columns named 'y', 'y '"):
        TableStream(tmp_path)
