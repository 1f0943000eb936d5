"""Claims, tables and figures of a study whose numbers are known."""

from __future__ import annotations

from itertools import product
from statistics import fmean
from xml.etree import ElementTree

import numpy as np
import pytest

from directloss.paper.synthetic import view
from directloss.paper.synthetic.claims import STATEMENTS, judge, verdict
from directloss.paper.synthetic.figures import (
    column_figure,
    noise_columns,
    noise_figure,
    noise_lines,
)
from directloss.paper.synthetic.output import file_name
from directloss.paper.synthetic.page import points, render
from directloss.paper.synthetic.results import (
    Claim,
    ColumnRecord,
    Difference,
    StudyResults,
    StudyRun,
)
from directloss.paper.synthetic.summary import behind
from directloss.report import schema
from directloss.report.figures import encoded
from directloss.report.page import plot_data_of
from directloss.study.bootstrap import interval_of_mean

METHODS = ["logistic", "hinge-ap", "per-ap", "pos-ap", "neg-ap"]
LEVEL = {"logistic": 0.90, "hinge-ap": 0.91, "per-ap": 0.6, "pos-ap": 0.93, "neg-ap": 0.85}
SEEDS = range(5)


def column(name: str, flips: float = 0.0) -> ColumnRecord:
    setting = name.partition(",")[0]
    return ColumnRecord(
        name=name,
        explanation="A column of known numbers.",
        setting=setting,
        flips=flips,
        iterations=20,
        trials=1,
        methods=METHODS,
    )


def make_run(method: str, column: ColumnRecord, seed: int, **changes: object) -> StudyRun:
    """Ends at the method's level, which the seed moves for all alike; flips cost pos-ap most."""
    test = LEVEL[method] + 0.02 * seed - (0.2 * column.flips if method == "pos-ap" else 0.0)
    peak = test + (0.1 if method == "per-ap" else 0.0)
    history = schema.History(
        iteration=[0, 10, 20],
        train=[0.2, peak, test],
        validation=[0.2, peak, test - column.flips],
        test=[0.2, peak, test],
        loss=[1.0, 0.5, 0.4],
        spread=[1.0, 2.0, 4.0],
        zero_gradient=[0.0, 0.5, 0.0],
    )
    return StudyRun.model_validate(
        {
            "method": method,
            "column": column.name,
            "seed": seed,
            "settings": {"learning_rate": 0.1, "epsilon": None, "l2": 0.0},
            "validation": test - column.flips,
            "test": test,
            "test_peak": peak,
            "spread_final": 4.0,
            "seconds": 1.0,
            "history": history,
            "chosen_by": ["training", "validation"],
            "accuracy": [0.8, 0.85, 0.9],
            "accuracy_flipped": [0.8, 0.85, 0.9],
            **changes,
        }
    )


COLUMNS = [column("fair"), column("bias-free"), column("fair, 40 % flips", 0.4)]


@pytest.fixture(scope="module")
def study() -> StudyResults:
    runs = [make_run(m, c, seed) for m, c, seed in product(METHODS, COLUMNS, SEEDS)]
    return StudyResults(
        title="Known numbers <&>",
        command=["directloss", "experiment", "synthetic"],
        created="2026-03-01T12:30:00+02:00",
        versions={"torch": "2.14.1"},
        configuration={"note": "</script>"},
        columns=COLUMNS,
        methods=METHODS,
        runs=runs,
        trials=[],
        claims=judge("synthetic", COLUMNS, runs),
    )


def claim(study: StudyResults, name: str) -> Claim:
    return next(each for each in study.claims if each.name == name)


def test_a_claim_that_holds_everywhere(study: StudyResults) -> None:
    found = claim(study, "figure 3, cross-entropy")
    assert found.verdict == "holds"
    assert [each.column for each in found.differences] == ["fair", "bias-free"]
    for each in found.differences:
        # What the seed moves is common to both sides and does not widen the interval.
        assert (each.mean, each.low, each.high) == pytest.approx((0.03, 0.03, 0.03))


def test_a_claim_that_holds_nowhere(study: StudyResults) -> None:
    found = claim(study, "label noise, training")
    assert found.verdict == "does not hold"
    assert found.differences[0].mean == pytest.approx(0.93 - 0.08 - 0.90)
    assert found.differences[0].column == "fair, 40 % flips"


def test_the_best_of_the_others_is_named(study: StudyResults) -> None:
    found = claim(study, "figure 3, best")
    assert {each.right for each in found.differences} == {"hinge-ap"}
    assert found.differences[0].mean == pytest.approx(0.02)


def test_a_fall_is_measured_from_the_own_peak(study: StudyResults) -> None:
    found = claim(study, "figure 3, instability")
    assert found.differences[0].mean == pytest.approx(0.1)
    assert found.verdict == "holds"


def test_claims_about_missing_methods_are_left_out(study: StudyResults) -> None:
    names = {each.name for each in study.claims}
    assert "figure 3, 0-1 loss" not in names
    assert "not in the paper: modern" not in names
    assert len({s.name for s in STATEMENTS["synthetic"]}) == len(STATEMENTS["synthetic"])


def test_a_single_seed_judges_nothing(study: StudyResults) -> None:
    single = [run for run in study.runs if run.seed == 0 or run.column == "fair"]
    judged = judge("synthetic", COLUMNS, single)
    assert {each.column for found in judged for each in found.differences} == {"fair"}
    none = judge("synthetic", COLUMNS, [run for run in study.runs if run.seed == 0])
    assert none == []
    assert "None can be judged" in render(study.model_copy(update={"claims": none}), {})


