"""Which tables the study takes, and how they become 0/1 problems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from directloss.study.tables import rule
from directloss.study.tables.rule import Refused, Table, encode, make
from directloss.study.tables.sources import SOURCES, Source, SourceError


def saved(folder: Path, name: str, **columns: object) -> Source:
    """A table of the user's folder."""
    pd.DataFrame(columns).to_csv(folder / f"{name}.csv.gz", index=False)
    return Source(name, (f"{name}.csv.gz",), header=True, place="folder")


def rows(count: int) -> np.ndarray:
    return np.arange(count) + 0.5


def test_the_rarest_class_that_leaves_sixty_to_training(tmp_path: Path) -> None:
    target = ["a"] * 700 + ["b"] * 200 + ["c"] * 101 + ["d"] * 99
    table = make(saved(tmp_path, "t", x=rows(1100), y=target), tmp_path)
    assert isinstance(table, Table)
    assert (table.positive, int(table.labels.sum()), table.features.shape) == ("c", 101, (1100, 1))


def test_top_values_as_many_as_may_be(tmp_path: Path) -> None:
    source = saved(tmp_path, "t", x=rows(1000), y=[3] * 850 + [7] * 50 + [9] * 100)
    table = make(Source("t", source.files, "top", header=True, place="folder"), tmp_path)
    assert isinstance(table, Table)
    assert (table.positive, int(table.labels.sum())) == ("at least 7", 150)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (["a"] * 200 + ["b"] * 50, "250 different rows"),
        (["a"] * 950 + ["b"] * 50, "no value of the target has a fitting share of the rows"),
        (["a"] * 500 + ["b"] * 500, "no value of the target has a fitting share of the rows"),
    ],
)
def test_what_is_left_out(tmp_path: Path, target: list[str], why: str) -> None:
    found = make(saved(tmp_path, "t", x=rows(len(target)), y=target), tmp_path)
    assert found == Refused("t", why)


def test_equal_rows_are_kept_once_and_long_tables_are_drawn(tmp_path: Path) -> None:
    target = ["a"] * 2000 + ["b"] * 600
    source = saved(tmp_path, "t", x=[*rows(2600), *rows(2600)], y=[*target, *target])
    table = make(source, tmp_path)
    assert isinstance(table, Table)
    assert len(np.unique(table.features)) == len(table.labels) == rule.MOST_ROWS


def test_texts_of_few_values_are_columns_and_others_are_none() -> None:
    frame = pd.DataFrame(
        {
            "number": ["1", "2.5", None, "4"] * 20,
            "colour": ["red", "blue", "red", "blue"] * 20,
            "name": [f"person {k}" for k in range(80)],
        }
    )
    encoded = encode(frame)
    assert encoded.shape == (80, 3)
    assert np.isnan(encoded[2, 0])
    assert (encoded[:, 1:].sum(1) == 1.0).all()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"churn: .*churn\.csv\.gz"):
        next(source for source in SOURCES if source.name == "churn").read(tmp_path)
    with pytest.raises(SourceError, match="churn: name its folder"):
        next(source for source in SOURCES if source.name == "churn").read(None)


def test_every_family_stands_once() -> None:
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    assert set(names) > rule.PILOT
