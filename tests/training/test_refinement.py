from __future__ import annotations

import json
import math

import pytest
import torch

import directloss as dl
from directloss.training._rows import Scored
from directloss.training.bootstrap import Difference
from directloss.training.history import Entry, History
from directloss.training.refinement import Refinement, judge, outlook, too_few


@pytest.mark.parametrize(
    ("train", "validation", "noise", "halfway", "words"),
    [
        (0.45, 0.43, 0.0, 0.44, "it underfits, so refining may gain"),
        (0.45, 0.47, 0.0, 0.46, "it underfits, so refining may gain"),
        (0.45, 0.47, 0.0, 0.39, "training gained 6.0 in the second half of that phase; more ep"),
        (0.61, 0.52, 0.0, 0.50, "it overfits, so expect no gain; more L2"),
        (0.61, 0.52, 0.05, 0.6, "it underfits, so refining may gain"),
        (0.999, 0.68, 0.05, 0.9, "it overfits, so expect no gain; more L2"),
        (0.95, 0.94, 0.0, 0.90, "little is left to fit, so expect little"),
    ],
)
def test_the_gain_follows_underfitting(
    train: float, validation: float, noise: float, halfway: float, words: str
) -> None:
    said = outlook(
        train, validation, noise, "cross-entropy", higher_is_better=True, halfway=halfway
    )
    assert f"training {100 * train:.1f}, validation {100 * validation:.1f}" in said
    assert words in said
    low = outlook(
        1 - train,
        1 - validation,
        noise,
        "cross-entropy",
        higher_is_better=False,
        halfway=1 - halfway,
    )
    assert words in low


def part(positives: int, *, lists: int | None = None) -> Scored:
    targets = (torch.arange(300) < positives).long()
    groups = None if lists is None else torch.arange(300) % lists
    return Scored(torch.randn(300, dtype=torch.float64), targets, groups)


def test_positives_are_counted_and_of_lists_those_that_have_one() -> None:
    assert too_few(part(60), part(30, lists=25)) == ()
    assert too_few(part(59), part(30, lists=12)) == (
        "the training part has 59 positives, fewer than the 60 that it takes to learn from",
        "the validation part has 12 lists with a positive, fewer than the 20 that it takes to "
        "choose by",
    )


@pytest.mark.parametrize("part_of", ["training", "validation"])
def test_nothing_is_expected_where_the_metric_is_undefined(part_of: str) -> None:
    values = {"training": 0.4, "validation": 0.4, part_of: math.nan}
    said = outlook(*values.values(), 0.0, "cross-entropy", higher_is_better=True, halfway=0.4)
    assert f"the metric is undefined on the {part_of} part, so nothing can be said" in said
    assert str(Difference(math.nan, math.nan, math.nan)) == "undefined"


def verdict(*, looked_halfway: bool = True) -> Refinement:
    history = History()
    halfway = [(2, 0.3)] if looked_halfway else []
    for step, value in ((0, 0.1), *halfway, (4, 0.4), (10, 0.5)):
        entry = Entry(value - 0.01, 1.0, train=value)
        history.append(entry, iteration=step, mean_loss=None, zero_gradient=0.0)
    parts = {name: part(70) for name in ("train", "validation", "test")}
    better = {
        name: Scored(each.scores + 3.0 * each.targets, each.targets) for name, each in parts.items()
    }
    return judge(dl.AveragePrecision(), history, 4, parts, better)


def test_it_reports_the_switch_and_the_gain_on_parts_that_were_not_trained_on() -> None:
    found = verdict()
    assert (found.step, found.train, found.validation) == (4, 0.4, 0.39)
    assert list(found.gains) == ["validation", "test"]
    assert all(gain.resolved and gain.value > 0 for gain in found.gains.values())
    first, *gains, caution = found.lines()
    assert first == found.outlook and "training gained 10.0" in first
    assert gains[0].startswith("refined against cross-entropy, validation part: +")
    assert caution.startswith("that is against cross-entropy after the 4 steps of the first phase")


def test_without_a_look_halfway_nothing_is_said_of_a_rise() -> None:
    assert "it underfits" in verdict(looked_halfway=False).outlook


def test_a_record_of_json_gives_it_back() -> None:
    found = verdict()
    assert Refinement.of_record(json.loads(json.dumps(found.record()))) == found
