"""A study as the results of a comparison, which tables and curves are drawn from."""

from __future__ import annotations

from statistics import fmean

from directloss.paper.synthetic.results import Rule, StudyResults, StudyRun
from directloss.report import curves, schema
from directloss.study.table import cells_of, values_of


def average_precision(study: StudyResults, rule: Rule) -> schema.Results:
    """Test average precision of the runs that a rule has chosen; a column a column."""
    return _results(study, list(study.chosen(rule)), "average precision")


def accuracy(study: StudyResults, rule: Rule) -> schema.Results:
    """The same for the accuracy on the held-out half, at the threshold of the training half."""
    return _results(study, [_accurate(run) for run in study.chosen(rule)], "accuracy")


def quantities(study: StudyResults, rule: Rule) -> list[tuple[curves.Quantity, schema.Results]]:
    """What is drawn against the iteration, each with the results that hold it."""
    ap, accurate = average_precision(study, rule), accuracy(study, rule)
    test, spread, zero_gradient = curves.quantities(ap)
    right = curves.Quantity(
        "accuracy",
        "Test accuracy",
        f"test accuracy{curves.unit(accurate)}",
        "The share of right decisions at the threshold that is best on the training half: a "
        "ranking loss leaves the offset of the scores open.",
        log=False,
        series="test",
    )
    return [(test, ap), (right, accurate), (spread, ap), (zero_gradient, ap)]


def _accurate(run: StudyRun) -> StudyRun:
    # A run that diverged is rated as a constant model, which calls nothing positive.
    final = run.accuracy[-1] if run.accuracy and not run.diverged else 0.0
    history = run.history.model_copy(update={"test": run.accuracy})
    return run.model_copy(
        update={"history": history, "test": final, "test_peak": max(run.accuracy, default=final)}
    )


def _results(study: StudyResults, runs: list[StudyRun], metric: str) -> schema.Results:
    columns = [column.name for column in study.columns]
    # Settings are not there to be averaged; the page does not show it.
    rows = [
        schema.Row(
            method=method,
            cells=cells,
            average=schema.Average(mean=fmean(c.mean for c in cells), std=None, best=False),
        )
        for method, cells in cells_of(values_of(runs), study.methods, columns).items()
    ]
    return schema.Results(
        title=study.title,
        command=study.command,
        created=study.created,
        versions=study.versions,
        configuration=study.configuration,
        metric=schema.Metric(name=metric),
        columns=columns,
        methods=study.methods,
        runs=list(runs),
        trials=list(study.trials),
        table=schema.Table(rows=rows),
    )
