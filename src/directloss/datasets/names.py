"""Names of columns: which of them are one name."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from directloss.datasets.errors import DataError, quoted

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


def plain(name: str) -> str:
    """What a reader sees of a name: composed letters, one space between words and none around.

    Capitals count. A name of which nothing is left is none.
    """
    return " ".join(unicodedata.normalize("NFC", name).translate(_INVISIBLE).split())


def refuse_equal_names(file: str, names: Sequence[str]) -> None:
    """Two columns of one name are told apart by nobody, and one of them may be the target.

    Raises:
        DataError: with all names that differ by nothing that can be seen.
    """
    counts = Counter(map(plain, names))
    twice = [name for name in sorted(set(names)) if counts[plain(name)] > 1]
    if twice:
        differ = (
            " (space around a name does not count)"
            if len(twice) > len(set(map(plain, twice)))
            else ""
        )
        raise DataError(
            f"data: {file} has two columns named {quoted(twice)}{differ}; rename or delete one"
        )


def is_named(name: str, names: Iterable[str]) -> bool:
    """Whether a name is among others."""
    return plain(name) in set(map(plain, names))
