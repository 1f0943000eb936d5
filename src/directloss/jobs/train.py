"""`directloss train`: from a configuration to a model folder, through interruptions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from directloss._world import World
from directloss.datasets.data import Data, InMemory
from directloss.datasets.images import ImageProblem
from directloss.errors import ArgumentError
from directloss.jobs.config import Configuration, TrainingSection
from directloss.jobs.folder import CHECKPOINTS, claim, identity, with_digest
from directloss.jobs.kinds import kind_at, open_data
from directloss.jobs.scoring import (
    DECISIONS,
    Scored,
    fit_threshold,
    fit_thresholds,
    measure,
    score,
)
from directloss.jobs.watch import Watcher, Watchers
from directloss.models import MLP, scale_to_unit_spread, start_at_log_odds
from directloss.models.image_scorer import FrozenScorer, features_of_images
from directloss.study.config import check_positives
from directloss.study.folder import output_folder
from directloss.study.metrics import ReportedMetric, metric_named
from directloss.training.batches import AllSamples, Batches, OneBatch
from directloss.training.calibration import fit_calibration
from directloss.training.checkpoints import Checkpoints
from directloss.training.data import SPLITS, Part
from directloss.training.history import Entry
from directloss.training.methods import METHODS
from directloss.training.model_folder import METRICS, MODEL, ModelError, read_model, write_model
from directloss.training.refinement import judge
from directloss.training.run import Run
from directloss.training.signals import StopRequest, stop_on_signals
from directloss.training.steps import refuse_non_finite
from directloss.training.ties import finer
from directloss.training.warm_start import WarmStart

_FIRST_ROWS = 65_536  # whose scores say how large the first weights are


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
        metrics: as in the model folder: the metric on each part, what refining was worth, and the
            log.
        was_there: whether it had been finished before.
        speaks: whether this process, of several, is the one to tell the user.
    """

    metrics: dict[str, Any]
    was_there: bool
    speaks: bool


def train(
    configuration: Configuration,
    out: Path,
    *,
    watchers: Callable[[int], list[Watcher]] = lambda _: [],
) -> Trained:
    """Trains, or goes on with what `out` holds, and writes the model folder.

    Args:
        configuration: what to train on what.
        out: the folder; one process at a time may work in it.
        watchers: (step from which training goes on) -> whom to tell.

    Raises:
        DirectLossError: configuration, data, folder or numbers do not fit.
        InterruptedRunError: a signal asked to stop; the same call goes on.
    """
    # Told of no GPU, it lets the processes of `torchrun` find each other on CPUs too.
    accelerator = Accelerator(
        cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available())
    )
    configuration = kind_at(configuration.data.path).usual(configuration)
    configuration.check()
    configuration = with_digest(configuration)
    world = World(accelerator.device)
    speaks = world.rank == 0
    # One lock for all processes of one run.
    lock = output_folder(out) if speaks else nullcontext()
    with world.reaching(), lock:
        with world.together():
            if speaks:
                claim(out, configuration)
        if (out / MODEL).exists():
            return Trained(_measured(out), True, speaks)
        with stop_on_signals() as stop:
            metrics = _train(configuration, out, accelerator, world, stop, watchers)
        return Trained(metrics, False, speaks)


def _measured(out: Path) -> dict[str, Any]:
    """The metrics of a finished run."""
    metrics = dict(read_model(out).metrics)
    for part in SPLITS:
        if not isinstance(metrics.get(part), int | float):
            raise ModelError(f"{out / METRICS} has no metric of the {part} part")
    return metrics


