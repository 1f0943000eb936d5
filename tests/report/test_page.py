"""The page as text; tests/report/test_browser.py looks at it in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs
from pydantic import ValidationError

from directloss.report import write_report
from directloss.report.page import plot_data, render
from directloss.report.schema import Results


@pytest.fixture(scope="module")
def own_text(results: Results) -> str:
    """The page without plotly's script, which is not ours."""
    return render(results).replace(get_plotlyjs(), "")


def test_nothing_is_fetched(own_text: str) -> None:
    assert not re.findall(r"https?://|//[a-z]+\.[a-z]|\b(?:src|href)=|@import|url\(", own_text)


def test_names_are_text_not_markup(own_text: str) -> None:
    assert "<title>Even &amp; odd &lt;digits&gt;</title>" in own_text
    assert "odd & <prime>" not in own_text
    assert own_text.count("</script>") == 3


def test_plot_data_is_the_json_of_the_page(results: Results, own_text: str) -> None:
    found = re.search(r'<script id="plot-data"[^>]*>(.*?)</script>', own_text, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == plot_data(results)


def test_gaps_are_null(results: Results) -> None:
    shares = plot_data(results)["curves"]["zero_gradient"][0][0]
    assert shares["y"][0] is None and shares["y"][1] is not None
    json.dumps(plot_data(results), allow_nan=False)


def test_one_column_has_no_average_curve(results: Results) -> None:
    column = results.columns[0]
    single = results.model_copy(update={"columns": [column]})
    assert plot_data(single)["columns"] == [column]
    assert 'id="column"' not in render(single)


def test_write_report(results: Results, tmp_path: Path) -> None:
    source, page = tmp_path / "results.json", tmp_path / "report.html"
    source.write_text(results.to_json())
    write_report(source, page)
    assert page.read_text(encoding="utf-8") == render(results)
    assert sorted(tmp_path.iterdir()) == [page, source]


@pytest.mark.parametrize("content", ["{}", "no JSON", '{"schema": 99}'])
def test_a_wrong_file_leaves_the_old_page(content: str, tmp_path: Path) -> None:
    source, page = tmp_path / "results.json", tmp_path / "report.html"
    source.write_text(content)
    page.write_text("old")
    with pytest.raises(ValidationError):
        write_report(source, page)
    assert page.read_text() == "old"


def test_a_failing_write_leaves_nothing(results: Results, tmp_path: Path) -> None:
    source, page = tmp_path / "results.json", tmp_path / "report.html"
    source.write_text(results.to_json())
    page.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match=r"report\.html"):
        write_report(source, page)
    assert sorted(tmp_path.iterdir()) == [page, source]
