"""Writes docs/results/tables.md, its pictures and its archive from the cells of a study.

    PYTHONPATH=. python docs/results/tables.py [RUN]

RUN is the output folder of `directloss study tables`; without it the archive is read.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from benchmarks import archive
from benchmarks.figures import SETTINGS, Interval, draw_intervals, save
from benchmarks.markdown import listed, render
from directloss.report.tables import markdown
from directloss.study.tables.answers import (
    BOOSTING,
    CROSS_ENTROPY,
    TUNED,
    Case,
    Difference,
    Results,
    difference,
)
from directloss.study.tables.methods import FAMILY, METHODS
from directloss.study.tables.metrics import METRICS
from directloss.study.tables.sources import FOLDER, SOURCES

HERE = Path(__file__).parent
PAGE = HERE / "tables.md"
ARCHIVE = archive.path_of("tables")
MODELS = {
    0: "Linear models",
    16: "Perceptrons, 16 hidden units",
    64: "Perceptrons, 64 hidden units",
}
REFINE = "refine"
COMPARED = [name for name in METHODS if name != CROSS_ENTROPY and name not in FAMILY]
FAR = 80.0
"""A training metric of cross-entropy below this is far from 100."""

NEAR = 5.0
"""A validation metric within so many points of the training one is near."""

BINS = (0.0, 40.0, 60.0, 80.0, 99.0, 100.1)


Pairs = list[tuple[Case, float]]
"""Cases with a gain."""


def signed(value: float) -> str:
    """With its sign, two places."""
    return f"{value:+.2f}"


def words(found: Difference, *, record: bool = True) -> str:
    """A difference as a cell of a table; bold where it is resolved."""
    mean = f"**{signed(found.mean)}**" if found.resolved else signed(found.mean)
    text = f"{mean} [{signed(found.low)}, {signed(found.high)}]"
    return f"{text} {found.wins}/{found.ties}/{found.losses}" if record else text


def difference_of(pairs: Pairs) -> Difference | None:
    """The mean gain of cases, by table; None where there are none."""
    by_table: dict[str, list[float]] = {}
    for case, gain in pairs:
        by_table.setdefault(case.table, []).append(gain)
    return difference(by_table) if by_table else None


class Page:
    """The page of a study.

    Args:
        files: of the archive, by name.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.listing = json.loads(files["tables.json"])
        self.configuration = json.loads(files["configuration.json"])
        cells = {
            name.removeprefix("cells/"): content
            for name, content in files.items()
            if name.startswith("cells/")
        }
        self.results = Results(cells)
        self.hidden = [
            hidden for hidden in MODELS if self.results.cases(hidden, next(iter(METRICS)))
        ]

    def gain(self, hidden: int, metric: str) -> Difference:
        """Of refinement over cross-entropy, three times."""
        cases = self.results.cases(hidden, metric)
        return difference(self.results.differences(REFINE, TUNED, cases))

    def answer(self) -> str:
        """What was found, in two sentences and a list."""
        tables = len({case.table for case in self.results.runs[CROSS_ENTROPY]})
        every = [(h, m, self.gain(h, m)) for h in self.hidden for m in METRICS]
        ahead = [f"{m} ({name(h)}) {words(d, record=False)}" for h, m, d in every if d.low > 0.0]
        behind = [f"{m} ({name(h)}) {words(d, record=False)}" for h, m, d in every if d.high < 0.0]
        first = (
            f"On {tables} real tables, refinement with the metric is resolved better than "
            f"cross-entropy with three times its settings in {len(ahead)} of {len(every)} pairs of "
            f"metric and model, and resolved worse in {len(behind)}."
        )
        parts = [f"Better: {'; '.join(ahead)}."] if ahead else []
        parts += [f"Worse: {'; '.join(behind)}."] if behind else []
        ruled = {metric: difference_of(self.ruled(metric)[0]) for metric in METRICS}
        found = [f"{m} {words(d, record=False)}" for m, d in ruled.items() if d and d.resolved]
        where = "Where the rule below says that the model is too small for the truth"
        gain = f"a difference is resolved in {'; '.join(found)}" if found else "none is, either"
        return " ".join([first, *parts, f"{where}, {gain}."])

    def model(self, hidden: int) -> dict[str, str]:
        """The table of a model: a row a method and a metric, both baselines."""
        rows = []
        for metric in METRICS:
            cases = self.results.cases(hidden, metric)
            for method in [TUNED, *COMPARED]:
                columns = []
                for other in (CROSS_ENTROPY, TUNED):
                    found = self.results.differences(method, other, cases)
                    same = not found or method == other
                    columns.append("–" if same else words(difference(found)))
                if set(columns) != {"–"}:
                    rows.append([metric, method, *columns])
        heads = ["metric", "method", "less cross-entropy", "less cross-entropy, three times"]
        return {"name": MODELS[hidden], "table": markdown(heads, rows, left=2)}

    def pairs(self, metric: str) -> Pairs:
        """Cases of all models with the gain of refinement over the tuned family."""
        runs = self.results.runs
        return [
            (case, runs[REFINE][case].test - runs[TUNED][case].test)
            for hidden in self.hidden
            for case in self.results.cases(hidden, metric)
        ]

    def fit(self, case: Case) -> float:
        """Cross-entropy's training metric."""
        train = self.results.runs[CROSS_ENTROPY][case].train
        assert train is not None, "the study records it for cross-entropy"
        return train

    def bins(self) -> str:
        """The gain by cross-entropy's training metric, all models together."""
        heads = ["cross-entropy's training metric", *METRICS]
        rows = []
        for low, high in pairwise(BINS):
            row = [f"{low:.0f} to {min(high, 100.0):.0f}"]
            for metric in METRICS:
                inside = [p for p in self.pairs(metric) if low <= self.fit(p[0]) < high]
                row.append(self._mean(inside))
            rows.append(row)
        return markdown(heads, rows)

    def _mean(self, pairs: Pairs) -> str:
        found = difference_of(pairs)
        return "–" if found is None else f"{words(found, record=False)} ({found.tables})"

    def when(self) -> str:
        """Rank correlations of the gain with what may explain it."""
        facts = self.listing["tables"]
        rows = []
        for metric in METRICS:
            pairs = self.pairs(metric)
            gains = [gain for _, gain in pairs]
            linear = [(case, gain) for case, gain in pairs if case.hidden == 0]
            columns = {
                "training metric": [self.fit(case) for case, _ in pairs],
                "positives": [facts[case.table]["positives"] for case, _ in pairs],
                "columns": [facts[case.table]["columns"] for case, _ in pairs],
            }
            row = [metric]
            row += [correlation(values, gains) for values in columns.values()]
            runs = self.results.runs
            behind = [runs[BOOSTING][case].test - runs[TUNED][case].test for case, _ in linear]
            row.append(correlation(behind, [gain for _, gain in linear]))
            rows.append(row)
        heads = [
            "metric",
            "training metric",
            "positives",
            "columns",
            "boosting ahead (linear models)",
        ]
        return (
            "Spearman's rank correlation of the gain over the tuned family with cross-entropy's "
            "training metric, the positives, the columns, and, for linear models, with how far "
            f"gradient boosting is ahead of cross-entropy:\n\n{markdown(heads, rows)}"
        ).rstrip()

    def ruled(self, metric: str) -> tuple[Pairs, Pairs]:
        """The cases for which the rule says refine, and the others."""
        pairs, runs = self.pairs(metric), self.results.runs[CROSS_ENTROPY]
        inside = [
            (case, gain)
            for case, gain in pairs
            if self.fit(case) < FAR and self.fit(case) - runs[case].validation < NEAR
        ]
        return inside, [pair for pair in pairs if pair not in inside]

    def rule_test(self) -> str:
        """The rule: a gain where the training metric is far from 100, and validation near it."""
        rows = [[metric, *map(self._mean, self.ruled(metric))] for metric in METRICS]
        heads = ["metric", "the rule says refine", "the rule says no"]
        return (
            "**The rule, tested**: refine where cross-entropy's training metric is below "
            f"{FAR:.0f} and less than {NEAR:.0f} points above validation's (models too small for "
            "the truth); in brackets the number of tables that have such cases.\n\n"
            f"{markdown(heads, rows)}"
        ).rstrip()

    def boosted(self) -> str:
        """The line of reference."""
        parts = []
        for metric in METRICS:
            cases = [c for c in self.results.cases(0, metric) if c in self.results.runs[BOOSTING]]
            found = difference(self.results.differences(BOOSTING, TUNED, cases))
            parts.append(f"{metric} {words(found, record=False)}")
        return (
            "**Gradient boosting** (scikit-learn's `HistGradientBoostingClassifier` as it comes) "
            f"less tuned cross-entropy on a linear model: {'; '.join(parts)}. Where trees may be "
            "used they are the first thing to try."
        )

    def tables(self) -> str:
        """A row a table, linear models."""
        rows = []
        for name_, facts in self.listing["tables"].items():
            row = [name_, facts["rows"], facts["columns"], facts["positives"], facts["positive"]]
            for metric in ("AP", "F1"):
                cases = [c for c in self.results.cases(0, metric) if c.table == name_]
                runs = self.results.runs
                for method in (TUNED, REFINE, BOOSTING):
                    row.append(
                        f"{fmean(runs[method][c].test for c in cases):.1f}" if cases else "–"
                    )
            rows.append(row)
        heads = ["table", "rows", "columns", "positives", "positive is"]
        heads += [f"{m}: {k}" for m in ("AP", "F1") for k in ("tuned", "refine", "boosting")]
        return (
            "Linear models, mean test metric over the splits; *tuned* is cross-entropy, three "
            f"times.\n\n{markdown(heads, rows, left=1)}"
        ).rstrip()

    def intervals(self) -> Figure:
        """Refinement less the tuned family, a panel a model."""
        figure = Figure(figsize=(3.2 * len(self.hidden) + 1.0, 2.0), layout="constrained")
        panels = figure.subplots(1, len(self.hidden), sharey=True, sharex=True, squeeze=False)[0]
        for axes, hidden in zip(panels, self.hidden, strict=True):
            found = {metric: self.gain(hidden, metric) for metric in METRICS}
            draw_intervals(
                axes, [Interval(m, d.mean, d.low, d.high) for m, d in found.items()], zero=0.0
            )
            axes.set_title(MODELS[hidden], fontsize=9, loc="left")
        return figure

    def scatter(self) -> Figure:
        """The gain against cross-entropy's training metric, a dot a table and model."""
        metrics = ("AP", "partial AUC", "F1")
        figure = Figure(figsize=(9.6, 2.8), layout="constrained")
        panels = figure.subplots(1, len(metrics), squeeze=False)[0]
        for axes, metric in zip(panels, metrics, strict=True):
            for hidden, mark in zip(self.hidden, "o^s", strict=False):
                dots: dict[str, list[tuple[float, float]]] = {}
                for case, gain in self.pairs(metric):
                    if case.hidden == hidden:
                        dots.setdefault(case.table, []).append((self.fit(case), gain))
                means = [np.mean(each, axis=0) for each in dots.values()]
                axes.plot(*np.transpose(means), mark, markersize=4, alpha=0.7, label=name(hidden))
            axes.axhline(0.0, color="black", linewidth=0.8)
            axes.set_title(metric, fontsize=9, loc="left")
            axes.set_xlabel("cross-entropy's training metric")
        panels[0].set_ylabel("gain on test")
        panels[0].legend(fontsize=8, frameon=False)
        return figure

    def ranks(self) -> Figure:
        """Average ranks on linear models, with the critical difference."""
        figure = Figure(figsize=(11.0, 3.4), layout="constrained")
        panels = figure.subplots(1, len(METRICS), squeeze=False)[0]
        for axes, metric in zip(panels, METRICS, strict=True):
            ranks, reach = self._ranks(metric)
            ordered = sorted(ranks, key=ranks.__getitem__)
            for line, method in enumerate(ordered):
                axes.plot(ranks[method], line, "o", color="#0969da", markersize=4)
            best = ranks[ordered[0]]
            axes.plot([best, best + reach], [-0.7, -0.7], color="black", linewidth=2)
            axes.set_yticks(range(len(ordered)), ordered, fontsize=6)
            axes.set_ylim(len(ordered) - 0.5, -1.2)
            axes.set_title(metric, fontsize=8, loc="left")
        return figure

    def _ranks(self, metric: str) -> tuple[dict[str, float], float]:
        cases = self.results.cases(0, metric)
        methods = [
            method
            for method in (CROSS_ENTROPY, TUNED, *COMPARED)
            if all(case in self.results.runs[method] for case in cases)
        ]
        tables = sorted({case.table for case in cases})
        means = np.array(
            [
                [
                    fmean(self.results.runs[m][case].test for case in cases if case.table == table)
                    for m in methods
                ]
                for table in tables
            ]
        )
        ranks = stats.rankdata(-means, axis=1).mean(0)
        k, n = len(methods), len(tables)
        quantile = float(stats.studentized_range.ppf(0.95, k, np.inf)) / np.sqrt(2.0)
        return dict(zip(methods, ranks.tolist(), strict=True)), quantile * np.sqrt(
            k * (k + 1) / (6.0 * n)
        )

    def text(self) -> str:
        """The whole page."""
        rule = self.configuration["rule"]
        runs = self.results.runs[CROSS_ENTROPY]
        splits = {h: len({c.split for c in runs if c.hidden == h}) for h in self.hidden}
        settings = self.configuration["settings"]
        folder = {source.name for source in SOURCES if source.place == FOLDER}
        kept = self.listing["tables"]
        left_out = {n: why for n, why in self.listing["left out"].items() if n not in rule["pilot"]}
        values: dict[str, Any] = {
            "answer": self.answer(),
            "picture": "tables.svg",
            "when_picture": "tables-when.svg",
            "ranks_picture": "tables-ranks.svg",
            "kept": len(kept),
            "sources": len(SOURCES),
            "rule": rule,
            "lowest": f"{100 * rule['shares'][0]:g}",
            "highest": f"{100 * rule['shares'][1]:g}",
            "most_top": f"{100 * rule['most top']:g}",
            "steps": self.configuration["steps"],
            "every": self.configuration["every"],
            "switch": f"{100 * self.configuration['switch']:g}",
            "noise": f"{self.configuration['noise']:g}",
            "most_pairs": f"{self.configuration['most pairs']:,}",
            "settings": len(settings),
            "rates": listed(sorted({f"{rate:g}" for rate, _ in settings}, key=float)),
            "l2": listed(sorted({f"{l2:g}" for _, l2 in settings}, key=float)),
            "left_out": "; ".join(f"{n} ({why})" for n, why in left_out.items()),
            "pilot": listed(rule["pilot"]),
            "finished": "Finished: "
            + "; ".join(f"{name(h)}, {count} splits" for h, count in splits.items())
            + ".",
            "won_note": (
                "; with fewer than three splits no table is" if min(splits.values()) < 3 else ""
            ),
            "models": [self.model(hidden) for hidden in self.hidden],
            "smooth_tables": len({c.table for c in self.results.runs["Smooth-AP"]}),
            "when": self.when(),
            "bins": self.bins().rstrip(),
            "rule_test": self.rule_test(),
            "boosted": self.boosted(),
            "tables": self.tables(),
            "without": len(kept.keys() - folder),
            "citation": archive.citation(ARCHIVE, PAGE),
        }
        return render(HERE / "tables.md.jinja", **values)


