from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import dump_svmlight_file, load_digits

from directloss.datasets import DataError, FeatureRules, Reading, fingerprint, load
from directloss.datasets.cells import numbers, spelled

TABLE = pd.DataFrame({"a": [1.0, 2.5, np.nan], "b": ["x", "y", "x"], "label": [0, 1, 0]})


def write_gzip(path: Path, text: str) -> None:
    with gzip.open(path, "wt") as file:
        file.write(text)


WRITERS: dict[str, Callable[[Path], object]] = {
    "t.csv": lambda path: TABLE.to_csv(path, index=False),
    "t.csv.gz": lambda path: write_gzip(path, TABLE.to_csv(index=False)),
    "T.TSV": lambda path: TABLE.to_csv(path, index=False, sep="\t"),
    "t.tsv.gz": lambda path: write_gzip(path, TABLE.to_csv(index=False, sep="\t")),
    "t.parquet": lambda path: TABLE.to_parquet(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_tables(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    source = load(str(tmp_path / name), target="label")
    assert list(source.features) == ["a", "b"]
    np.testing.assert_array_equal(numbers(source.features["a"], Reading())[0], TABLE["a"])
    assert source.features["b"].tolist() == ["x", "y", "x"]
    assert spelled(source.target, Reading()).to_pylist() == ["0", "1", "0"]
    assert source.target_name == "label"
    assert source.split is None


def test_split_column_is_no_feature(tmp_path: Path) -> None:
    parts = ["train", "test", "train"]
    TABLE.assign(part=parts).to_csv(tmp_path / "t.csv", index=False)
    source = load(str(tmp_path / "t.csv"), target="label", split_column="part")
    assert list(source.features) == ["a", "b"]
    assert source.split is not None
    assert source.split.tolist() == parts


def test_a_feature_that_is_called_almost_as_the_target_has_a_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Y,a,y\n0,7,0\n1,8,1\n")
    source = load(str(tmp_path / "t.csv"), target="y")
    assert list(source.features) == ["Y", "a"]
    assert source.notes == ("'Y' is a feature beside the target 'y'; drop it if it holds the same",)


@pytest.mark.parametrize("name", ["", " ", "\ufeff"])
def test_a_column_without_a_name_is_left_out_with_a_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"y,{name},a\n0,7,1\n1,8,2\n", encoding="utf-8")
    source = load(str(tmp_path / "t.csv"), target="y")
    assert list(source.features) == ["a"]
    assert source.notes == ("column 2 is left out: it has no name",)
    dropped = load(str(tmp_path / "t.csv"), target="y", rules=FeatureRules(drop=(name,)))
    assert dropped.notes == ()


def test_npz(tmp_path: Path) -> None:
    matrix = np.arange(6.0).reshape(3, 2)
    np.savez(tmp_path / "t.npz", x=matrix, extra=np.array([5, 6, 7]), y=np.array([0, 1, 0]))
    source = load(str(tmp_path / "t.npz"), target="y")
    assert list(source.features) == ["x_0", "x_1", "extra"]
    assert source.features["x_1"].tolist() == [1.0, 3.0, 5.0]
    assert source.target.tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", ["t.svm", "t.svmlight", "t.libsvm", "t.svmlight.gz"])
def test_svmlight(tmp_path: Path, name: str) -> None:
    matrix = np.array([[0.0, 2.0], [1.5, 0.0], [0.0, 0.0]])
    opener = gzip.open if name.endswith(".gz") else open
    with opener(tmp_path / name, "wb") as file:
        dump_svmlight_file(matrix, [1, -1, 1], file, zero_based=False)
    source = load(str(tmp_path / name))
    assert source.features.to_numpy().tolist() == matrix.tolist()
    assert source.target.tolist() == [1, -1, 1]


def test_digits() -> None:
    source = load("digits")
    assert source.features.shape == (1797, 64)
    assert np.array_equal(source.target, load_digits().target)
    assert fingerprint("digits") == "embedded"


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_texts_for_missing_values(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"a": ["1", "?", "3"], "label": [0, 1, 0]})
    path = tmp_path / name
    if name.endswith("csv"):
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    rules = FeatureRules(missing=("?",))
    source = load(str(path), target="label", rules=rules)
    found, wrong = numbers(source.features["a"], rules)
    assert (np.isnan(found).tolist(), wrong.any()) == ([False, True, False], False)


def test_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    for name, text in (("a.csv", "x"), ("b.csv", "x"), ("c.csv", "y")):
        (tmp_path / name).write_text(text)
    first, same, other = (fingerprint(str(tmp_path / name)) for name in ("a.csv", "b.csv", "c.csv"))
    assert first == same != other


@pytest.mark.parametrize(
    ("name", "content", "target", "split", "message"),
    [
        (None, b"", "y", None, "no file 'nothing.csv'"),
        ("t.xlsx", b"", "y", None, "t.xlsx is of no known format.*csv.*parquet"),
        ("t.csv", b"", "y", None, "cannot read .*t.csv: No columns"),
        ("t.csv", b"a,y\n", "y", None, "t.csv has 0 rows"),
        ("t.csv", b"a,y\n1,0\n2,1,5,6\n3,0\n", "y", None, "cannot read .*t.csv"),
        ("t.csv", b"a,y\n\xff\xfe,0\n", "y", None, "cannot read .*t.csv"),
        ("t.parquet", b"no parquet", "y", None, "cannot read .*t.parquet"),
        ("t.npz", b"no npz", "y", None, "cannot read .*t.npz"),
        ("t.svm", b"one two\n", None, None, "cannot read .*t.svm"),
        ("t.csv.gz", b"no gzip", "y", None, "cannot read .*t.csv.gz"),
        ("t.csv", b"a,y\n1,0\n", None, None, "target: say which column of t.csv .*: 'a', 'y'"),
        ("t.csv", b"a,y\n1,0\n", "z", None, "target: t.csv has no column 'z'; it has 'a', 'y'"),
        ("t.csv", b"a,y\n1,0\n", "y", "s", "split_column: t.csv has no column 's'"),
        ("t.csv", b"a,y\n1,0\n", "y", "y", "split_column: 'y' is the target"),
        ("t.csv", b"y\n1\n", "y", None, "no feature column"),
    ],
)
def test_bad_files(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str | None,
    content: bytes,
    target: str | None,
    split: str | None,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if name is not None:
        Path(name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load(name or "nothing.csv", target=target, split_column=split)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 3)), "y": np.zeros(5)}, "different lengths"),
        ({"x": np.zeros((2, 3, 4)), "y": np.zeros(2)}, r"'x' has shape \(2, 3, 4\)"),
        ({"x": np.array([{}, {}]), "y": np.zeros(2)}, "cannot read"),
        ({"x": np.ones(2, np.longdouble), "y": np.zeros(2)}, "'x' is of type float128; texts and"),
        ({"x": np.ones(2, complex), "y": np.zeros(2)}, "'x' is of type complex128"),
        ({"x": np.array([b"\xe9", b"e"]), "y": np.zeros(2)}, "'x' holds bytes that are no UTF-8"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load(str(tmp_path / "t.npz"), target="y")


def test_wide_sparse_data_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    (tmp_path / "t.svm").write_text("1 1:1 900000000:1\n-1 2:1\n")
    with pytest.raises(DataError, match="at most"):
        load(str(tmp_path / "t.svm"))
