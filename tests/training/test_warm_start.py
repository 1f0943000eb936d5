from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss.errors import ArgumentError
from directloss.training import GlobalBatchLoss, WarmStart
from directloss.training.baselines import Logistic
from directloss.training.warm_start import warm_start


class _Seen(nn.Module):
    """Notes the scores that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.scores: list[Tensor] = []

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        self.scores.append(scores.detach())
        return scores.sum()


def batch(seed: int, spread: float = 5.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(40, generator=generator) - 7.0, torch.arange(40) % 4 == 0


def test_the_second_loss_takes_over_at_its_share_of_the_steps() -> None:
    loss_fn = WarmStart(_Seen(), _Seen(), share=0.4)
    assert loss_fn.switch(10) == 4
    assert [loss_fn.switch(steps) for steps in (1, 2, 3)] == [0, 1, 1]
    for step in range(10):
        loss_fn.reach(step, 10)
        loss_fn(*batch(step))
    assert (len(loss_fn.first.scores), len(loss_fn.then.scores)) == (4, 6)


def test_it_sees_the_scores_in_spreads_of_its_first_batch() -> None:
    loss_fn = WarmStart(Logistic(), _Seen(), share=0.0)
    loss_fn.reach(0, 1)
    loss_fn.eval()
    loss_fn(*batch(9))
    assert loss_fn.spread.isnan(), "an evaluation measures nothing"
    loss_fn.train()
    first, second = batch(1), batch(2, spread=50.0)
    loss_fn(*first)
    loss_fn(*second)
    spread = first[0].std(correction=0)
    torch.testing.assert_close(loss_fn.spread, spread)
    torch.testing.assert_close(loss_fn.then.scores[1], first[0] / spread)
    torch.testing.assert_close(loss_fn.then.scores[2], second[0] / spread)


def test_the_spread_is_within_lists() -> None:
    scores, targets = batch(1)
    groups = torch.arange(40) % 3
    loss_fn = WarmStart(Logistic(), Logistic(), share=0.0)
    loss_fn.reach(0, 1)
    loss_fn(scores + 100.0 * groups, targets, groups=groups)
    centred = torch.cat([scores[groups == g] - scores[groups == g].mean() for g in range(3)])
    torch.testing.assert_close(loss_fn.spread, centred.square().mean().sqrt())


def test_equal_scores_are_left_as_they_are() -> None:
    loss_fn = WarmStart(Logistic(), _Seen(), share=0.0)
    loss_fn.reach(0, 1)
    loss_fn(torch.full((4,), 3.0), torch.tensor([1, 0, 0, 1]))
    assert loss_fn.then.scores[0].tolist() == [3.0] * 4


def test_a_division_of_scores_is_an_epsilon_in_spreads() -> None:
    """L(scores / spread) at epsilon has the gradient of L(scores) at epsilon times the spread."""
    scores, targets = batch(1)
    spread = float(scores.std(correction=0))
    gradients = []
    for loss_fn in (
        WarmStart(Logistic(), dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5), share=0.0),
        dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5 * spread),
    ):
        if isinstance(loss_fn, WarmStart):
            loss_fn.reach(0, 1)
        given = scores.clone().requires_grad_()
        loss_fn(given, targets).backward()
        gradients.append(given.grad)
    torch.testing.assert_close(*gradients)
    assert gradients[0].any()


def test_its_state_holds_the_spread_and_the_noise() -> None:
    def make() -> WarmStart:
        then = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1, perturbation=dl.Perturbation(0.3))
        loss_fn = WarmStart(Logistic(), then, share=0.0)
        loss_fn.reach(5, 9)
        return loss_fn

    loss_fn = GlobalBatchLoss(make())
    for step in range(3):
        loss_fn(*batch(step))
    again = GlobalBatchLoss(make())
    again.load_state_dict(loss_fn.state_dict())
    values = []
    for each in (loss_fn, again):
        scores, targets = batch(7)
        each(scores.requires_grad_(), targets).backward()
        values.append(scores.grad)
    assert torch.equal(*values)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_shares_that_leave_no_step_are_refused(share: float) -> None:
    with pytest.raises(ArgumentError, match="share: got"):
        WarmStart(Logistic(), Logistic(), share=share)


def test_decisions_are_taken_from_their_best_threshold() -> None:
    scores = torch.tensor([-5.0, -4.0, -3.0, -2.0])
    targets = torch.tensor([0.0, 0.0, 1.0, 1.0])
    seen = _Seen()
    loss_fn = WarmStart(Logistic(), seen, share=0.0, cut=dl.FBeta())
    loss_fn.reach(0, 10)
    loss_fn(scores, targets)
    assert float(loss_fn.threshold) == -3.5
    spread = scores.std(correction=0)
    torch.testing.assert_close(seen.scores[-1], (scores + 3.5) / spread)
    loss_fn(scores + 100.0, targets)  # measured once
    torch.testing.assert_close(seen.scores[-1], (scores + 103.5) / spread)


def test_it_is_the_direct_loss_in_spreads_with_noise() -> None:
    loss_fn = warm_start(Logistic(), dl.FBeta(), 0.3, share=0.0)
    then = loss_fn.then
    assert isinstance(then, dl.DirectLoss)
    assert then.perturbation is not None
    assert (float(then.epsilon), float(then.perturbation.scale)) == (0.6, 0.3)
    assert isinstance(loss_fn.cut, dl.FBeta)
    plain = warm_start(Logistic(), dl.AveragePrecision(), 0.3, noise=False)
    assert isinstance(plain.then, dl.DirectLoss)
    assert plain.then.perturbation is None
    assert plain.cut is None
