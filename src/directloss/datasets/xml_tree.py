"""XML that other people wrote, as a tree: any encoding, and nothing in it can make work.

What is refused beside text that is no XML: declarations of entities and defaults, which multiply a
small file, other documents, and nesting or length without end.
"""

from __future__ import annotations

import codecs
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.parsers import expat

from directloss.datasets.errors import DataError
from directloss.datasets.reading import is_encoding
from directloss.files import read_file

Element = ElementTree.Element

MOST_BYTES = 1 << 22
MOST_DEPTH = 100
MOST_ELEMENTS = 100_000

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    ("<?".encode("utf-16-le"), "utf-16-le"),
    ("<?".encode("utf-16-be"), "utf-16-be"),
)
_DECLARED = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._\-]{0,40})["']""")


def read_xml(file: Path) -> Element:
    """The root of the file.

    Raises:
        DataError: it cannot be used; the message is what follows on the file's name.
        FileNotFoundError: there is none.
    """
    try:
        content = read_file(file, most=MOST_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from error
    return _parsed(_decoded(content))


def decode(content: bytes, encoding: str = "utf-8") -> str:
    """Text in the encoding of its byte order mark, or else in `encoding`.

    Raises:
        ValueError, LookupError: it is not, or there is no such encoding.
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), encoding)
    return content.decode(marked)


def _decoded(content: bytes) -> str:
    declared = _DECLARED.match(content)
    encoding = declared[1].decode("ascii") if declared else "utf-8"
    try:
        if not is_encoding(encoding):
            raise LookupError
        return decode(content, encoding)
    except LookupError as error:
        raise DataError(f"is in an encoding that is not known, {encoding!r}") from error
    except ValueError as error:
        raise DataError(f"is not text in its encoding, {encoding!r}: {error}") from error


def _parsed(text: str) -> Element:
    builder = ElementTree.TreeBuilder()
    # Of Python's text the parser takes the encoding that it has, whatever its first line says.
    parser = expat.ParserCreate()
    depth = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > MOST_DEPTH:
            raise DataError(f"has elements that are nested more than {MOST_DEPTH} deep")
        if elements > MOST_ELEMENTS:
            raise DataError(f"has more than {MOST_ELEMENTS:,} elements")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def doctype(_: str, system: str | None, public: str | None, has_subset: bool) -> None:
        if system or public or has_subset:
            raise DataError("declares entities or another document, which is not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    parser.buffer_text = True
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"is not XML: {error}") from error
    return builder.close()
