"""Writes `docs/paper.md` and its pictures from the results of the two studies.

    PYTHONPATH=. python docs/results/paper.py [RUNS]

RUNS holds the folders experiment-synthetic and experiment-linear as `directloss experiment` wrote
them; their results replace those in docs/archives/synthetic.tar.xz. Without RUNS the page is
written again from the archive.
The words are in paper.md.jinja; every number of the page is computed from the archive, except for
the processor time, which no file holds. The archive also keeps an earlier run on another processor
(earlier.json), which shows the effect of rounding.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean, quantiles

import paper_pictures
from paper_study import (
    ARCHIVE,
    DOCS,
    RESULTS,
    RUNS,
    Study,
    accurate,
    archived,
    final,
    flipped,
)

from benchmarks import archive
from benchmarks.markdown import render
from directloss.paper.synthetic import profiles
from directloss.paper.synthetic.claims import judge
from directloss.paper.synthetic.figures import noise_columns
from directloss.paper.synthetic.results import (
    StudyResults,
    StudyRun,
)
from directloss.report.tables import markdown


def answer(network: Study, noisy: list[str]) -> str:
    """What the study found, in a few sentences."""
    mean, low, high = network.paired("pos-ap", "logistic", "fair")
    by_training = network.standing("logistic", noisy, "training")
    by_validation = network.standing("logistic", noisy, "validation")
    control = network.standing("logistic-regularised", noisy, "training")
    literal = network.differences("pos-ap", "logistic", "literal")
    failed = [run for run in lost(network) if (run.method, run.column) == ("logistic", "literal")]
    return " ".join(
        [
            "`pos-ap` is direct loss minimization of average precision (AP) in the positive "
            "direction; `logistic` is cross-entropy.",
            f"Without label noise and with equal tuning, pos-ap is {abs(mean):.1f} points of AP "
            f"{'ahead of' if mean > 0 else 'behind'} cross-entropy "
            f"(95 % interval {signed(low)} to {signed(high)}).",
            "With flipped training labels, and settings chosen by the training AP as in the "
            f"paper, it is {by_training.words()}.",
            f"With settings chosen on held-out data it is {by_validation.words()}.",
            "Against cross-entropy with small initial scores and strong L2, which is not in the "
            f"paper, it is {control.words()}.",
            "The paper's large margin appears only in its own setting, `literal` "
            f"({signed(fmean(literal))} points), where {len(failed)} of {len(literal)} runs of "
            "cross-entropy did not learn at all.",
        ]
    )


def signed(value: float) -> str:
    """A number with one decimal; its minus sign is typographic."""
    return f"{value:.1f}".replace("-", "\N{MINUS SIGN}")


def noise_table(network: Study, columns: list[str]) -> str:
    """How spread and epsilon of the two directions end under label noise."""
    rows = []
    for column in columns:
        for method in ("pos-ap", "neg-ap"):
            each = network.behind(method, column)
            end = network.epsilon_over_spread(method, column)[1]
            numbers = [f"{100 * each.final:.1f}", f"{100 * each.peak:.1f}"]
            numbers += [f"{each.growth:.3g}", f"{end:.2g}", network.chosen(method, column)]
            rows.append([f"{method}, {column}", *numbers])
    heads = ["", "final AP", "peak AP", "spread grows by", "final epsilon / spread", "chosen"]
    return markdown(heads, rows)


def behind_table(study: Study, column: str, methods: list[str]) -> str:
    """Final and peak AP, growth of the spread, share of dead steps."""
    rows = []
    for method in methods:
        each = study.behind(method, column)
        rows.append(
            [
                method,
                f"{100 * each.final:.1f}",
                f"{100 * each.peak:.1f}",
                f"{each.growth:.3g}",
                f"{100 * each.dead:.1f}",
                study.chosen(method, column),
            ]
        )
    heads = ["method", "final AP", "peak AP", "spread grows by", "dead steps (%)", "chosen"]
    return markdown(heads, rows)


def over_training(run: StudyRun) -> float:
    """Mean of the test AP over the history, in points of 100."""
    return 100 * fmean(run.history.test or [run.test])


def lost(study: Study, below: float = 30.0) -> list[StudyRun]:
    """Runs of methods that learn well on the tuning seed and did not learn at all on theirs."""
    good = {
        (trial.method, trial.column) for trial in study.results.trials if 100 * trial.train > 60
    }
    return [
        run
        for run in study.results.chosen("training")
        if (run.method, run.column) in good and final(run) < below
    ]


def spread_of(values: list[float]) -> dict[str, float]:
    """Their number, median, upper decile and largest."""
    return {
        "count": len(values),
        "half": quantiles(values, n=2)[0],
        "nine_tenths": quantiles(values, n=10)[-1],
        "most": max(values),
    }


def page(network: Study, linear: Study) -> str:
    """The whole of `docs/paper.md`."""
    return render(
        DOCS / "results" / "paper.md.jinja",
        network=network,
        linear=linear,
        settings=[column.name for column in network.results.columns if not column.flips],
        noise=[column.name for column in noise_columns(network.results)],
        lost=lost(network),
        apart=spread_of(network.apart()),
        citation=archive.citation(ARCHIVE, DOCS / "paper.md"),
        answer=answer,
        lost_in=lambda method, column: sum(
            (run.method, run.column) == (method, column) for run in lost(network)
        ),
        noise_table=noise_table,
        unrun=[
            f"{100 * share:g}"
            for share in profiles.default("synthetic").flips
            if share not in network.results.configuration["flips"]
        ],
        accurate=accurate,
        flipped=flipped,
        over_training=over_training,
        behind_table=behind_table,
    )


def take_over(runs: Path) -> None:
    """Puts the results of the two runs into the archive; their claims are judged again."""
    files = dict(archived())
    for name, run in RUNS.items():
        study = StudyResults.model_validate_json((runs / run / RESULTS).read_bytes())
        kind = study.configuration["kind"]
        claims = judge(kind, study.columns, study.runs)
        files[f"{name}/{RESULTS}"] = study.model_copy(update={"claims": claims}).to_json().encode()
    archive.write(ARCHIVE, files)
    archived.cache_clear()


def main(runs: Path | None) -> None:
    if runs is not None:
        take_over(runs)
    network, linear = Study("network"), Study("linear")
    paper_pictures.draw_all(network, linear, DOCS / "paper")
    (DOCS / "paper.md").write_text(page(network, linear), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