def difference(name: str, holds: bool, left: str = "a") -> Difference:
    return Difference(
        column=name, measure="final", left=left, right="b", mean=0, low=0, high=0, holds=holds
    )


def test_a_verdict_names_where_a_claim_holds() -> None:
    assert verdict([difference("x", True), difference("y", True)]) == "holds"
    assert verdict([difference("x", False)]) == "does not hold"
    some = [difference("x", False), difference("y", True), difference("z", True)]
    assert verdict(some) == "holds only in: y; z"
    pairs = [difference("x", True), difference("x", False, left="c")]
    assert verdict(pairs) == "holds only in: x (a against b)"


def test_the_bootstrap_interval_is_that_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    low, high = interval_of_mean(values.tolist())
    error = values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)
    assert interval_of_mean([0.5]) == (0.5, 0.5)


def test_signs_are_shown() -> None:
    each = difference("x", True).model_copy(update={"mean": 0.0123, "low": -0.5, "high": 1.0})
    assert points(each) == "+1.23 [\N{MINUS SIGN}50.00, +100.00]"


def test_tables_show_the_means(study: StudyResults) -> None:
    results = view.average_precision(study, "training")
    for row in results.table.rows:
        for cell, record in zip(row.cells, COLUMNS, strict=True):
            values = [make_run(row.method, record, seed).test for seed in SEEDS]
            assert cell.mean == pytest.approx(fmean(values))
            assert cell.best == (row.method == ("hinge-ap" if record.flips else "pos-ap"))
    right = view.accuracy(study, "training")
    assert {cell.mean for row in right.table.rows for cell in row.cells} == {0.9}


def test_curves_hold_accuracy_beside_average_precision(study: StudyResults) -> None:
    kinds = view.quantities(study, "training")
    data = plot_data_of(kinds, [record.name for record in COLUMNS])
    assert [each["key"] for each in data["quantities"]] == [
        "test",
        "accuracy",
        "spread",
        "zero_gradient",
    ]
    assert data["curves"]["accuracy"][0][0]["y"] == [80, 85, 90]
    assert data["curves"]["test"][0][3]["y"][-1] == pytest.approx(97.0)


def test_a_diverged_run_counts_with_its_rating(study: StudyResults) -> None:
    empty = schema.History(**{name: [] for name in schema.History.model_fields})
    lost = make_run("pos-ap", COLUMNS[0], 0, test=0.2, history=empty, diverged=True, accuracy=[])
    runs = [
        lost if (r.method, r.column, r.seed) == ("pos-ap", "fair", 0) else r for r in study.runs
    ]
    changed = study.model_copy(update={"runs": runs})
    entry = next(e for e in behind(changed) if (e.method, e.column) == ("pos-ap", "fair"))
    assert entry.diverged == 1
    assert entry.growth == pytest.approx(4 ** (4 / 5))
    row = next(
        r for r in view.average_precision(changed, "training").table.rows if r.method == "pos-ap"
    )
    assert row.cells[0].mean < 0.93
    column_figure(changed, "fair", "light")


def test_what_lies_behind_the_means(study: StudyResults) -> None:
    entry = next(e for e in behind(study) if (e.method, e.column) == ("per-ap", "bias-free"))
    assert entry.peak - entry.final == pytest.approx(0.1)
    assert (entry.growth, entry.dead) == (pytest.approx(4.0), pytest.approx(0.25))


def test_lines_of_label_noise(study: StudyResults) -> None:
    assert [each.flips for each in noise_columns(study)] == [0.0, 0.4]
    lines = noise_lines(study, study.runs, flipped_test=True)
    assert lines["logistic"].mean == pytest.approx([0.94, 0.94 - 0.4])
    assert lines["logistic"].low == pytest.approx([0.90, 0.5])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_have_axes_with_units_and_all_methods(study: StudyResults, scheme: str) -> None:
    for figure in (column_figure(study, "fair", scheme), noise_figure(study, scheme)):  # type: ignore[arg-type]
        text = encoded(figure, ".svg").decode()
        ElementTree.fromstring(text)
        for words in (*METHODS, "test average precision (%)"):
            assert words in text


def test_the_page_says_it_all(study: StudyResults) -> None:
    pictures = {"light": "data:image/svg+xml;base64,AAAA", "dark": "data:image/svg+xml;base64,BBBB"}
    page = render(study, pictures)
    assert "Known numbers &lt;&amp;&gt;" in page
    for each in study.claims:
        assert each.words in page
        assert all(points(one) in page for one in each.differences)
    assert all(uri in page for uri in pictures.values())
    assert "Label noise" not in render(study, {})


def test_a_narrow_page_scrolls_the_picture(study: StudyResults) -> None:
    page = render(study, {"light": "data:image/svg+xml,A", "dark": "data:image/svg+xml,B"})
    figure = page[page.index('<figure class="picture">') : page.index("</picture>")]
    assert 'role="region" aria-label="Figure of label noise" tabindex="0"' in figure
    assert "max(100%, 44rem)" in page, "a legend shrunk to a telephone cannot be read"


def test_file_names_are_plain() -> None:
    assert file_name("fair, 20 % flips") == "fair-20-flips"
    assert file_name("large step + momentum") == "large-step-momentum"