def name(hidden: int) -> str:
    """A model in few words."""
    return f"{hidden} hidden units" if hidden else "linear"


def correlation(values: list[float], gains: list[float]) -> str:
    """Spearman's, over cases; – where all values are one."""
    if len(set(values)) < 2 or len(set(gains)) < 2:
        return "–"
    return signed(float(stats.spearmanr(values, gains).statistic))


def collect(run: Path) -> dict[str, bytes]:
    """The files of a study that belong to its archive: splits that all tables have."""
    files = {each: (run / each).read_bytes() for each in ("tables.json", "configuration.json")}
    tables = json.loads(files["tables.json"])["tables"]
    cells = sorted((run / "cells").glob("*.json"))
    split_and_model = {cell: tuple(cell.stem.rsplit("-", 2)[1:]) for cell in cells}
    finished = Counter(split_and_model.values())
    for cell, place in split_and_model.items():
        if finished[place] == len(tables):
            files[f"cells/{cell.name}"] = cell.read_bytes()
    return files


def main(run: Path | None) -> None:
    """Writes the archive, where a run is given, and the page."""
    if run is not None:
        archive.write(ARCHIVE, collect(run))
    page = Page(archive.read(ARCHIVE))
    with mpl.rc_context(SETTINGS):
        save(page.intervals(), HERE / "tables.svg")
        save(page.scatter(), HERE / "tables-when.svg")
        save(page.ranks(), HERE / "tables-ranks.svg")
    PAGE.write_text(page.text(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
