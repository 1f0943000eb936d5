"""The metrics that a comparison can report, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from directloss import tasks
from directloss.errors import ArgumentError
from directloss.tasks._names import MetricName
from directloss.thresholds import fit_threshold
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
        return partial(_fit_threshold, self.make_task()) if self.decides else None


@dataclass(frozen=True)
class _Named:
    """A name, and the task that has it."""

    name: MetricName
    task: type[tasks.Task]


def _all_names() -> Iterator[_Named]:
    for exported in tasks.__all__:
        task = getattr(tasks, exported)
        for name in getattr(task, "names", ()):
            yield _Named(name, task)


_PLAIN = {each.name.name: each for each in _all_names() if each.name.number is None}
_NUMBERED = {each.name.name: each for each in _all_names() if each.name.number is not None}
_SHORT = {short: each.name.name for each in _all_names() for short in each.name.short}

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
    base = _SHORT.get(base, base)
    if base not in _NUMBERED or not _pattern(base).fullmatch(text):
        return f"{base}{colon}{text}"
    number = _number(base, text)
    return base if number == _NUMBERED[base].name.usual else f"{base}:{_spelled(number)}"


def metric_named(name: str) -> ReportedMetric:
    """The metric of that name, such as `f1`, `fbeta:2`, `precision-at-k:10`, `p@10` or `bedroc`.

    Raises:
        ArgumentError: no such name, or a number that does not fit.
    """
    base, colon, text = canonical_name(name).partition(":")
    if not colon and base in _PLAIN:
        plain = _PLAIN[base]
        return _reported(plain.name.words, plain.task, plain.task)
    numbered = _NUMBERED.get(base)
    if numbered is None or not (colon or numbered.name.usual):
        raise ArgumentError("metric", repr(name), f"one of {metric_names()}")
    if colon and not _pattern(base).fullmatch(text):
        kind = "a whole number" if numbered.name.number is int else "a number"
        raise ArgumentError("metric", repr(name), f"{kind} behind {base!r}")
    try:
        number = _number(base, text) if colon else numbered.name.usual or 0.0
        make_task: TaskFactory = partial(numbered.task, number)
        make_task()
    except ValueError as error:
        raise ArgumentError("metric", repr(name), f"a fitting number: {error}") from error
    return _reported(numbered.name.words.format(_spelled(number)), numbered.task, make_task)


def _fit_threshold(task: tasks.Task, scores: Tensor, targets: Tensor) -> float:
    """A relevance above 0 is a positive, as for all metrics that know 0 and 1 alone."""
    return fit_threshold(scores, targets > 0, task)


def _reported(words: str, task: type[tasks.Task], make_task: TaskFactory) -> ReportedMetric:
    return ReportedMetric(words, make_task, task.decides, task.graded)


def _pattern(base: str) -> re.Pattern[str]:
    return _WHOLE if _NUMBERED[base].name.number is int else _NUMBER


def _number(base: str, text: str) -> float:
    number: type[int] | type[float] = _NUMBERED[base].name.number or float
    return number(text)


def _spelled(number: float) -> str:
    whole = isinstance(number, float) and number.is_integer() and abs(number) < 2**53
    return str(int(number)) if whole else str(number)


def metric_names() -> str:
    """All names but the short forms, for help and errors; NUMBER where one must be given."""
    numbered = [
        f"{name}:NUMBER" if each.name.usual is None else f"{name}[:NUMBER]"
        for name, each in _NUMBERED.items()
    ]
    return ", ".join(sorted([*_PLAIN, *numbered]))
