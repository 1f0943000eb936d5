from __future__ import annotations

from pathlib import Path

import pytest

from directloss.datasets import DataError, Reading
from directloss.datasets.rows import read_rows

WANTED = {"a": ["1", "3"], "y": ["x", "z"]}


def read(content: bytes, tmp_path: Path, name: str = "t.csv", **how: str) -> dict[str, list[str]]:
    (tmp_path / name).write_bytes(content)
    rows = read_rows(str(tmp_path / name), Reading(**how))  # type: ignore[arg-type]
    found: dict[str, list[str]] = {column: [] for column in rows.columns}
    for piece in rows.pieces:
        for column, cells in piece.given.to_pydict().items():
            found[column] += cells
    return found


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (b"a,y\n1,x\n3,z\n", {}),
        (b"a,y\n1,x\n3,z", {}),
        (b"\xef\xbb\xbfa,y\n1,x\n3,z\n", {}),
        (b"a,y\r\n1,x\r\n3,z\r\n", {}),
        (b"a,y\r1,x\r3,z\r", {}),
        (b"\n\r\na,y\n\n1,x\n\n3,z\n\n", {}),
        (b'"a","y"\n"1","x"\n"3","z"\n', {}),
        (b"a,y\n1,x,\n3,z,\n", {}),
        (b"a,y,\n1,x,\n3,z,\n", {}),
        (b"a;y\n1;x\n3;z\n", {"sep": ";"}),
        (b"a\ty\n1\tx\n3\tz\n", {"sep": "tab"}),
        ("a,y\n1,x\n3,z\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("a,y\n1,x\n3,z\n".encode("utf-16-le"), {"encoding": "utf-16-le"}),
        ("\ufeffa,y\n1,x\n3,z\n".encode("utf-16-le"), {"encoding": "utf-16-le"}),
        ('\ufeff"a",y\n1,x\n3,z\n'.encode("utf-16-be"), {"encoding": "utf-16-be"}),
    ],
)
def test_one_table_as_programs_write_it(
    content: bytes, how: dict[str, str], tmp_path: Path
) -> None:
    assert read(content, tmp_path, **how) == WANTED


def test_cells_stay_as_they_stand(tmp_path: Path) -> None:
    content = b'a,y\n"lone\rreturn","two\nlines"\n" x ",""\n"say ""hi""",NA\n'
    assert read(content, tmp_path) == {
        "a": ["lone\rreturn", " x ", 'say "hi"'],
        "y": ["two\nlines", "", "NA"],
    }


def test_latin_1(tmp_path: Path) -> None:
    content = "a,y\né,x\n".encode("latin-1")
    assert read(content, tmp_path, encoding="latin-1") == {"a": ["é"], "y": ["x"]}
    with pytest.raises(DataError, match=r"cannot read .*t.csv: .*`encoding` latin-1"):
        read(content, tmp_path)


def test_row_numbers_of_pandas_have_a_column_without_a_name(tmp_path: Path) -> None:
    assert read(b",a,y\n0,1,x\n1,3,z\n", tmp_path) == {"": ["0", "1"], **WANTED}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "No columns"),
        (b"a,y\n1,x\n3\n", "row 3 .the header is row 1. has 1 cells, wanted 2"),
        (b"a,y\n1,x\n3,z,5\n", "row 3 .the header is row 1. has 3 cells, wanted 2"),
        (b"a,y\nr1,1,x\nr2,3,z\n", "rows of .* have 3 cells, and its header 2 names; if the first"),
        (
            b"a;b;y\n0,5;1,5;x\n0,25;1,0;z\n",
            "row 2 .* 3 cells, wanted 1; if ';' stands .*, say `sep` ';' and `decimal` ','$",
        ),
        (b"a;y\n0,5;x\n3;z\n", "have 2 cells.*; if ';' .* say `sep` ';' and `decimal` ','$"),
        (b"a\ty\n0,5\tx,u\n3\tz\n", "; if tab stands .*, say `sep` tab and `decimal` ','$"),
        (b"a,y\n1,x,\n3,z,9\n", "a cell behind the last name"),
        (b"a,y,a,y\n1,x,2,x\n", "two columns named 'a', 'y'"),
        (b'a,y\n1,"x\n3,z\n', "a quote that is never closed"),
        (b'a,y\n"1,x\n3,z\n', "a quote that is never closed"),
        ("a,y\n1,x\n".encode("utf-16"), "is UTF-16 text; say `encoding` utf-16"),
        ("a,y\n1,x\n".encode("utf-16-be"), "holds zero bytes.*`encoding` utf-16-le"),
    ],
)
def test_what_is_no_table(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(content, tmp_path)


def test_the_wrong_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*t.csv: "):
        read(b"a,y\n1,\x81\n", tmp_path, encoding="cp1252")


@pytest.mark.parametrize("content", [b"a,y", b"a,y\n", b"\na,y\r", b'"a","y"'])
def test_a_header_without_rows(content: bytes, tmp_path: Path) -> None:
    assert read(content, tmp_path) == {"a": [], "y": []}


def test_a_header_of_megabytes(tmp_path: Path) -> None:
    names = [f"{k} {'name ' * 4_000}" for k in range(100)]
    content = "\n".join([",".join(names), ",".join(map(str, range(100)))])
    assert len(content) > 2_000_000
    found = read(content.encode(), tmp_path)
    assert list(found) == names
    assert [cells for (cells,) in found.values()] == list(map(str, range(100)))


@pytest.mark.parametrize(
    ("content", "said", "advice"),
    [
        ("\ufeffa,y\né,x\n".encode(), "latin-1", "is UTF-8 text; say `encoding` utf-8"),
        ("a,y\né,x\n".encode("utf-16"), "cp1252", "is UTF-16 text; say `encoding` utf-16"),
        ("a,y\né,x\n".encode("utf-32"), "utf-16", "is UTF-32 text; say `encoding` utf-32"),
        ("a,y\né,x\n".encode(), "utf-16", "BOM; say `encoding` utf-8"),
        ("a,y\né,x\n".encode(), "ascii", "ascii.*; say `encoding` utf-8"),
    ],
)
def test_advice_on_the_encoding_helps(
    content: bytes, said: str, advice: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=advice):
        read(content, tmp_path, encoding=said)
    assert read(content, tmp_path, encoding=advice.split()[-1]) == {"a": ["é"], "y": ["x"]}


def test_a_long_cell(tmp_path: Path) -> None:
    content = "a,y\n" + "long " * 100_000 + ",x\n"
    assert len(read(content.encode(), tmp_path)["a"][0]) == 500_000


def test_a_row_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("directloss.datasets.delimited._BLOCK", 1 << 20)
    with pytest.raises(DataError, match="a row is longer than 1 MB, perhaps for want of a closing"):
        read(b'a,y\n1,"' + b"x\n" * (1 << 20), tmp_path)
