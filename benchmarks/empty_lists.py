"""What a head of a rare class learns from lists without a positive; for `docs/epsilon.md`.

Images of 64 pixels. An image has the class with a given probability, and then a quarter of its
pixels are positives. A linear head is trained on the direct loss of the Jaccard index.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import directloss as dl
from benchmarks.tables import table

PIXELS, FEATURES, APART = 64, 16, 2.0
SHARES = (0.5, 0.1, 0.02)
"""Of the images, those that have the class."""

SEEDS = 5
STEPS, WARM, BATCH, TESTED = 300, 100, 32, 4000
STARTS = ("cold", "warm")

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Learnt:
    """What one head does on test images.

    Attributes:
        rule: a name of `RULES`.
        start: "cold", or "warm": after `WARM` steps of cross-entropy.
        share: of the images, those that have the class.
        seed: of data, head and noise.
        iou: the Jaccard index over all pixels of all test images.
        found: share of the images with the class in which a pixel is predicted.
        alarms: the same of the images without it.
    """

    rule: str
    start: str
    share: float
    seed: int
    iou: float
    found: float
    alarms: float


def _cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(scores, targets.float())


def _direct(rule: dl.lists.WithoutPositives, dim: int | tuple[int, int]) -> Loss:
    return dl.DirectLoss(
        dl.Jaccard(),
        epsilon=1.0,
        direction="both",
        dim=dim,
        without_positives=rule,
        perturbation=dl.Perturbation(0.3),
    )


RULES: dict[str, Callable[[], Loss]] = {
    "cross-entropy": lambda: _cross_entropy,
    'a list an image, "punish"': lambda: _direct("punish", 1),
    'a list an image, "skip"': lambda: _direct("skip", 1),
    'a list a batch, "punish"': lambda: _direct("punish", (0, 1)),
    'a list a batch, "skip"': lambda: _direct("skip", (0, 1)),
}


def measure() -> Iterator[Learnt]:
    """Every rule, start, share and seed."""
    with warnings.catch_warnings():
        # That a list or a batch has no gradient is what is measured here.
        warnings.simplefilter("ignore")
        for rule in RULES:
            for start in STARTS if rule != "cross-entropy" else STARTS[:1]:
                for share in SHARES:
                    for seed in range(SEEDS):
                        yield _learnt(rule, start, share, seed)


def _learnt(rule: str, start: str, share: float, seed: int) -> Learnt:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    towards = nn.functional.normalize(torch.randn(FEATURES, generator=generator), dim=0)
    head, loss_fn = nn.Linear(FEATURES, 1), RULES[rule]()
    optimiser = torch.optim.Adam(head.parameters(), 0.03)
    for step in range(STEPS):
        features, targets = _draw(BATCH, share, towards, generator)
        taken = _cross_entropy if start == "warm" and step < WARM else loss_fn
        optimiser.zero_grad()
        taken(head(features).squeeze(2), targets).backward()
        optimiser.step()
    features, targets = _draw(TESTED, share, towards, generator)
    with torch.no_grad():
        predicted = head(features).squeeze(2) > 0
    has, alarmed = targets.any(1), predicted.any(1)
    return Learnt(
        rule,
        start,
        share,
        seed,
        iou=float((predicted & targets).sum() / (predicted | targets).sum()),
        found=float(alarmed[has].float().mean()),
        alarms=float(alarmed[~has].float().mean()),
    )


def _draw(
    images: int, share: float, towards: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    has = torch.rand(images, 1, generator=generator) < share
    targets = (torch.rand(images, PIXELS, generator=generator) < 0.25) & has
    noise = torch.randn(images, PIXELS, FEATURES, generator=generator)
    return noise + APART * targets[..., None] * towards, targets


def rules_table(learnt: list[Learnt]) -> str:
    """A row a rule and start, a column a share; means over the seeds, in percent."""
    body = []
    for rule, start in dict.fromkeys((each.rule, each.start) for each in learnt):
        line = [rule if rule == "cross-entropy" else f"{rule}, {start}"]
        for share in SHARES:
            those = [m for m in learnt if (m.rule, m.start, m.share) == (rule, start, share)]
            means = (fmean(column) for column in zip(*map(_figures, those), strict=True))
            line.append(" / ".join(f"{100 * mean:.0f}" for mean in means))
        body.append(line)
    heads = [f"{100 * share:g} % of the images" for share in SHARES]
    return table(["loss", *heads], body)


def _figures(each: Learnt) -> tuple[float, float, float]:
    return each.iou, each.found, each.alarms
