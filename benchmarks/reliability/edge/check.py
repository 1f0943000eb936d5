"""What must hold of a call, whatever its scores are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import directloss as dl
from benchmarks.reliability.edge.draw import Call
from directloss.errors import ArgumentError

__all__ = ["Outcome", "checked"]

DIRECTIONS = ("positive", "negative", "both")
_STEPS = ("epsilon", "margin")
_SAFE = 960
"""Binary exponents of float64 between which nothing in a sum or product of a call is denormal."""

_APART = 1500
"""Binary exponents between the largest and the least number of a call that share a scale."""

_LEAST_STEP = 1e-300
"""Above the steps whose inverse is infinite, which are not taken."""

_DIVISOR = 2.0**1020
"""1 / step is denormal for steps above."""


@dataclass
class Outcome:
    """What was found out about a call.

    Attributes:
        refused: the error's message, if an error of the package named the step.
        scaled: whether value and gradient were compared with those of scaled scores.
        problems: what is wrong, one line each.
    """

    refused: str | None = None
    scaled: bool = False
    problems: list[str] = field(default_factory=list)


@dataclass
class Result:
    """Value, gradient and step of a loss, and of direct losses its two bounds."""

    value: Tensor
    gradient: Tensor
    step: float
    bounds: tuple[Tensor, Tensor] | None


def checked(call: Call) -> Outcome:
    """Evaluate a call and all that it is compared with."""
    outcome = Outcome()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            result = evaluate(call)
            for check in (_ranges, _slopes, _metrics, _alone):
                outcome.problems.extend(check(call, result))
            outcome.problems.extend(_scaling(call, result, outcome))
        except ArgumentError as error:
            if error.argument in _STEPS:
                outcome.refused = str(error)
            else:
                outcome.problems.append(f"refused: {error}")
        except Exception as error:  # each is a finding
            outcome.problems.append(f"raised {type(error).__name__}: {error}")
    return outcome


def evaluate(call: Call) -> Result:
    """Forward and backward."""
    loss_fn = _loss(call)
    scores = call.scores.detach().clone().requires_grad_()
    given: Any = scores if call.chain is None else call.chain.chain(scores)
    value = loss_fn(given, call.targets, **call.arguments)
    value.sum().backward()
    gradient = torch.zeros_like(scores) if scores.grad is None else scores.grad
    steps = [float(step) for step in loss_fn.state_dict().values()]
    bounds = None
    if isinstance(loss_fn, dl.DirectLoss):
        lower, upper = loss_fn.bounds(given, call.targets, **call.arguments)
        bounds = lower.detach(), upper.detach()
    return Result(value.detach(), gradient, steps[0] if steps else np.nan, bounds)


def _loss(call: Call) -> nn.Module:
    step: Any = call.step
    if call.chain is not None:
        return _chain_loss(call, step)
    task, options = call.subject.make(), call.options
    if call.update in DIRECTIONS:
        direction: Any = call.update
        return dl.DirectLoss(task, epsilon=step, unit="loss", direction=direction, **options)
    if call.update == "hinge":
        return dl.HingeLoss(task, margin=step, **options)
    return dl.PerceptronLoss(task, **options)


def _chain_loss(call: Call, step: Any) -> nn.Module:
    assert call.chain is not None
    labels = torch.arange(call.chain.classes, dtype=torch.float64)
    apart = (labels - labels[:, None]).abs() / max(call.chain.classes - 1, 1)
    task, options = dl.Chain(apart * call.subject.make()), call.options
    if call.update in DIRECTIONS:
        direction: Any = call.update
        return dl.DirectLoss(task, epsilon=step, unit="loss", direction=direction, **options)
    if call.update == "hinge":
        return dl.HingeLoss(task, margin=step, **options)
    return dl.PerceptronLoss(task, **options)


# --- ranges ---------------------------------------------------------------------------------------


def _ranges(call: Call, result: Result) -> Iterator[str]:
    value = result.value.double()
    if value.isnan().any():
        yield f"value {result.value.tolist()}"
    elif call.update in DIRECTIONS:
        low, high = call.subject.losses
        lists = 1 if call.options["reduction"] != "sum" else max(call.scores.numel(), 1)
        room = torch.finfo(result.value.dtype).eps * 4
        most = high * lists * (1 + room)
        if most > torch.finfo(result.value.dtype).max:
            most = np.inf
        if (value < low * lists - room).any() or (value > most).any():
            yield f"value {result.value.tolist()} outside {low} to {high}"
    elif (value < -_noise(call, result)).any() and call.scores.isfinite().all():
        # An infinite score counts as 0 in F, so that its objective is no maximum.
        yield f"objective {result.value.tolist()} below 0"
    if result.bounds is not None:
        lower, upper = result.bounds
        if lower.isnan().any() or upper.isnan().any():
            yield f"bounds {lower.tolist()}, {upper.tolist()}"
        elif (lower > upper).any():
            room = _noise(call, result) / result.step
            if (lower - upper > room).any():
                yield f"bounds {lower.tolist()} > {upper.tolist()}"


def _noise(call: Call, result: Result) -> float:
    """What rounding can make of an objective that is 0 on paper."""
    finite = call.scores.double().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).abs()
    largest = float(finite.max()) if finite.numel() else 0.0
    step = 0.0 if np.isnan(result.step) else result.step
    most = max(abs(loss) for loss in call.subject.losses)
    unit = max(torch.finfo(result.value.dtype).eps, 1e-15) * 4 * (call.scores.numel() + 1)
    return unit * largest + unit * step * most + torch.finfo(result.value.dtype).smallest_normal


def _slopes(call: Call, result: Result) -> Iterator[str]:
    gradient, info = result.gradient.double(), torch.finfo(result.gradient.dtype)
    if gradient.isnan().any():
        yield f"gradient {_short(gradient)}"
        return
    silent = ~call.scores.isfinite()
    if gradient[silent].any():
        yield f"gradient {_short(gradient)} at infinite scores"
    # A step that is not set is taken as 1, or as the task's own factor, above 0.05.
    divisor = result.step if call.update in DIRECTIONS else 1.0
    slope = call.subject.slope / (0.05 if np.isnan(divisor) else divisor)
    bound = slope * (1 + (8 + gradient.numel()) * info.eps)  # a rounding an item in a sum of gains
    if bound < info.max and (gradient.abs() > bound + info.smallest_normal).any():
        yield f"gradient {_short(gradient)} above {bound:.3g}, step {result.step:.3g}"
    if call.subject.kind != "counts" and not silent.any() and bound < info.max:
        # Each entry is rounded as a difference of two configurations, which the bound bounds.
        room = gradient.numel() * (4 * info.eps * bound + info.smallest_normal)
        if gradient.sum().abs() > room:
            yield f"gradient {_short(gradient)} adds up to {float(gradient.sum()):.3g}"


# --- metrics --------------------------------------------------------------------------------------


def _metrics(call: Call, result: Result) -> Iterator[str]:
    """The prediction depends on the order of scores and on what is above 0, on nothing else."""
    if call.chain is not None:
        return
    options = {k: v for k, v in call.options.items() if k == "dim"} | call.arguments
    targets = call.targets
    if "ignore_index" in call.options:
        targets = targets.double().where(targets != call.options["ignore_index"], torch.nan)
        if call.subject.kind == "classes":
            return
    task = call.subject.make()
    metric = task.metric(call.scores, targets, reduction="none", **options)
    low, high = call.subject.metrics
    room = 1e-12 * max(abs(low), abs(high))
    known = metric[~metric.isnan()]
    if (known < low - room).any() or (known > high + room).any():
        yield f"metric {metric.tolist()} outside {low} to {high}"
    ranks = _ranks(call.scores)
    by_ranks = task.metric(ranks, targets, reduction="none", **options)
    if not torch.allclose(metric, by_ranks, rtol=1e-12, atol=1e-13, equal_nan=True):
        yield f"metric {metric.tolist()}, of the ranks {by_ranks.tolist()}"
    if call.update in DIRECTIONS:
        of_ranks = evaluate(replace(call, scores=ranks, step=1.0)).value.to(result.value.dtype)
        room = torch.finfo(result.value.dtype).eps
        if not torch.allclose(result.value, of_ranks, rtol=room, atol=room, equal_nan=True):
            yield f"value {result.value.tolist()}, of the ranks {of_ranks.tolist()}"
    yield from _by_formula(call, metric)


def _ranks(scores: Tensor) -> Tensor:
    """Whole numbers in the same order, 0 for 0."""
    values = scores.double()
    levels = torch.unique(torch.cat([values.flatten(), torch.zeros(1, dtype=torch.float64)]))
    found = torch.searchsorted(levels, values.contiguous())
    return (found - torch.searchsorted(levels, torch.zeros(1, dtype=torch.float64))).double()


def _by_formula(call: Call, metric: Tensor) -> Iterator[str]:
    formula = call.subject.formula
    if formula is None or call.layout != "list" or call.scores.numel() == 0:
        return
    scores, targets = call.scores.double().numpy(), call.targets.double().numpy()
    if np.unique(scores).size < scores.size and call.subject.kind != "counts":
        return
    ranked = targets[np.argsort(-scores, kind="stable")]
    wanted = float(formula(ranked, int((scores > 0).sum())))
    found = float(metric)
    if not np.isclose(found, wanted, rtol=1e-9, atol=1e-12, equal_nan=True):
        yield f"metric {found}, by its formula {wanted}"


# --- one list of several -------------------------------------------------------------------------


def _alone(call: Call, result: Result) -> Iterator[str]:
    """A list gets the gradient that it has without the lists beside it."""
    if call.layout != "rows" or call.step == "auto" or call.options["reduction"] == "mean":
        return
    row = call.number % call.scores.shape[0]
    one = replace(call, scores=call.scores[row : row + 1], targets=call.targets[row : row + 1])
    alone = evaluate(one).gradient[0]
    if not _agree(result.gradient[row], alone, 0):
        yield f"gradient {_short(result.gradient[row])}, of the list alone {_short(alone)}"


# --- scaling --------------------------------------------------------------------------------------


def _scaling(call: Call, result: Result, outcome: Outcome) -> Iterator[str]:
    """F and step scale together: values and gradients are those of scores times 2^shift."""
    shift = _shift(call)
    if shift is None:
        return
    scores = torch.from_numpy(np.ldexp(call.scores.double().numpy(), shift)).to(call.scores.dtype)
    step = call.step if isinstance(call.step, str) else float(np.ldexp(call.step, shift))
    try:
        scaled = evaluate(replace(call, scores=scores, step=step))
    except ArgumentError as error:
        if error.argument not in _STEPS:  # a step may be too small when scaled
            yield f"scaled by 2^{shift} refused: {error}"
        return
    where = f"scaled by 2^{shift}"
    direct = call.update in DIRECTIONS
    if direct and not _agree(result.value, scaled.value, 0):
        yield f"value {result.value.tolist()}, {where} {scaled.value.tolist()}"
    numbers = call.scores.double().abs().numpy()
    numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
    if call.step == "auto":
        if np.isnan(result.step) != np.isnan(scaled.step):
            known = scaled.step if np.isnan(result.step) else result.step
            back = float(np.ldexp(known, -shift if np.isnan(result.step) else shift))
            if back > _LEAST_STEP:
                yield f"step {result.step}, {where} {scaled.step}"
            return
        if np.isnan(result.step):
            return  # a stand-in was taken, which does not scale
        wanted = float(np.ldexp(scaled.step, -shift))
        if wanted > 1e-290 and result.step != min(wanted, np.finfo(np.float64).max):
            yield f"step {result.step}, {where} {scaled.step}: {wanted}"
            return
    if not np.isnan(result.step):
        numbers = np.append(numbers, result.step)
    exponents = np.frexp(numbers)[1]
    least = int(exponents.min(initial=0)) + min(shift, 0)
    apart = int(np.ptp(exponents)) if exponents.size else 0
    if least < -_SAFE or apart > _APART or not call.subject.exact:
        return
    outcome.scaled = True
    up = shift if direct else 0
    if not _agree(result.gradient, scaled.gradient, up):
        yield f"gradient {_short(result.gradient)}, {where} {_short(scaled.gradient)}"
    lists = call.scores.numel() if call.options["reduction"] == "mean" else 1
    if not direct and not _agree(result.value, scaled.value, -shift, lists):
        yield f"objective {result.value.tolist()}, {where} {scaled.value.tolist()}"
    if result.bounds is not None and scaled.bounds is not None and result.step < _DIVISOR:
        for mine, other in zip(result.bounds, scaled.bounds, strict=True):
            if not _agree(mine, other, 0):
                yield f"bounds {mine.tolist()}, {where} {other.tolist()}"


def _shift(call: Call) -> int | None:
    """A power of two that brings the scores near 1, or as near as it can with nothing rounded."""
    values = call.scores.double().numpy()
    finite = values[np.isfinite(values) & (values != 0.0)]
    if finite.size == 0:
        return None
    exponents = np.frexp(finite)[1]
    info = torch.finfo(call.scores.dtype)
    least, most = np.frexp(info.smallest_normal * info.eps)[1], np.frexp(info.max)[1]
    lowest = least + int(np.frexp(1.0 / info.eps)[1])  # all bits are left
    near = -int(exponents.max())
    if isinstance(call.step, float):
        at = int(np.frexp(call.step)[1])
        # Step and scores stay where nothing that is made of them is denormal.
        near = min(max(near, -_SAFE - at), _SAFE - at)
    for shift in (near, near // 2, 8, -8):
        top, bottom = int(exponents.max()) + shift, int(exponents.min()) + shift
        if shift == 0 or top > most or bottom < lowest:
            continue
        if isinstance(call.step, float):
            step = float(np.ldexp(call.step, shift))
            if not (0.0 < step < np.inf) or float(np.ldexp(step, -shift)) != call.step:
                continue
        return shift
    return None


def _agree(mine: Tensor, other: Tensor, shift: int, lists: int = 1) -> bool:
    """Whether mine = other * 2^shift, up to numbers that the type cannot hold, or holds in part.

    Args:
        lists: of how many numbers each may be the mean.
    """
    info = torch.finfo(mine.dtype)
    a, b = mine.double().numpy(), other.double().numpy()
    wanted = np.ldexp(b, shift)
    back = np.ldexp(a, -shift)
    equal = (a == wanted) | (np.isnan(a) & np.isnan(b))
    # Beyond the type, above or below, on either side.
    above = (np.abs(wanted) * lists >= info.max) & (np.abs(a) >= info.max / 2 / lists)
    above |= (np.abs(back) * lists >= info.max / 2) & (np.abs(b) >= info.max / 2 / lists)
    below = (np.abs(wanted) <= 2 * info.smallest_normal) & (np.abs(a) <= 2 * info.smallest_normal)
    below |= (np.abs(back) <= 2 * info.smallest_normal) & (np.abs(b) <= 2 * info.smallest_normal)
    # Made of numbers that are held in part: a few of their last digits for each item.
    room = 4 * mine.numel() * info.smallest_normal * info.eps
    near = (np.abs(a - wanted) <= room) | (np.abs(b - back) <= room)
    return bool((equal | above | below | near).all())


def _short(tensor: Tensor) -> str:
    numbers = tensor.flatten().tolist()
    shown = " ".join(f"{number:.6g}" for number in numbers[:8])
    return f"[{shown}{' ...' if len(numbers) > 8 else ''}]"
