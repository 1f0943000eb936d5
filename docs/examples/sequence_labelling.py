"""Label sequences with a linear chain: every update beside maximum likelihood.

The text that goes with it is docs/tasks/structured.md.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import directloss as dl
from directloss import LinearChain

LABELS, POSITIONS, FEATURES = 5, 12, 4
Loss = Callable[[LinearChain, Tensor], Tensor]


class Labels:
    """Sequences whose labels follow one another by chance, seen through Gaussian noise."""

    def __init__(self) -> None:
        self.means = torch.randn(LABELS, FEATURES)
        self.moves = torch.softmax(2 * torch.randn(LABELS, LABELS), 1)

    def sample(self, sequences: int) -> tuple[Tensor, Tensor]:
        labels = [torch.randint(LABELS, (sequences,))]
        for _ in range(POSITIONS - 1):
            labels.append(torch.multinomial(self.moves[labels[-1]], 1)[:, 0])
        targets = torch.stack(labels, 1)
        return self.means[targets] + torch.randn(sequences, POSITIONS, FEATURES), targets


def negative_log_likelihood(chain: LinearChain, targets: Tensor) -> Tensor:
    """-log p(targets) per position: a conditional random field."""
    alpha = chain.emissions[:, 0]
    for t in range(1, POSITIONS):
        steps = alpha[:, :, None] + chain.transitions
        alpha = steps.logsumexp(1) + chain.emissions[:, t]
    return (alpha.logsumexp(1) - chain.score(targets)).mean() / POSITIONS


def hamming_error(loss_fn: Loss, seed: int, rounds: int) -> float:
    """Train on 200 sequences; the Hamming loss on 1000 others."""
    torch.manual_seed(seed)
    source = Labels()
    (x, y), (new_x, new_y) = source.sample(200), source.sample(1000)
    model = nn.Sequential(nn.Linear(FEATURES, 32), nn.ReLU(), nn.Linear(32, LABELS))
    transitions = nn.Parameter(torch.zeros(LABELS, LABELS))
    optimizer = torch.optim.Adam([*model.parameters(), transitions], lr=0.01)
    for _ in range(rounds):
        optimizer.zero_grad()
        loss_fn(LinearChain(model(x), transitions), y).backward()
        optimizer.step()
    with torch.no_grad():
        wrong = LinearChain(model(new_x), transitions).decode() != new_y
    return wrong.float().mean().item()


def main(seeds: int = 5, rounds: int = 200) -> dict[str, float]:
    """The mean test error of each update over data and networks drawn anew."""
    updates: dict[str, Callable[[], Loss]] = {
        "maximum likelihood": lambda: negative_log_likelihood,
        "hinge": lambda: dl.HingeLoss(dl.Chain()),
        "perceptron": lambda: dl.PerceptronLoss(dl.Chain()),
        "direct, both, auto": lambda: dl.DirectLoss(dl.Chain()),
        "direct, negative, auto": lambda: dl.DirectLoss(dl.Chain(), direction="negative"),
        "direct, positive, auto": lambda: dl.DirectLoss(dl.Chain(), direction="positive"),
        "direct, both, 0.06": lambda: dl.DirectLoss(dl.Chain(), epsilon=0.06),
        "direct, both, 0.2": lambda: dl.DirectLoss(dl.Chain(), epsilon=0.2),
        "direct, both, 2": lambda: dl.DirectLoss(dl.Chain(), epsilon=2.0),
        "direct, both, 6": lambda: dl.DirectLoss(dl.Chain(), epsilon=6.0),
    }
    return {
        name: sum(hamming_error(make(), seed, rounds) for seed in range(seeds)) / seeds
        for name, make in updates.items()
    }


if __name__ == "__main__":
    for name, error in main().items():
        print(f"{name:24} {error:.3f}")