def _train(
    configuration: Configuration,
    out: Path,
    accelerator: Accelerator,
    world: World,
    stop: StopRequest,
    watchers: Callable[[int], list[Watcher]],
) -> dict[str, Any]:
    data = open_data(configuration)
    how = configuration.training
    metric = metric_named(how.metric)
    task = metric.make_task()
    method = METHODS[how.method]
    kind = kind_at(configuration.data.path)
    model = kind.network(configuration.model, data.recipe, seed=how.seed)
    if isinstance(model, FrozenScorer):
        assert isinstance(data, ImageProblem)
        data = _computed_once(model.to(accelerator.device), data)
    spread = _start(model, data, small=method.small_start)
    batches = _batches(data, how, model, world)
    loss_fn = method.loss(how.settings, spread, metric.make_task)
    checkpoints = Checkpoints(
        out / CHECKPOINTS, identity(configuration), keep=configuration.checkpoints.keep
    )
    torch.manual_seed(how.seed + world.rank)  # of dropout

    def scored(model: nn.Module, part: str) -> Scored:
        mine = score(model, data.chunks(part, world.rank, world.size))
        every = world.agree(None, mine)
        found = Scored.join([each for each in every if each is not None])
        refuse_non_finite({f"{part} score": found.scores}, lambda: "in an evaluation")
        return found

    in_phases = isinstance(loss_fn, WarmStart)

    def evaluate(model: nn.Module) -> Entry:
        seen = scored(model, "train") if metric.decides or in_phases else None
        threshold = None if seen is None else fit_threshold(metric, seen)
        found = scored(model, "validation")
        return Entry(
            validation=measure(metric, found, threshold),
            train=measure(metric, seen, threshold) if seen is not None and in_phases else None,
            spread=float(found.scores.std(correction=0)),
            threshold=threshold,
            finer=finer(loss_fn, found.scores, found.targets, found.groups),
        )

    listening = Watchers()
    run = Run(
        model,
        loss_fn,
        batches,
        evaluate,
        how.fit_config(),
        checkpoints,
        higher_is_better=task.higher_is_better,
        every=configuration.checkpoints.seconds,
        on_step=listening.stepped,
        on_evaluation=listening.evaluated,
        accelerator=accelerator,
    )
    refused = run.resume()
    if world.rank == 0:
        listening.each = watchers(run.step)
    listening.started(data.describe(), run.step, run.steps, refused)
    kept = run.train(stop)
    history = run.history
    threshold = history.threshold[kept] if metric.decides else None
    model = accelerator.unwrap_model(run.model)
    model.eval()
    final = {part: scored(model, part) for part in SPLITS}
    refinement: dict[str, Any] = {}
    if run.switch is not None and run.first_phase is not None:
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(run.first_phase.weights)
        first = {part: scored(model, part) for part in SPLITS}
        model.load_state_dict(weights)
        before, after = (_shifted(metric, found) for found in (first, final))
        reference = "cross-entropy" if run.switch else "the model before"
        verdict = judge(task, history, run.switch, before, after, reference=reference)
        refinement = {"refinement": verdict.record()}
    metrics = {
        "metric": how.metric,
        "higher_is_better": task.higher_is_better,
        "step": history.iteration[kept],
        **{part: measure(metric, found, threshold) for part, found in final.items()},
        **refinement,
        "history": history.record(),
    }
    with world.together():
        if world.rank == 0:
            checkpoints.release()
            write_model(
                out,
                weights=model.state_dict(),
                preprocessing=data.recipe.model_dump_json(indent=2) + "\n",
                configuration=configuration.to_toml(),
                metrics=metrics,
                target=data.target_name,
                positive=data.positive,
                threshold=threshold,
                thresholds=fit_thresholds((*DECISIONS, how.metric), final["train"]),
                calibration=_calibration(how, data, final["validation"]),
            )
    return metrics


def _calibration(how: TrainingSection, data: Data, validation: Scored) -> str | None:
    """The text of `calibration.json`; None where none is wanted, or targets are relevances."""
    if how.calibration == "none" or data.positive is None:
        return None
    positive = (validation.targets > 0).numpy()
    fitted = fit_calibration(how.calibration, validation.scores.numpy(), positive)
    return fitted.model_dump_json(indent=2, exclude_defaults=True) + "\n"


def _shifted(metric: ReportedMetric, scored: dict[str, Scored]) -> dict[str, Scored]:
    """The scores as the metric takes them: less the threshold, with targets that it knows."""
    threshold = fit_threshold(metric, scored["train"]) or 0.0
    return {part: replace(each, scores=each.scores - threshold) for part, each in scored.items()}


def _batches(data: Data, how: TrainingSection, model: nn.Module, world: World) -> Batches:
    if how.batch_size is None:
        if any(isinstance(module, _BatchNorm) and module.training for module in model.modules()):
            raise ArgumentError("batch", "all", "a number: the network normalises by batches")
        return OneBatch(AllSamples(lambda: data.chunks("train", world.rank, world.size)))
    if how.batch_size < world.size:
        wanted = f"a sample or more for each of {world.size} processes"
        raise ArgumentError("batch", how.batch_size, wanted)
    rows = len(data.rows["train"]) if isinstance(data, InMemory) else how.batch_size
    check_positives(how.batch_positives, how.batch_size, rows)
    return data.batches(
        batch_size=how.batch_size,
        positives=how.batch_positives,
        seed=how.seed,
        process=world.rank,
        processes=world.size,
    )


def _computed_once(model: FrozenScorer, data: ImageProblem) -> Data:
    """The features of all images, and in the model the scale of those of the training part."""
    features = features_of_images(model.backbone, data.every_image())
    model.standardise_by(features[torch.from_numpy(data.rows["train"])])
    return data.with_features(features)


def _start(model: nn.Module, data: Data, *, small: bool) -> float:
    """Scales the first weights of a perceptron; the spread of the first scores.

    Epsilon is given in units of this spread. With `small` the scores of a perceptron begin small,
    around the log odds.
    """
    perceptron = model.head if isinstance(model, FrozenScorer) else model
    if isinstance(perceptron, MLP):
        rows = _first_rows(data)
        features = rows.features
        if isinstance(model, FrozenScorer):
            features = model.standardised(features.to(model.mean.device))
        if small:
            start_at_log_odds(perceptron, features, rows.targets > 0)
        else:
            scale_to_unit_spread(perceptron, features)
        return 1.0
    model.eval()
    with torch.no_grad():
        spread = float(model(next(iter(data.chunks("train"))).features).std(correction=0))
    model.train()
    return spread if spread > 0 else 1.0


def _first_rows(data: Data) -> Part:
    """The first training rows: as many of them in whatever pieces the data come."""
    found, left = list[Part](), _FIRST_ROWS
    for chunk in data.chunks("train"):
        found.append(chunk[:left])
        left -= len(found[-1])
        if not left:
            break
    return Part.join(found)
