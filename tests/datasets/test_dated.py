from __future__ import annotations

import pytest

from directloss.datasets.dated import is_date, is_time

DATES = [
    *("1/7/2024", "07.01.2024", "1-7-2024", "12/31/24", "31/12/2024", "2024-1-7", "2024.01.07"),
    *("2024/1/7 3:04", "1/7/2024 12:30", "1/7/2024 6:05 PM", "2024-01-07 12:30:00 UTC"),
    *("2024-01-07 12:30:00,123", "2024-01-07 12:30 Europe/Berlin", "20240107T123000Z", "2024-01"),
    *("01/2024", "2024-W01-7", "2024. 1. 7.", "2024年1月7日", "Jan 7, 2024", "7 Jan 2024"),
    *("7-Jan-24", "JAN-24", "January 7th, 2024", "Sunday, January 7, 2024 at 3:04 PM"),
    *("Sun, 7 Jan 2024 12:30:00 GMT", "Sun Jan  7 12:30:00 2024", "7. Januar 2024", "Mai 2024"),
    *("1er janvier 2024", "7 de enero de 2024", "2024-01-07T12"),
]
TIMES = ["12:30", "9:05", "6:05 pm", "3 PM", "12:30:05.5", "18h30", "12:30 CET", "23:59:59Z"]


@pytest.mark.parametrize("text", DATES)
def test_dates(text: str) -> None:
    assert is_date(text)
    assert not is_time(text)


@pytest.mark.parametrize("text", TIMES)
def test_times(text: str) -> None:
    assert is_time(text)
    assert not is_date(text)


@pytest.mark.parametrize(
    "text",
    [
        *("red", "Jan", "Monday", "may", "10-19", "1/2", "24/7", "120/80", "10.0.0.1", "1.2.3"),
        *("v1.2.3", "16:9", "1:1000", "100:60", "12-34-56", "555-1234", "978-3-16", "AB-12"),
        *("2024", "Dec1", "5 marks", "market 12", "Windows 95", "13/2024", "32.01.2024", ""),
        "1/7/2024 " * 10,
    ],
)
def test_other_texts(text: str) -> None:
    assert not is_date(text)
    assert not is_time(text)
