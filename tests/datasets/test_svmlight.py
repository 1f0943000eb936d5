from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from directloss.datasets import DataError, FeatureRules, Reading, load
from directloss.datasets.rows import read_rows

LETOR = "2 qid:10 1:0.5 3:1.5 #docid = G1\n0 qid:10 1:0.25 3:0 # 7:1\r\n\n# all\n1 qid:7 2:4\n"


def read(path: Path, wanted: tuple[str, ...] = (), **how: str) -> dict[str, list[float]]:
    rows = read_rows(str(path), Reading(**how), wanted)  # type: ignore[arg-type]
    (piece,) = rows.pieces
    found: dict[str, list[float]] = piece.given.to_pydict()
    return found


@pytest.mark.parametrize("name", ["t.svm", "t.svmlight", "t.libsvm", "t.txt", "t.dat"])
def test_queries_and_comments(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(LETOR.encode())
    assert read(tmp_path / name) == {
        "target": [2, 0, 1],
        "qid": [10, 10, 7],
        "f1": [0.5, 0.25, 0],
        "f2": [0, 0, 4],
        "f3": [1.5, 0, 0],
    }
    grouped = load(str(tmp_path / name), group_column="qid")
    assert grouped.groups is not None
    assert grouped.groups.tolist() == [10, 10, 7]
    plain = load(str(tmp_path / name))
    assert list(plain.features) == ["f1", "f2", "f3"]
    assert plain.notes == ("'qid' is no feature; named as the group, each of its values is a list",)


def test_marks_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "t.svm").write_bytes(b"\xef\xbb\xbf1 1:2\r-1 2:3\r")
    assert read(tmp_path / "t.svm") == {"target": [1, -1], "f1": [2, 0], "f2": [0, 3]}


def test_a_feature_has_its_index_as_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.svm").write_text("1 1:2 2:1\n0 1:3\n")
    (tmp_path / "zero.svm").write_text("1 0:9 1:2 2:1\n0 1:3\n")
    one, zero = read(tmp_path / "one.svm"), read(tmp_path / "zero.svm")
    assert zero.pop("f0") == [9, 0]
    assert one == zero


def test_a_model_reads_its_own_columns(tmp_path: Path) -> None:
    (tmp_path / "t.svm").write_text("1 2:1\n")
    found = read(tmp_path / "t.svm", ("f0", "f5"))
    assert found == {
        "target": [1],
        "f0": [0],
        "f1": [0],
        "f2": [1],
        "f3": [0],
        "f4": [0],
        "f5": [0],
    }


def test_the_base_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "t.svm").write_text("1 1:2\n0 1:3\n")
    assert list(read(tmp_path / "t.svm", index_base="0")) == ["target", "f0", "f1"]
    (tmp_path / "z.svm").write_text("1 0:2\n")
    with pytest.raises(
        DataError, match=r"z\.svm has a feature 0, below the first one; say `index_base` 0"
    ):
        read(tmp_path / "z.svm", index_base="1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 qid:1 1:2\n0 1:3\n", "t.svm has qid: in 1 of 2 rows"),
        ("1 qid:abc 1:2\n", "cannot read .*t.svm: .*abc"),
        ("1 2:1 1:1\n", "cannot read .*t.svm: .*sorted"),
        ("1 1:NULL\n", "cannot read .*t.svm: .*NULL"),
        ("1 900000000:1\n0 1:1\n", "at most"),
    ],
)
def test_what_cannot_be_read(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.svm").write_text(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "t.svm")


def test_plain_text_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a;y\n1;0\n")
    with pytest.raises(DataError, match=r"t\.txt is no sparse text .*`sep`"):
        read_rows(str(tmp_path / "t.txt"))
    source = load(str(tmp_path / "t.txt"), target="y", rules=FeatureRules(sep=";"))
    assert source.target.tolist() == ["0"]


def test_values_keep_their_digits(tmp_path: Path) -> None:
    (tmp_path / "t.svm").write_text("1 1:1600000001.25\n")
    assert np.array(read(tmp_path / "t.svm")["f1"]).tolist() == [1600000001.25]
