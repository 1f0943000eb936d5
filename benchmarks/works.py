"""The catalogue: everything that is measured, each as a function from a case to one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks import packages, peers
from benchmarks.case import Case, Drawn
from benchmarks.tasks import losses

__all__ = ["REFERENCE", "Step", "Work", "catalogue"]

Step = Callable[[], object]
Kind = Literal["reference", "task", "peer", "metric"]

REFERENCE = "torch.sort"


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to measure.

    Attributes:
        kind: "task" is ours; "peer" another loss, forward and backward as ours; "metric" a value
            only, without gradient; "reference" what others are divided by.
        prepare: makes the step of a case: what is not part of the work is done here.
        missing: why the work cannot run here, or None.
    """

    name: str
    kind: Kind
    prepare: Callable[[Case], Step]
    missing: str | None = None


def trained(loss: Callable[[Tensor, Drawn, Case], Tensor]) -> Callable[[Case], Step]:
    """The step of a loss: forward and backward to the scores."""

    def prepare(case: Case) -> Step:
        drawn = case.draw()
        scores = drawn.scores

        def step() -> None:
            scores.grad = None
            loss(scores, drawn, case).backward()

        return step

    return prepare


def sort_step(case: Case) -> Step:
    scores = case.draw().scores.detach()
    return lambda: torch.sort(scores)


def catalogue() -> dict[str, Work]:
    """All works by name, the reference first."""
    works = [
        Work(REFERENCE, "reference", sort_step),
        Work(
            "BCE",
            "peer",
            trained(lambda s, d, c: binary_cross_entropy_with_logits(s, d.binary)),
        ),
        *(Work(name, "task", trained(loss)) for name, loss in losses().items()),
        Work("blackbox MAP", "peer", trained(lambda s, d, c: peers.blackbox_map_loss(s, d.binary))),
        Work(
            "blackbox MAP, as published",
            "peer",
            trained(lambda s, d, c: peers.blackbox_map_loss_sorted_twice(s, d.binary)),
        ),
        Work("Smooth-AP", "peer", trained(lambda s, d, c: peers.smooth_ap_loss(s, d.binary))),
        Work("AP-loss", "peer", trained(lambda s, d, c: peers.ap_loss(s, d.binary))),
        # The strength lets an item share its rank with about ten neighbours, whatever n is.
        Work(
            "soft-rank AP",
            "peer",
            trained(lambda s, d, c: peers.soft_rank_ap_loss(s, d.binary, strength=10 / c.n)),
        ),
        Work("Lovasz hinge", "peer", trained(lambda s, d, c: peers.lovasz_hinge(s, d.binary))),
        Work("LambdaRank", "peer", trained(lambda s, d, c: peers.lambda_rank_loss(s, d.graded))),
        Work("ApproxNDCG", "peer", trained(lambda s, d, c: peers.approx_ndcg_loss(s, d.graded))),
        Work("LibAUC APLoss", "peer", trained(packages.libauc_ap_loss), packages.missing("libauc")),
        Work(
            "scikit-learn AP",
            "metric",
            packages.sklearn_average_precision,
            packages.missing("sklearn"),
        ),
        Work("scikit-learn NDCG", "metric", packages.sklearn_ndcg, packages.missing("sklearn")),
        Work(
            "torchmetrics AP",
            "metric",
            packages.torchmetrics_average_precision,
            packages.missing("torchmetrics"),
        ),
        Work(
            "torchmetrics NDCG",
            "metric",
            packages.torchmetrics_ndcg,
            packages.missing("torchmetrics"),
        ),
    ]
    return {work.name: work for work in works}
