"""Dates and times in other spellings than that of ISO 8601: they are known, and never guessed.

Of 1/7/2024 nobody can tell which number is the month, so no such cell is read; but a column of them
is no column of categories either.
"""

from __future__ import annotations

import re

_LONGEST = 60  # signs of a date or time; free texts are longer

_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NUMBER_OF_MONTH = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:1[5-9]|2[01])\d\d"
_ANY_YEAR = rf"(?:{_YEAR}|['\u2019]?\d\d)"
_THREE_LETTERS = "|".join(  # at the beginning of a month, and its abbreviation
    (
        # In English, German, French, Spanish, Italian, Portuguese and Dutch.
        *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
        *("mär", "mrz", "mai", "okt", "dez", "fév", "avr", "jui", "aoû", "déc", "ene", "abr"),
        *(
            "ago",
            "dic",
            "gen",
            "mag",
            "giu",
            "lug",
            "set",
            "ott",
            "fev",
            "out",
            "mrt",
            "maa",
            "mei",
        ),
    )
)
_MONTH = rf"(?:{_THREE_LETTERS})[^\W\d_]*\.?"
_ORDINAL = rf"{_DAY}(?:st|nd|rd|th|er|º|\.)?"
_GAP = r"(?:,? |[-/.])(?:de )?"

_DATE = "|".join(
    (
        rf"{_DAY}([./-]) ?{_NUMBER_OF_MONTH}\1 ?{_ANY_YEAR}\.?",  # 7.1.2024, 31/12/24
        rf"{_NUMBER_OF_MONTH}([./-]) ?{_DAY}\2 ?{_ANY_YEAR}",  # 12/31/2024
        rf"{_YEAR}([./-]) ?{_NUMBER_OF_MONTH}\3 ?{_DAY}\.?",  # 2024-1-7, 2024.01.07
        rf"{_YEAR}[-/]{_NUMBER_OF_MONTH}",  # 2024-01
        rf"{_NUMBER_OF_MONTH}[/-]{_YEAR}",  # 01/2024
        rf"{_YEAR}-?w[0-5]\d(?:-?[1-7])?",  # 2024-W01-7
        rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?=t\d)",  # 20240107T123000
        rf"{_YEAR}\s?年(?:\s?\d{{1,2}}\s?月(?:\s?\d{{1,2}}\s?日)?)?",
        rf"{_ORDINAL}{_GAP}{_MONTH}{_GAP}{_ANY_YEAR}",  # 7 Jan 2024, 7-Jan-24
        rf"{_MONTH}{_GAP}{_ORDINAL}{_GAP}{_ANY_YEAR}",  # Jan 7, 2024
        rf"{_MONTH}{_GAP}{_YEAR}",  # January 2024
        rf"(?:{_THREE_LETTERS})[-/.' \u2019]\d\d",  # Jan-24
        rf"{_YEAR}{_GAP}{_MONTH}(?:{_GAP}{_DAY})?",  # 2024 Jan 7
    )
)
_HOUR = r"(?:[01]?\d|2[0-4])"
_ZONE = r"(?:z|utc|gmt|[a-z]{3,4}|(?:utc|gmt)?[+-]\d{1,2}(?::?\d{2})?|[a-z]+/[a-z_]+)"
_TIME = (
    rf"{_HOUR}(?:[:h][0-5]\d(?:[:m][0-5]\d(?:[.,]\d+)?s?)?)(?: ?[ap]\.?m\.?| uhr)?(?: ?{_ZONE})?"
    r"|(?:0?[1-9]|1[0-2]) ?[ap]\.?m\.?"  # 12:30, 6:05 pm, 18h30
    r"|(?<=t)(?:[01]\d|2[0-4])(?:[0-5]\d){0,2}z?"  # the rest of 20240107T123000Z
)
_WEEKDAY = r"(?:[^\W\d_]{2,10}[.,]{0,2} )?"
_BETWEEN = r"(?:,? ?(?:at |um |à |t)?)"

_DATED = re.compile(
    rf"{_WEEKDAY}(?:(?:{_DATE})(?:{_BETWEEN}(?:{_TIME}))?"
    rf"|{_MONTH} {_DAY} (?:{_TIME}) {_YEAR})",  # Sun Jan 7 12:30:00 2024
    re.IGNORECASE,
)
_TIMED = re.compile(_TIME, re.IGNORECASE)


def is_date(text: str) -> bool:
    """Whether a text is a date, perhaps with a time, in one of the spellings that people use."""
    return _matches(_DATED, text)


def is_time(text: str) -> bool:
    """Whether a text is a time of the day: `12:30`, `6:05 pm`, `18h30`."""
    return _matches(_TIMED, text)


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    return len(text) <= _LONGEST and pattern.fullmatch(" ".join(text.split())) is not None
