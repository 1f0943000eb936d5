from __future__ import annotations

import json
import re

from directloss.report.evaluation import (
    Band,
    Bin,
    Curve,
    Decision,
    Evaluation,
    Line,
    Reliability,
    Share,
    calibration_line,
    console_table,
    decisions_table,
    interval,
    render,
    shown,
)


def evaluation(**changes: object) -> Evaluation:
    line = Line(
        name="f1", words="F1", value=0.5, low=0.25, high=0.75, undefined=0.125, threshold=1.5
    )
    undefined = line.model_copy(
        update={"name": "bedroc", "words": "BEDROC", "value": None, "low": None, "high": None}
    )
    content: dict[str, object] = {
        "title": "F1 <of> a model",
        "command": ["directloss", "evaluate", "a b"],
        "created": "2026-01-02T03:04:05+00:00",
        "versions": {"torch": "2"},
        "model": "runs/m",
        "data": "the test part of t.csv",
        "rows": 100,
        "positives": 20,
        "lists": None,
        "resamples": 1000,
        "level": 0.95,
        "seed": 0,
        "lines": [line, undefined],
        "precision_recall": Curve(x=[0.5, 1.0], y=[1.0, 0.2]),
        "roc": Curve(x=[0.0, 1.0], y=[0.0, 1.0]),
    }
    return Evaluation.model_validate(content | changes)


def test_the_page_holds_what_was_measured() -> None:
    page = render(evaluation())
    assert "F1 &lt;of&gt; a model" in page
    row = re.search(r'<tr data-metric="f1">.*?</tr>', page, re.DOTALL)
    assert row is not None
    assert re.findall(r"<td[^>]*>([^<]*)</td>", row[0]) == ["50.00", "25.00 to 75.00", "1.5"]
    assert "F1 (12.5 %)" in page
    data = re.search(r'<script id="plot-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["curves"]["roc"] == {"x": [0, 1], "y": [0, 1], "band": None}
    assert json.loads(data[1])["share"] == 0.2


def test_without_curves_the_page_needs_no_script() -> None:
    page = render(evaluation(lists=7, precision_recall=None, roc=None))
    assert "<script" not in page
    assert "in 7 queries" in page


def test_the_terminal_shows_the_same() -> None:
    found = evaluation()
    table = console_table(found)
    cells = [list(column.cells) for column in table.columns]
    assert [str(cell) for cell in cells[0]] == ["F1", "BEDROC"]
    assert cells[1] == ["50.00", "–"]
    assert cells[2] == ["25.00 to 75.00", ""]
    assert (shown(None), interval(found.lines[1])) == ("–", "")


def with_everything() -> Evaluation:
    share = Share(value=0.75, low=0.5, high=1.0)
    decision = Decision(
        words="least cost (validation part)",
        threshold=0.125,
        tp=6,
        fp=2,
        fn=1,
        tn=91,
        precision=share,
        recall=Share(value=None, low=None, high=None),
        cost=Share(value=22.0, low=11.0, high=33.0),
    )
    bins = [Bin(rows=50, predicted=0.25, observed=share)]
    return evaluation(
        costs=(1.0, 20.0),
        decisions=[decision],
        reliability=Reliability(kind="sigmoid", brier=share, brier_of_share=0.16, bins=bins),
        roc=Curve(x=[0.0, 1.0], y=[0.0, 1.0], band=Band(x=[0.5], low=[0.25], high=[0.75])),
    )


def test_the_page_holds_decisions_and_reliability() -> None:
    page = render(with_everything())
    table = re.search(r'<table data-decision="least cost.*?</table>', page, re.DOTALL)
    assert table is not None
    assert re.findall(r"<td>(\d+)</td>", table[0]) == ["6", "1", "2", "91"]
    assert "cost 22 " in page and "(11 to 33)" in page
    assert "a false negative 20." in page
    data = re.search(r'<script id="plot-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert data is not None
    curves = json.loads(data[1])["curves"]
    assert curves["roc"]["band"] == {"x": [0.5], "low": [0.25], "high": [0.75]}
    assert curves["reliability"] == {
        **{"x": [0.25], "y": [0.75], "low": [0.5], "high": [1.0]},
        "rows": [50],
    }


def test_the_terminal_shows_decisions_and_calibration() -> None:
    table = decisions_table(with_everything())
    row = [str(next(iter(column.cells))) for column in table.columns]
    assert row == [
        *("least cost (validation part)", "0.125", "6", "2", "1", "91", "75.00", "–", "22"),
    ]
    assert calibration_line(with_everything()) == (
        "Brier score of the probabilities (sigmoid): 0.7500 (0.5000 to 1.0000); "
        "always predicting the share of positives: 0.1600"
    )
    assert calibration_line(evaluation()) is None
