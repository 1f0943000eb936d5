"""Refining: the metric's own loss as the last part of training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.func import functional_call

from directloss.errors import ArgumentError
from directloss.tasks import Task
from directloss.training._fit import FitResult, constant_metric, fit, scored
from directloss.training._rows import Scored
from directloss.training.baselines import CrossEntropy
from directloss.training.config import FitConfig
from directloss.training.data import Part, Parts, Sources
from directloss.training.last_layer import on_features
from directloss.training.metric import Threshold
from directloss.training.refinement import Refinement, judge
from directloss.training.steps import DivergedError
from directloss.training.warm_start import SHARE, warm_start

RECIPE = FitConfig(learning_rate=0.03, optimiser="adam", l2=1e-3, epochs=200, evaluations=20)


@dataclass(frozen=True)
class Refined:
    """What `refine` gave: how training went, and what it was worth.

    `refinement` is None where training diverged before the switch.
    """

    fit: FitResult
    refinement: Refinement | None

    def lines(self) -> list[str]:
        """All of it in words, a line each."""
        found = [] if self.refinement is None else self.refinement.lines()
        if not self.fit.diverged:
            return found
        return [f"warning: training diverged: {self.fit.failure}; {_KEPT}", *found]


class DivergedWarning(UserWarning):
    """Scores or a loss became NaN or infinite; the best weights before that are kept."""


_KEPT = "the best weights on validation before that are kept"


def refine(
    model: nn.Module,
    data: Parts | Sources,
    task: Task,
    config: FitConfig = RECIPE,
    *,
    share: float = SHARE,
    scale: float = 0.3,
    noise: bool = True,
    first: nn.Module | None = None,
    last_layer: str | None = None,
    threshold: Threshold | None = None,
    accelerator: Accelerator | None = None,
) -> Refined:
    """Trains `model` in place by cross-entropy, then by the direct loss of the metric.

    The direct loss, in direction "both", sees the scores divided by their spread at the switch, for
    a metric of decisions less their best threshold there. The learning rate falls in a line to 0,
    and the weights that are kept are the best on validation of both phases: `docs/refine.md`.

    Args:
        model: features `(n, ...)` -> scores `(n,)`.
        data: the three parts, in memory or loaders.
        task: the metric.
        config: how to train; its `schedule` and `keep` are those of the recipe.
        share: of the steps, those of cross-entropy; 0 for a model that is trained already.
        scale: deviation of the noise on the scores, in spreads; epsilon goes with it.
        noise: False for none, with the same epsilon.
        first: loss of the first phase; None: cross-entropy, of graded relevances in lists ListNet.
        last_layer: name of the layer to train alone, on features that are computed once; None: all
            parameters.
        threshold: for metrics of decisions, as for `fit`.
        accelerator: device and precision; by default Accelerate's own choice.

    Raises:
        ArgumentError: an argument is wrong, or the validation part cannot choose: the metric is
            undefined there.
        DivergedError: a score of the model as it came is NaN or infinite.

    Warns:
        DivergedWarning: training diverged.
    """
    _check(data, task, config)
    accelerator = accelerator or Accelerator()
    if last_layer is not None:
        model, data = on_features(model, last_layer, data, accelerator.device)
    first_loss = first or CrossEntropy(graded=task.graded)
    loss_fn = warm_start(first_loss, task, scale, noise=noise, share=share)
    if isinstance(data.validation, Part) and math.isnan(constant_metric(task, data.validation)):
        came = f"a part on which {task!r} is undefined"
        raise ArgumentError("validation", came, "a part that can choose: with both classes")
    config = replace(config, schedule="linear", keep="best")
    result = fit(model, loss_fn, data, task, config, threshold=threshold, accelerator=accelerator)
    if not len(result.history):
        raise DivergedError(result.failure)
    if result.diverged:
        warnings.warn(f"{result.failure}; {_KEPT}", DivergedWarning, stacklevel=2)
    if result.first_phase is None:
        return Refined(result, None)
    mode = model.training
    model.eval()
    of_first = partial(_call, model, result.first_phase.weights)
    before, after = (
        _measurable(network, data, threshold, accelerator.device) for network in (of_first, model)
    )
    model.train(mode)
    name = "cross-entropy" if first is None else "the first phase"
    name = name if result.switch else "the model before"
    verdict = judge(task, result.history, result.switch, before, after, reference=name)
    return Refined(result, verdict)


def _check(data: object, task: object, config: object) -> None:
    """Refuse what is no data, no metric of samples or no configuration, before any work is done."""
    if not isinstance(data, Parts | Sources):
        raise ArgumentError("data", f"a {type(data).__name__}", "Parts, or Sources of loaders")
    if not isinstance(task, Task) or task.target_per_list:
        raise ArgumentError("task", repr(task), "a metric of one score a sample, such as FBeta()")
    if not isinstance(config, FitConfig):
        raise ArgumentError("config", repr(config), "a FitConfig, such as RECIPE")


def _call(model: nn.Module, weights: dict[str, Tensor], features: Tensor) -> Tensor:
    scores: Tensor = functional_call(model, weights, (features,))
    return scores


def _measurable(
    network: Callable[[Tensor], Tensor],
    data: Parts | Sources,
    threshold: Threshold | None,
    device: torch.device,
) -> dict[str, Scored]:
    """The scores of each part less the threshold of the training part, on the CPU."""
    named = {"train": data.train, "validation": data.validation, "test": data.test}
    found = {
        part: scored(network, source, device).to_cpu()
        for part, source in named.items()
        if source is not None
    }
    train = found["train"]
    fitted = 0.0 if threshold is None else threshold(train.scores, train.targets)
    return {part: replace(each, scores=each.scores - fitted) for part, each in found.items()}
