"""The two studies of `docs/paper.md`: their archive, and their numbers by method and column."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean, stdev

from benchmarks import archive
from benchmarks.markdown import listed
from directloss.paper.synthetic.page import points
from directloss.paper.synthetic.results import (
    Claim,
    ColumnRecord,
    Rule,
    StudyResults,
    StudyRun,
)
from directloss.paper.synthetic.summary import Behind, behind
from directloss.report.tables import markdown
from directloss.study.bootstrap import interval_of_mean

DOCS = Path(__file__).resolve().parents[1]
ARCHIVE = archive.path_of("synthetic")
RUNS = {"network": "experiment-synthetic", "linear": "experiment-linear"}
RESULTS, EARLIER = "results.json", "earlier.json"


@cache
def archived() -> dict[str, bytes]:
    """The files of the archive."""
    return archive.read(ARCHIVE)


def load(name: str) -> StudyResults:
    """The results of a study."""
    return StudyResults.model_validate_json(archived()[f"{name}/{RESULTS}"])


def final(run: StudyRun) -> float:
    """Test AP at the end, in points of 100."""
    return 100 * run.test


def flipped(run: StudyRun) -> float:
    """The same on flipped test labels."""
    return 100 * run.validation


def accurate(run: StudyRun) -> float:
    """Test accuracy at the end, in points of 100."""
    return 100 * run.accuracy[-1] if run.accuracy and not run.diverged else 0.0


def collapsed(run: StudyRun) -> bool:
    """Whether the scores end with a hundredth of their first spread or less."""
    spread = run.history.spread
    return bool(spread) and spread[-1] <= spread[0] / 100


@dataclass(frozen=True)
class Standing:
    """Columns in which one method is ahead of another, interval and all, or behind."""

    ahead: list[str]
    behind: list[str]

    def words(self) -> str:
        """The columns in words, by their share of flips."""
        ahead = f"ahead at {shares(self.ahead)} of flips" if self.ahead else "never ahead"
        return f"{ahead}, and behind at {shares(self.behind)}" if self.behind else ahead


class Study:
    """Numbers of a study by (method, column)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.results = load(name)
        self._behind = {(each.method, each.column): each for each in behind(self.results)}

    def values(
        self, method: str, column: str, rule: Rule = "training", measure=final
    ) -> list[float]:
        """One value a seed, in the order of the seeds."""
        runs = [
            run for run in self.results.chosen(rule) if (run.method, run.column) == (method, column)
        ]
        return [measure(run) for run in sorted(runs, key=lambda run: run.seed)]

    def mean(self, method: str, column: str, **how) -> float:
        """Mean over seeds."""
        return fmean(self.values(method, column, **how))

    def behind(self, method: str, column: str) -> Behind:
        """Peaks, growth of the spread, dead steps."""
        return self._behind[method, column]

    def column(self, name: str) -> ColumnRecord:
        """The record of a column."""
        return next(column for column in self.results.columns if column.name == name)

    def differences(self, left: str, right: str, column: str, **how) -> list[float]:
        """One difference a seed, in points of 100."""
        pairs = zip(
            self.values(left, column, **how), self.values(right, column, **how), strict=True
        )
        return [one - other for one, other in pairs]

    def difference(self, left: str, right: str, column: str, **how) -> str:
        """Mean difference with its interval, in points of 100."""
        return interval(self.differences(left, right, column, **how))

    def paired(self, left: str, right: str, column: str, **how) -> tuple[float, float, float]:
        """Mean difference and the ends of its interval, in points of 100."""
        found = self.differences(left, right, column, **how)
        return fmean(found), *interval_of_mean(found)

    def standing(self, other: str, columns: list[str], rule: Rule) -> Standing:
        """In which columns pos-ap is ahead of another method, and in which behind."""
        ends = {name: self.paired("pos-ap", other, name, rule=rule)[1:] for name in columns}
        return Standing(
            ahead=[name for name, (low, _) in ends.items() if low > 0],
            behind=[name for name, (_, high) in ends.items() if high < 0],
        )

    def table(self, columns: list[str], *, methods: list[str] | None = None, **how) -> str:
        """A row a method; mean and deviation over seeds, the best mean of a column in bold."""
        known = {name: self.column(name).methods for name in columns}
        rows = [
            method
            for method in methods or self.results.methods
            if any(method in each for each in known.values())
        ]
        best = {
            name: max(round(self.mean(m, name, **how), 1) for m in rows if m in known[name])
            for name in columns
        }

        def cell(method: str, name: str) -> str:
            if method not in known[name]:
                return "–"
            values = self.values(method, name, **how)
            mean = f"{fmean(values):.1f}"
            bold = f"**{mean}**" if float(mean) == best[name] else mean
            return f"{bold} ± {stdev(values):.1f}" if len(values) > 1 else bold

        return markdown(
            ["method", *columns], [[m, *(cell(m, name) for name in columns)] for m in rows]
        )

    def claims(self) -> str:
        """Claim, what was measured, verdict."""
        return markdown(
            ["claim, in our words", "measured, in points of 100", "holds"],
            [[claim.words, measured(claim), held(claim)] for claim in self.results.claims],
            left=3,
        )

    def chosen(self, method: str, column: str, rule: Rule = "training") -> str:
        """The chosen settings in words."""
        run = next(
            run for run in self.results.chosen(rule) if (run.method, run.column) == (method, column)
        )
        epsilon = run.settings.epsilon
        words = f"rate {run.settings.learning_rate:g}"
        words += "" if epsilon is None else f", epsilon {epsilon:g}"
        return words + (f", L2 {run.settings.l2:g}" if run.settings.l2 else "")

    def epsilon_over_spread(self, method: str, column: str) -> tuple[float, float]:
        """Before and after training, settings as in the paper; untrained scores have spread 1."""
        runs = [
            run
            for run in self.results.chosen("training")
            if (run.method, run.column) == (method, column)
        ]
        epsilon = runs[0].settings.epsilon
        assert epsilon is not None
        return epsilon, epsilon / self.behind(method, column).growth

    def shrunk(self, method: str) -> str:
        """How many of all reported runs collapsed."""
        runs = [run for run in self.results.runs if run.method == method]
        return f"{sum(collapsed(run) for run in runs)} of {len(runs)}"

    def difference_without_collapse(self, left: str, right: str, column: str) -> str:
        """As `difference`, settings as in the paper, but for seeds where `right` collapsed."""
        gone = self.values(right, column, measure=collapsed)
        pairs = zip(self.values(left, column), self.values(right, column), gone, strict=True)
        kept = [one - other for one, other, lost in pairs if not lost]
        return interval(kept) + (f", {len(kept)} of {len(gone)} seeds" if any(gone) else "")

    def seeds(self, column: str) -> str:
        """The reported seeds, in words."""
        found = sorted({run.seed for run in self.results.runs if run.column == column})
        return f"{found[0]} to {found[-1]}"

    def tuning_seeds(self) -> str:
        """The seeds that settings are chosen on."""
        return ", ".join(str(seed) for seed in sorted({t.seed for t in self.results.trials}))

    def earlier(self) -> dict:
        """The earlier run: its single runs, and its verdicts by claim."""
        return json.loads(archived()[f"{self.name}/{EARLIER}"])

    def apart(self) -> list[float]:
        """How far each run came out from that of the earlier run with the same settings."""
        before = {_settings_of(run): 100 * run["test"] for run in self.earlier()["runs"]}
        now = {_settings_of(run.model_dump()): final(run) for run in self.results.runs}
        return [abs(now[key] - before[key]) for key in now.keys() & before.keys()]

    def earlier_mean(self, method: str, column: str, rule: Rule = "training") -> float:
        """`mean` in the earlier run."""
        runs = [run for run in self.earlier()["runs"] if rule in run["chosen_by"]]
        return fmean(
            100 * run["test"] for run in runs if (run["method"], run["column"]) == (method, column)
        )

    def moved(self, left: str, right: str, rule: Rule = "training") -> float:
        """The most that a mean difference in the settings of the paper moved, in any column."""
        return max(
            abs(
                self.mean(left, name, rule=rule)
                - self.mean(right, name, rule=rule)
                - self.earlier_mean(left, name, rule)
                + self.earlier_mean(right, name, rule)
            )
            for name in (column.name for column in self.results.columns if not column.flips)
        )

    def turned(self) -> list[str]:
        """Claims whose verdict was another one, with both."""
        before = self.earlier()["verdicts"]
        return [
            f"“{claim.words}” Before: {before[claim.name]}. Now: {claim.verdict}."
            for claim in self.results.claims
            if claim.name in before and claim.verdict != before[claim.name]
        ]

    def command(self) -> str:
        """What made the results."""
        return shlex.join(self.results.command)


