from __future__ import annotations

import codecs
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from directloss.datasets import DataError
from directloss.datasets.xml_tree import MOST_BYTES, MOST_DEPTH, MOST_ELEMENTS, decode, read_xml

WORDS = {"utf-8": "图é", "gb2312": "图", "GB18030": "图é", "Big5": "圖", "Shift_JIS": "図"}
WORDS |= {"EUC-KR": "그림", "ISO-8859-1": "é", "windows-1251": "вид", "cp437": "é", "koi8-r": "вид"}


def write(folder: Path, content: bytes) -> Path:
    file = folder / "a.xml"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("encoding", WORDS)
def test_every_encoding_that_python_knows_is_read(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a b="1">{WORDS[encoding]}</a>'
    assert read_xml(write(tmp_path, text.encode(encoding))).text == WORDS[encoding]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_marks_and_the_first_bytes_tell_the_encoding(tmp_path: Path, encoding: str) -> None:
    text = '<?xml version="1.0"?><a>图</a>'
    assert read_xml(write(tmp_path, text.encode(encoding))).text == "图"


def test_a_mark_wins_over_a_declaration(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><a>图</a>'.encode()
    assert read_xml(write(tmp_path, codecs.BOM_UTF8 + text)).text == "图"


BOMB = b"".join(b'<!ENTITY e%d "%s">' % (k + 1, b"&e%d;" % k * 10) for k in range(12))
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not XML: no element found"),
    "cut": (b"<a><b>", "is not XML: "),
    "binary": (bytes(range(256)), "is not text in its encoding, 'utf-8'"),
    "two roots": (b"<a/><a/>", "is not XML: junk after document element"),
    "unknown": (b'<?xml version="1.0" encoding="ansi-x"?><a/>', "that is not known, 'ansi-x'"),
    "no text": (b'<?xml version="1.0" encoding="zlib"?><a/>', "that is not known, 'zlib'"),
    "slow": (b'<?xml version="1.0" encoding="punycode"?><a/>', "that is not known, 'punycode'"),
    "escapes": (
        b'<?xml version="1.0" encoding="unicode-escape"?><a/>',
        "that is not known, 'unicode-escape'",
    ),
    "other": (b'<?xml version="1.0" encoding="utf-8"?><a>\xe9</a>', "is not text in its encoding"),
    "lone half": (b'<?xml version="1.0" encoding="utf-7"?><a>+2AA-</a>', "is not"),
    "bomb": (b'<!DOCTYPE a [<!ENTITY e0 "ha">' + BOMB + b"]><a>&e12;</a>", "declares entities"),
    "defaults": (b'<!DOCTYPE a [<!ATTLIST b c CDATA "x">]><a><b/></a>', "declares entities"),
    "outside": (b'<!DOCTYPE a [<!ENTITY e SYSTEM "/etc/passwd">]><a>&e;</a>', "declares entities"),
    "document": (b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>', "declares entities"),
    "undeclared": (b"<a>&e;</a>", "is not XML: undefined entity"),
    "nested": (b"<a>" * 100_000, f"nested more than {MOST_DEPTH} deep"),
    "many": (b"<a>" + b"<b/>" * MOST_ELEMENTS + b"</a>", "has more than 100,000 elements"),
    "long": (b"<a>" + b" " * MOST_BYTES + b"</a>", "cannot be read: it has 4,194,311 bytes"),
    "long name": (b"<" + b"a" * 1_000_000, "is not XML: "),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    content, reason = REFUSED[kind]
    file = write(tmp_path, content)
    began = time.perf_counter()
    with pytest.raises(DataError) as caught:
        read_xml(file)
    assert reason in str(caught.value)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda file: file.symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.xml")
    with pytest.raises(DataError, match="cannot be read: it is a folder, a pipe or a device"):
        read_xml(tmp_path / "a.xml")


def test_a_plain_document_type_is_read(tmp_path: Path) -> None:
    assert read_xml(write(tmp_path, b"<!DOCTYPE a><a>b</a>")).text == "b"


def test_decode_knows_marks() -> None:
    assert decode("é".encode("utf-16")) == decode("é".encode("utf-8-sig")) == decode("é".encode())
    assert decode(b"\xe9", "latin-1") == "é"
