from __future__ import annotations

import numpy as np
import pytest
import torch

from directloss.datasets.errors import DataError
from directloss.paper.action.features import Table
from directloss.paper.action.problem import make_problem

PERSONS, AMBIGUOUS = 90, 12


@pytest.fixture
def table() -> Table:
    """Two actions; the first 12 persons are ambiguous for the first; one feature is constant."""
    generator = np.random.default_rng(0)
    features = generator.normal(3.0, 5.0, (2, PERSONS, 4)).astype(np.float32)
    features[:, :, 3] = 7.0
    labels = np.where(generator.random((PERSONS, 2)) < 0.3, 1, -1).astype(np.int8)
    labels[:AMBIGUOUS, 0] = 0
    return Table(features, labels, np.arange(PERSONS), ("running", "walking"))


def test_features_are_in_units_of_the_training_part(table: Table) -> None:
    problem = make_problem(table, "running", 0, ambiguous="ignore", flips=0.0)
    parts = problem.parts(table.features, joint=False)
    train = parts.train.features
    torch.testing.assert_close(train.mean(dim=0), torch.zeros(4), rtol=0, atol=1e-5)
    deviation = train.std(dim=0, correction=0)
    torch.testing.assert_close(deviation, torch.tensor([1.0, 1.0, 1.0, 0.0]))
    mean, scale = problem.centre_and_scale(table.features)
    wanted = (table.features[0, problem.test] - mean) * scale
    np.testing.assert_array_equal(parts.test.features.numpy(), wanted)


def test_training_sees_both_copies_and_the_others_one(table: Table) -> None:
    problem = make_problem(table, "walking", 0, ambiguous="ignore", flips=0.0)
    parts = problem.parts(table.features, joint=False)
    assert len(parts.train) == 2 * len(problem.train)
    assert len(parts.validation) == len(problem.validation)
    positive = torch.from_numpy(table.labels[problem.train, 1] == 1).float()
    assert torch.equal(parts.train.targets, torch.cat([positive, positive]))


def test_ambiguous_persons_are_left_out_or_negative(table: Table) -> None:
    left_out = make_problem(table, "running", 0, ambiguous="ignore", flips=0.0)
    rows = np.concatenate([left_out.train, left_out.validation, left_out.test])
    assert sorted(rows) == list(range(AMBIGUOUS, PERSONS))
    negative = make_problem(table, "running", 0, ambiguous="negative", flips=0.0)
    rows = np.concatenate([negative.train, negative.validation, negative.test])
    assert sorted(rows) == list(range(PERSONS))
    assert not negative.positive[:AMBIGUOUS, 0].any()


def test_flips_exchange_training_labels_of_the_class_only(table: Table) -> None:
    clean = make_problem(table, "walking", 3, ambiguous="ignore", flips=0.0)
    noisy = make_problem(table, "walking", 3, ambiguous="ignore", flips=0.2)
    np.testing.assert_array_equal(clean.train, noisy.train)
    changed = clean.positive != noisy.positive
    assert changed[:, 1].sum() == changed.sum() == round(0.2 * len(clean.train))
    assert set(np.flatnonzero(changed[:, 1])) <= set(clean.train)
    joint = noisy.targets(joint=True)
    assert torch.equal((joint >> 1) & 1, noisy.targets(joint=False).long())


def test_each_class_and_seed_has_thirds_of_its_own(table: Table) -> None:
    parts = [
        tuple(make_problem(table, name, seed, ambiguous="negative", flips=0.0).train)
        for name, seed in (("running", 0), ("running", 1), ("walking", 0))
    ]
    assert len(set(parts)) == 3


def test_a_class_without_positives_is_named(table: Table) -> None:
    empty = Table(table.features, -np.abs(table.labels), table.image, table.classes)
    with pytest.raises(DataError, match="voc: walking: 0 positives and 90 negatives"):
        make_problem(empty, "walking", 0, ambiguous="ignore", flips=0.0)
