from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="still figures need matplotlib")

from directloss.errors import ArgumentError
from directloss.report.curves import quantities
from directloss.report.figures import draw, write_figure
from directloss.report.schema import Results
from tests.report.conftest import COLUMNS, METHODS


def test_svg_has_its_labels_as_text(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "curves.svg"
    write_figure(results, path)
    text = path.read_text()
    for label in [*METHODS, "iteration", "test average precision (%)"]:
        assert f">{label}</text>" in text


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_same_results_same_bytes(results: Results, tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in ("one", "two")]
    for path in paths:
        write_figure(results, path, scheme="dark")
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("quantity", [0, 1, 2])
@pytest.mark.parametrize("column", [None, *COLUMNS])
def test_every_quantity_and_column_is_drawn(
    results: Results, quantity: int, column: str | None
) -> None:
    chosen = quantities(results)[quantity]
    axes = draw(results, chosen, column=column, scheme="light").axes[0]
    assert [line.get_label() for line in axes.lines] == METHODS
    assert len(axes.collections) == len(METHODS)
    assert axes.get_ylabel() == chosen.axis
    assert axes.get_yscale() == ("log" if chosen.log else "linear")


def test_unknown_column_and_format(results: Results, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="column: got 'third'"):
        write_figure(results, tmp_path / "a.svg", column="third")
    with pytest.raises(ArgumentError, match=r"path: got the suffix '\.gif'"):
        write_figure(results, tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())
