"""`directloss experiment synthetic` and `linear`: Figures 3, 4 and 5 of the paper, label noise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directloss.cli._common import cores, items, one_line_errors, widths

if TYPE_CHECKING:
    from directloss.paper.synthetic.columns import Kind

Quick = Annotated[
    bool, typer.Option("--quick", help="Less of everything, in under two minutes: a trial run.")
]
Full = Annotated[bool, typer.Option("--full", help="Twenty seeds, as long as it takes.")]
SettingNames = Annotated[
    str | None, typer.Option(help="Separated by commas; all of them without it.")
]
MethodNames = Annotated[
    str | None, typer.Option(help="Separated by commas; all that a setting has without it.")
]
Flips = Annotated[
    str | None,
    typer.Option(help="Shares of flipped training labels, such as 0.1,0.4, or none; besides 0."),
]
Points = Annotated[int | None, typer.Option(help="Points; half train, half test.")]
Features = Annotated[int | None, typer.Option(help="Features of a point.")]
Seeds = Annotated[int | None, typer.Option(help="Repetitions: other data, other weights.")]
Trials = Annotated[int | None, typer.Option(help="Most settings to try for each method.")]
Iterations = Annotated[int | None, typer.Option(help="Full-batch steps.")]
Workers = Annotated[int | None, typer.Option(help="Processes; as many as cores by default.", min=1)]
Out = Annotated[Path | None, typer.Option(help="Output folder; runs/experiment-NAME by default.")]


def synthetic(
    quick: Quick = False,
    full: Full = False,
    settings: SettingNames = None,
    methods: MethodNames = None,
    flips: Flips = None,
    hidden: Annotated[
        str | None, typer.Option("--widths", help="Hidden layers of generator and student.")
    ] = None,
    positives: Annotated[float | None, typer.Option(help="Share of positives.")] = None,
    points: Points = None,
    features: Features = None,
    seeds: Seeds = None,
    trials: Trials = None,
    iterations: Iterations = None,
    workers: Workers = None,
    out: Out = None,
) -> None:
    """Labels by a random network: Figure 3 of the paper in three settings, and label noise.

    Settings: fair, literal, bias-free. Each method's learning rate and epsilon are tuned on data of
    their own and then reported on other seeds. The folder gets results.json, report.html and the
    figures as PNG and SVG. When interrupted, the same command resumes; the same command in a second
    terminal, or on more machines with a common folder, shares the work.
    """
    changes = {
        "settings": None if settings is None else items(settings),
        "methods": None if methods is None else items(methods),
        "flips": flips,
        "hidden": hidden,
        "positives": positives,
        "points": points,
        "features": features,
        "seeds": seeds,
        "trials": trials,
        "iterations": iterations,
    }
    _run("synthetic", quick, full, changes, workers, out)


def linear(
    quick: Quick = False,
    full: Full = False,
    settings: SettingNames = None,
    methods: MethodNames = None,
    flips: Flips = None,
    points: Points = None,
    features: Features = None,
    seeds: Seeds = None,
    trials: Trials = None,
    iterations: Iterations = None,
    workers: Workers = None,
    out: Out = None,
) -> None:
    """Labels by the sign of the sum of the features: Figures 4 and 5 of the paper.

    Settings: tuned, large step, large step + momentum; each without flips and with them. All else
    is as in `directloss experiment synthetic`.
    """
    changes = {
        "settings": None if settings is None else items(settings),
        "methods": None if methods is None else items(methods),
        "flips": flips,
        "points": points,
        "features": features,
        "seeds": seeds,
        "trials": trials,
        "iterations": iterations,
    }
    _run("linear", quick, full, changes, workers, out)


def _run(
    kind: Kind,
    quick: bool,
    full: bool,
    changes: Mapping[str, object],
    workers: int | None,
    out: Path | None,
) -> None:
    from rich.console import Console

    with one_line_errors("stopped; finished trials are kept: the same command resumes"):
        from directloss.errors import ArgumentError
        from directloss.paper.synthetic import profiles
        from directloss.paper.synthetic.config import StudyConfig
        from directloss.paper.synthetic.progress import StudyProgress
        from directloss.paper.synthetic.study import run_study
        from directloss.terminal import say

        if quick and full:
            raise ArgumentError("--quick", "--quick and --full", "one of them")
        base = (profiles.quick if quick else profiles.full if full else profiles.default)(kind)
        given = {name: value for name, value in changes.items() if value is not None}
        if "flips" in given:
            given["flips"] = _shares(str(given["flips"]))
        if "hidden" in given:
            given["hidden"] = widths(str(given["hidden"]))
        config = StudyConfig.model_validate(base.model_dump() | given)
        config.check()
        folder = out or Path("runs") / f"experiment-{kind}{'-quick' if quick else ''}"
        console = Console()
        with StudyProgress(console, config.columns()) as progress:
            results = run_study(
                config,
                folder,
                command=["directloss", *sys.argv[1:]],
                workers=cores() if workers is None else workers,
                on_trial=progress.on_trial,
            )
        from directloss.paper.synthetic.output import write_all

        page = write_all(results, folder)
        for claim in results.claims:
            console.print(f"[bold]{claim.name}[/]: {claim.words} → {claim.verdict}")
        say(console, f"report: {page.resolve()}")


def _shares(text: str) -> tuple[float, ...]:
    from directloss.errors import ArgumentError

    if text.strip().lower() == "none":
        return ()
    try:
        return tuple(float(share) for share in items(text))
    except ValueError:
        raise ArgumentError("--flips", repr(text), "shares such as 0.1,0.4, or none") from None
