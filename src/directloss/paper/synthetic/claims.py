"""The paper's claims about its synthetic data, judged by what was measured.

A claim is a difference between two methods, paired by seed: data, generator and initial weights
are the same on both sides. It holds in a setting where the 95 % bootstrap interval of the mean
difference lies above the claim's threshold; a verdict counts the settings in which it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

from directloss.paper.synthetic.candidates import PAPER
from directloss.paper.synthetic.config import Kind
from directloss.paper.synthetic.results import Claim, ColumnRecord, Difference, StudyRun
from directloss.study.bootstrap import interval_of_mean

LARGE_MARGIN = 0.02
AS_GOOD = 0.005
COLLAPSE = 0.05

Measure = Callable[[StudyRun], float]

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "final": lambda run: run.test,
        "flipped test labels": lambda run: run.validation,
        "mean over training": lambda run: fmean(run.history.test or [run.test]),
        "fall from the peak": lambda run: run.test_peak - run.test,
    }
)
"""What is compared, by name: average precision on the held-out half, unless the name says more."""


@dataclass(frozen=True)
class Statement:
    """A claim before it is judged.

    Attributes:
        name: a short handle.
        words: the claim, in our words.
        pairs: (left, right): left is claimed to be larger. "best of the others" stands for the
            other method of the paper's nine with the highest mean.
        where: which columns it speaks of.
        measure: a name of `MEASURES`.
        threshold: what the interval has to exceed.
    """

    name: str
    words: str
    pairs: tuple[tuple[str, str], ...]
    where: Callable[[ColumnRecord], bool]
    measure: str = "final"
    threshold: float = 0.0


BEST_OTHER = "best of the others"


def _clean(column: ColumnRecord) -> bool:
    return column.flips == 0


def _noisy(column: ColumnRecord) -> bool:
    return column.flips > 0


_NETWORK = (
    Statement(
        "figure 3, cross-entropy",
        "Direct AP loss in the positive direction gives a better test AP than cross-entropy.",
        (("pos-ap", "logistic"),),
        _clean,
    ),
    Statement(
        "figure 3, margin",
        "Direct AP loss in the positive direction beats cross-entropy by two points of 100 AP or "
        "more.",
        (("pos-ap", "logistic"),),
        _clean,
        threshold=LARGE_MARGIN,
    ),
    Statement(
        "figure 3, best",
        "Direct AP loss in the positive direction is the best of the nine methods.",
        (("pos-ap", BEST_OTHER),),
        _clean,
    ),
    Statement(
        "figure 3, hinge",
        "Direct AP loss in the positive direction is better than the structured hinge of AP.",
        (("pos-ap", "hinge-ap"),),
        _clean,
    ),
    Statement(
        "figure 3, directions",
        "With a network, the positive direction is better than the negative one.",
        (("pos-ap", "neg-ap"),),
        _clean,
    ),
    Statement(
        "figure 3, 0-1 loss",
        "Training on average precision is better than training on the 0-1 loss by the same update.",
        (("pos-ap", "pos-01"), ("neg-ap", "neg-01"), ("hinge-ap", "hinge-01")),
        _clean,
    ),
    Statement(
        "figure 3, perceptron",
        "The positive direction is better than the structured perceptron.",
        (("pos-ap", "per-ap"),),
        _clean,
    ),
    Statement(
        "figure 3, instability",
        "The structured perceptron is unstable: it falls from its own peak by five points of 100 "
        "AP more than the positive direction does.",
        (("per-ap", "pos-ap"),),
        _clean,
        "fall from the peak",
        COLLAPSE,
    ),
    Statement(
        "label noise, training",
        "With flipped training labels the positive direction is better than cross-entropy, on "
        "clean test labels.",
        (("pos-ap", "logistic"),),
        _noisy,
    ),
    Statement(
        "label noise, both",
        "With flipped training and test labels the positive direction is better than "
        "cross-entropy.",
        (("pos-ap", "logistic"),),
        _noisy,
        "flipped test labels",
    ),
    Statement(
        "label noise, directions",
        "Under label noise the positive direction is better than the negative one.",
        (("pos-ap", "neg-ap"),),
        _noisy,
    ),
    Statement(
        "not in the paper: control",
        "Under label noise the positive direction is better than cross-entropy with small initial "
        "scores and strong L2.",
        (("pos-ap", "logistic-regularised"),),
        _noisy,
    ),
    Statement(
        "not in the paper: modern",
        "Under label noise the positive direction is better than later losses for AP.",
        (("pos-ap", "smooth-ap"), ("pos-ap", "blackbox-ap")),
        _noisy,
    ),
)
_LINEAR = (
    Statement(
        "figure 4, end",
        "On a linear function without noise the negative direction ends at most half a point of "
        "100 AP below the positive one.",
        (("neg-ap", "pos-ap"),),
        _clean,
        threshold=-AS_GOOD,
    ),
    Statement(
        "figure 4, speed",
        "Without noise the negative direction learns as fast as the positive one: its mean AP over "
        "training is at most half a point of 100 lower.",
        (("neg-ap", "pos-ap"),),
        _clean,
        "mean over training",
        -AS_GOOD,
    ),
    Statement(
        "figure 5, end",
        "With flipped labels the positive direction is better than the negative one.",
        (("pos-ap", "neg-ap"),),
        _noisy,
    ),
    Statement(
        "figure 5, during training",
        "With flipped labels the positive direction is better over the whole of training.",
        (("pos-ap", "neg-ap"),),
        _noisy,
        "mean over training",
    ),
    Statement(
        "figure 5, perceptron",
        "With flipped labels the positive direction is better than the structured perceptron.",
        (("pos-ap", "per-ap"),),
        _noisy,
    ),
    Statement(
        "figure 5, cross-entropy",
        "With flipped labels the positive direction is better than cross-entropy.",
        (("pos-ap", "logistic"),),
        _noisy,
    ),
)
STATEMENTS: Mapping[Kind, tuple[Statement, ...]] = MappingProxyType(
    {"synthetic": _NETWORK, "linear": _LINEAR}
)


def judge(kind: Kind, columns: Sequence[ColumnRecord], runs: Sequence[StudyRun]) -> list[Claim]:
    """All claims that the methods at hand allow to judge, by settings chosen as in the paper.

    A column of a single seed judges nothing: its bootstrap interval would be a point.
    """
    chosen = [run for run in runs if "training" in run.chosen_by]
    seeds = {
        column.name: {run.seed for run in chosen if run.column == column.name} for column in columns
    }
    found = []
    for statement in STATEMENTS[kind]:
        differences = [
            _difference(statement, column.name, left, right, chosen)
            for column in columns
            if statement.where(column) and len(seeds[column.name]) > 1
            for left, right in statement.pairs
            if {left, right} <= {*column.methods, BEST_OTHER}
        ]
        if differences:
            words = statement.words
            found.append(
                Claim(
                    name=statement.name,
                    words=words,
                    differences=differences,
                    verdict=verdict(differences),
                )
            )
    return found


def verdict(differences: Sequence[Difference]) -> str:
    """Where a claim holds, in words."""
    several = len({(each.left, each.right) for each in differences}) > 1

    def place(each: Difference) -> str:
        return f"{each.column} ({each.left} against {each.right})" if several else each.column

    held = [place(each) for each in differences if each.holds]
    if len(held) == len(differences):
        return "holds"
    return f"holds only in: {'; '.join(held)}" if held else "does not hold"


def _difference(
    statement: Statement, column: str, left: str, right: str, runs: Sequence[StudyRun]
) -> Difference:
    measure = MEASURES[statement.measure]
    values: dict[str, dict[int, float]] = {}
    for run in runs:
        if run.column == column:
            values.setdefault(run.method, {})[run.seed] = measure(run)
    if right == BEST_OTHER:
        others = [name for name in PAPER if name in values and name != left]
        right = max(others, key=lambda name: fmean(values[name].values()))
    paired = [values[left][seed] - values[right][seed] for seed in sorted(values[left])]
    low, high = interval_of_mean(paired)
    return Difference(
        column=column,
        measure=statement.measure,
        left=left,
        right=right,
        mean=fmean(paired),
        low=low,
        high=high,
        holds=low > statement.threshold,
    )
