from __future__ import annotations

from math import log

import pytest
import torch

import directloss as dl
from directloss.paper.action.softmax import (
    ClassPrecision,
    Softmax,
    SoftmaxHead,
    decode,
    encode,
)


def test_sets_of_classes_as_bits() -> None:
    positive = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    assert encode(positive).tolist() == [5, 0, 2]
    assert torch.equal(decode(encode(positive), 3), positive)


def test_the_loss_gives_equal_shares_to_all_classes_of_a_sample() -> None:
    scores = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]]).double()
    share = scores.softmax(dim=1)
    both, none = torch.tensor([0b11, 0b00])
    wanted = -(0.5 * share[0, 0].log() + 0.5 * share[0, 1].log() + share[1, 2].log()) / 2
    torch.testing.assert_close(Softmax()(scores, torch.stack([both, none])), wanted)


def test_odds_are_those_of_the_softmax() -> None:
    outputs = torch.randn(6, 4, dtype=torch.float64)
    share = outputs.softmax(dim=1)[:, 2]
    odds = ClassPrecision(2).scores(outputs)
    torch.testing.assert_close(odds, share.log() - (1 - share).log())


def test_odds_do_not_round_where_the_probability_does() -> None:
    outputs = torch.tensor([[60.0, 0.0, 0.0], [70.0, 0.0, 0.0]])
    assert outputs.softmax(dim=1)[:, 0].tolist() == [1.0, 1.0]
    odds = ClassPrecision(0).scores(outputs)
    assert odds[1] - odds[0] == pytest.approx(10.0)


def test_precision_of_one_class() -> None:
    outputs = torch.tensor([[3.0, 0.0, 0.0], [2.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    targets = encode(torch.tensor([[1, 0], [0, 1], [1, 1]]))
    assert float(ClassPrecision(0).metric(outputs, targets)) == pytest.approx((1 + 2 / 3) / 2)
    ap = dl.AveragePrecision().metric(-outputs[:, 0], torch.tensor([0, 1, 1]))
    assert float(ClassPrecision(1).metric(outputs, targets)) == pytest.approx(float(ap))


def test_a_head_starts_with_spread_one_and_can_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(200, 5, generator=generator)
    targets = encode((features[:, :2] > 0.5).long())
    head = SoftmaxHead(features, 2, generator)
    assert float(head(features).detach().std(correction=0)) == pytest.approx(1.0)
    optimiser = torch.optim.SGD(head.parameters(), lr=1.0)
    for _ in range(200):
        optimiser.zero_grad()
        Softmax()(head(features), targets).backward()
        optimiser.step()
    assert ClassPrecision(1).metric(head(features).detach(), targets) > 0.9
    assert float(Softmax()(head(features).detach(), targets)) < log(3)
