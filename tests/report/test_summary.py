from __future__ import annotations

import math

import pytest

from directloss.report import summary
from directloss.report.names import glossary
from directloss.report.schema import Results
from tests.report.conftest import COLUMNS


def test_what_was_run(results: Results) -> None:
    assert summary.what_was_run(results) == (
        "3 methods on 2 columns with 3 seeds: 18 training runs, each with the settings that were "
        "best on validation data in 4 trials."
    )


def test_choices_that_differ_between_seeds_are_all_told(results: Results) -> None:
    chosen = summary.choice(results, "pos-ap", COLUMNS[0])
    assert chosen == summary.Choice(learning_rate="0.03, 0.1", epsilon="1", l2="0.0001")
    without = summary.choice(results, "logistic", COLUMNS[0])
    assert without is not None and without.epsilon is None
    assert summary.choice(results, "neg-ap", COLUMNS[0]) is None


def test_method_summaries(results: Results) -> None:
    runs = [run for run in results.runs if run.method == "pos-ap"]
    line = next(line for line in summary.method_summaries(results) if line.method == "pos-ap")
    assert line.peak == pytest.approx(sum(run.test_peak for run in runs) / len(runs))
    logs = [math.log(run.spread_final) for run in runs]
    assert line.spread == pytest.approx(math.exp(sum(logs) / len(logs)))
    assert line.diverged == 0


def test_warnings_are_counted(results: Results) -> None:
    assert summary.warnings(results) == [("hinge-01: the scores collapsed", 2)]


def test_glossary_explains_what_occurs_and_no_more() -> None:
    assert [part for part, _ in glossary(["logistic", "pos-ap", "magic-ndcg"])] == [
        "logistic",
        "pos-",
        "-ap",
    ]
    bare = [part for part, _ in glossary(["logistic", "listnet", "pos", "mix"])]
    assert set(bare) == {"logistic", "listnet", "pos", "mix"}