def _settings_of(run: dict) -> tuple:
    settings = tuple(sorted(item for item in run["settings"].items() if item[1] is not None))
    return run["method"], run["column"], run["seed"], settings


def interval(differences: list[float]) -> str:
    """Mean and 95 % bootstrap interval of paired differences in points of 100."""
    low, high = interval_of_mean(differences)
    text = f"{fmean(differences):+.1f} [{low:+.1f}, {high:+.1f}]"
    return text.replace("-", "\N{MINUS SIGN}")


def measured(claim: Claim) -> str:
    """The differences of a claim, pair by pair; those that support it are bold."""
    pairs: dict[str, list[str]] = {}
    for each in claim.differences:
        words = f"{each.column} {points(each)}"
        pair = f"{each.left} \N{MINUS SIGN} {each.right}"
        pairs.setdefault(pair, []).append(f"**{words}**" if each.holds else words)
    return "<br>".join(f"{pair}: {'; '.join(found)}" for pair, found in pairs.items())


def held(claim: Claim) -> str:
    """How many differences of a claim support it."""
    holds = sum(each.holds for each in claim.differences)
    return f"{holds} of {len(claim.differences)}"


def shares(names: list[str]) -> str:
    """The flips of columns such as "fair, 10 % flips", in words: "10 and 20 %"."""
    found = [name.rpartition(", ")[2].removesuffix(" % flips") for name in names]
    return f"{listed(found)} %"
