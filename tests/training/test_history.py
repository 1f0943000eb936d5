from __future__ import annotations

import json

from directloss.training import Entry, History


def test_what_is_not_measured_is_no_part_of_the_record() -> None:
    history = History()
    assert len(history) == 0
    first = Entry(validation=0.5, spread=1.0)
    history.append(first, iteration=0, mean_loss=None, zero_gradient=0.0)
    history.append(
        Entry(validation=0.6, spread=1.5), iteration=4, mean_loss=0.25, zero_gradient=0.5
    )
    assert len(history) == 2
    record = history.record()
    assert record == {
        "iteration": [0, 4],
        "validation": [0.5, 0.6],
        "loss": [None, 0.25],
        "spread": [1.0, 1.5],
        "zero_gradient": [0.0, 0.5],
    }
    assert History(**json.loads(json.dumps(record))) == history


def test_a_loss_that_was_evaluated_stands_before_the_mean_of_the_steps() -> None:
    history = History()
    entry = Entry(validation=0.5, spread=1.0, train=0.7, test=0.4, loss=0.125, threshold=-2.0)
    history.append(entry, iteration=1, mean_loss=9.0, zero_gradient=0.0)
    assert history.loss == [0.125]
    assert (history.train, history.test, history.threshold) == ([0.7], [0.4], [-2.0])
