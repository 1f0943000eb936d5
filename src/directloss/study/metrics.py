"""The metrics that a comparison can report, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import directloss as dl
from directloss.errors import ArgumentError
from directloss.study.thresholds import best_threshold
from directloss.training.methods import TaskFactory
from directloss.training.metric import Threshold


@dataclass(frozen=True)
class ReportedMetric:
    """A metric to choose settings by and to report.

    Attributes:
        words: its name in words.
        make_task: makes its task.
        decides: whether it rates decisions (score > 0) rather than an order. Then a threshold is
            fitted to the training part for every method alike: a ranking loss leaves the offset of
            the scores open, and cross-entropy puts it where F1, say, does not want it.
        graded: whether targets may be relevances instead of 0/1.
    """

    words: str
    make_task: TaskFactory
    decides: bool = False
    graded: bool = False

    def threshold(self) -> Threshold | None:
        """How to fit the threshold, for a metric that needs one."""
        return partial(best_threshold, self.make_task()) if self.decides else None


@dataclass(frozen=True)
class _Family:
    """A metric with a number in it: `NAME:NUMBER`, or `NAME` where there is a usual one."""

    words: str
    make_task: Callable[..., Any]
    number: Callable[[str], float]
    usual: float | None
    decides: bool = False
    graded: bool = False


_PLAIN: Mapping[str, ReportedMetric] = MappingProxyType(
    {
        "average-precision": ReportedMetric("average precision", dl.AveragePrecision),
        "accuracy": ReportedMetric("accuracy", dl.ZeroOne, decides=True),
        "f1": ReportedMetric("F1", dl.FBeta, decides=True),
        "jaccard": ReportedMetric("Jaccard index", dl.Jaccard, decides=True),
        "mcc": ReportedMetric("Matthews correlation", dl.MatthewsCorrelation, decides=True),
        "balanced-accuracy": ReportedMetric("balanced accuracy", dl.BalancedError, decides=True),
        "gmean": ReportedMetric("geometric mean of the two recalls", dl.GMean, decides=True),
        "roc-auc": ReportedMetric("area under the ROC curve", dl.ROCAUC),
        "reciprocal-rank": ReportedMetric("reciprocal rank", dl.ReciprocalRank),
        "r-precision": ReportedMetric("R-precision", dl.RPrecision),
        "ndcg": ReportedMetric("NDCG", dl.NDCG, graded=True),
    }
)
_FAMILIES: Mapping[str, _Family] = MappingProxyType(
    {
        "fbeta": _Family("F{}", dl.FBeta, float, None, decides=True),
        "average-precision": _Family("average precision at {}", dl.AveragePrecision, int, None),
        "ndcg": _Family("NDCG at {}", dl.NDCG, int, None, graded=True),
        "precision-at-k": _Family("precision at {}", dl.PrecisionAtK, int, None),
        "recall-at-k": _Family("recall at {}", dl.RecallAtK, int, None),
        "partial-auc": _Family("partial ROC AUC up to {}", dl.PartialAUC, float, 0.1),
        "bedroc": _Family("BEDROC, alpha {}", dl.BEDROC, float, 20.0),
    }
)
_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "acc": "accuracy",
        "ap": "average-precision",
        "auc": "roc-auc",
        "auroc": "roc-auc",
        "dice": "f1",
        "iou": "jaccard",
        "map": "average-precision",
        "mrr": "reciprocal-rank",
        "p": "precision-at-k",
        "pauc": "partial-auc",
        "precision": "precision-at-k",
        "r": "recall-at-k",
        "recall": "recall-at-k",
        "rr": "reciprocal-rank",
    }
)

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,18}\.?[0-9]{0,18}|\.[0-9]{1,18})(e[+-]?[0-9]{1,3})?")


def canonical_name(name: str) -> str:
    """The name that stands in tables and files for one that people type.

    Case does not count, `_` is `-`, `@` is `:`, and there are short forms: `AP`, `auc`, `ndcg@10`
    and `p@10` are `average-precision`, `roc-auc`, `ndcg:10` and `precision-at-k:10`. A number has
    one spelling, and none where it is the usual one: `bedroc:20.0` is `bedroc`. A name that is not
    known comes back without a complaint.
    """
    base, colon, text = name.strip().lower().replace("_", "-").replace("@", ":").partition(":")
    base = _ALIASES.get(base, base)
    family = _FAMILIES.get(base)
    if family is None or not _pattern(family).fullmatch(text):
        return f"{base}{colon}{text}"
    number = family.number(text)
    return base if number == family.usual else f"{base}:{_spelled(number)}"


def metric_named(name: str) -> ReportedMetric:
    """The metric of that name, such as `f1`, `fbeta:2`, `precision-at-k:10`, `p@10` or `bedroc`.

    Raises:
        ArgumentError: no such name, or a number that does not fit.
    """
    base, colon, text = canonical_name(name).partition(":")
    if not colon and base in _PLAIN:
        return _PLAIN[base]
    family = _FAMILIES.get(base)
    if family is None or not (colon or family.usual):
        raise ArgumentError("metric", repr(name), f"one of {metric_names()}")
    if colon and not _pattern(family).fullmatch(text):
        kind = "a whole number" if family.number is int else "a number"
        raise ArgumentError("metric", repr(name), f"{kind} behind {base!r}")
    try:
        number = family.number(text) if colon else family.usual or 0.0
        make_task = partial(family.make_task, number)
        make_task()
    except ValueError as error:
        raise ArgumentError("metric", repr(name), f"a fitting number: {error}") from error
    words = family.words.format(_spelled(number))
    return ReportedMetric(words, make_task, family.decides, family.graded)


def _pattern(family: _Family) -> re.Pattern[str]:
    return _WHOLE if family.number is int else _NUMBER


def _spelled(number: float) -> str:
    whole = isinstance(number, float) and number.is_integer() and abs(number) < 2**53
    return str(int(number)) if whole else str(number)


def metric_names() -> str:
    """All names but the short forms, for help and errors; NUMBER where one must be given."""
    numbered = [
        f"{name}:NUMBER" if family.usual is None else f"{name}[:NUMBER]"
        for name, family in _FAMILIES.items()
    ]
    return ", ".join([*_PLAIN, *numbered])
