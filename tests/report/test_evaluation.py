from __future__ import annotations

import json
import re

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from directloss.report.evaluation import (
    MOST_POINTS,
    Curve,
    Evaluation,
    Line,
    console_table,
    interval,
    precision_recall,
    render,
    roc,
    shown,
)


def scored(size: int, ties: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(size)
    positive = generator.random(size) < 0.2
    scores = generator.normal(size=size) + positive
    return (scores if ties is None else np.round(scores * ties) / ties), positive


@pytest.mark.parametrize("ties", [None, 2])
def test_curves_are_those_of_scikit_learn(ties: int | None) -> None:
    scores, positive = scored(300, ties)
    curve = roc(scores, positive)
    x, y, _ = roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose([curve.x, curve.y], [x, y], atol=1e-12)
    curve = precision_recall(scores, positive)
    precision, recall, _ = precision_recall_curve(positive, scores)
    # scikit-learn goes the other way, and begins with (0, 1).
    np.testing.assert_allclose(curve.x, recall[::-1], atol=1e-12)
    np.testing.assert_allclose(curve.y[1:], precision[::-1][1:], atol=1e-12)
    area = np.sum(np.diff(curve.x) * curve.y[1:])
    assert area == pytest.approx(average_precision_score(positive, scores), abs=1e-12)


def test_thinned_curves_keep_their_ends_and_their_area() -> None:
    scores, positive = scored(50_000)
    curve = roc(scores, positive)
    assert len(curve.x) <= MOST_POINTS
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    x, y, _ = roc_curve(positive, scores)
    assert auc(curve.x, curve.y) == pytest.approx(auc(x, y), abs=1e-3)


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
    assert json.loads(data[1])["curves"]["roc"] == {"x": [0, 1], "y": [0, 1]}
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
