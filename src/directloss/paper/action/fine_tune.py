"""All layers trained, from the top layer's own best result on.

Each step is one on the whole training part: the loss sees the scores of all crops, while the
network holds a few of them at a time.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from directloss.files import whole_file
from directloss.models.backbones import Backbone
from directloss.models.features import CropSettings, cut_crops
from directloss.paper.action.config import CHUNK, ActionExperiment
from directloss.paper.action.methods import ACTION_METHODS, SOFTMAX
from directloss.paper.action.persons import Persons
from directloss.paper.action.problem import Problem
from directloss.paper.action.trial import (
    load_problem,
    load_table,
    metric_of,
    test_ranking,
    train_head,
)
from directloss.study.assignments import Assignment
from directloss.study.records import finished, warnings_noted
from directloss.study.stages import digest
from directloss.training import fit
from directloss.training.data import Part, Parts
from directloss.training.search import Finished


def keep_crops(persons: Persons, settings: CropSettings, cache: Path) -> Path:
    """A file of the crops of all persons, `(persons, 3, size, size)`; made if it is not there.

    It is mapped and not read: the crops of VOC2012's actions take a gigabyte.
    """
    backbone = settings.load()
    name = digest(persons.fingerprint(), backbone.size, settings.padding, backbone.fill)
    file = cache / f"crops-{name}.npy"
    if file.exists():
        return file
    cache.mkdir(parents=True, exist_ok=True)
    shape = (len(persons.labels), 3, backbone.size, backbone.size)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with whole_file(file, durable=False) as content:
        np.lib.format.write_array_header_1_0(content, header)
        for photograph in persons.photographs:
            cut = cut_crops(settings, photograph.file, photograph.boxes)[0]
            content.write(cut.transpose(0, 3, 1, 2).tobytes())
    return file


class Classifier(nn.Module):
    """A backbone and a head that was trained on its standardised features.

    Crops `(n, 3, size, size)` of RGB in 0..255 -> scores of the head.
    """

    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        centre: NDArray[np.float32],
        scale: NDArray[np.float32],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.register_buffer("centre", torch.from_numpy(centre))
        self.register_buffer("scale", torch.from_numpy(scale))

    def forward(self, crops: Tensor) -> Tensor:
        # Without a gradient nothing has to be held, so whole parts may come in.
        chunks = [crops] if torch.is_grad_enabled() else torch.split(crops, CHUNK)
        return torch.cat([self._scores(chunk) for chunk in chunks])

    def _scores(self, crops: Tensor) -> Tensor:
        scores: Tensor = self.head((self.backbone(crops) - self.centre) * self.scale)
        return scores


def fine_tune(
    experiment: ActionExperiment, features: Path, crops: Path, assignment: Assignment
) -> Finished:
    """Trains a head as the search did, then all layers; the first history entry is the head's.

    The network is the one of the entry that is best on validation, which may be the first.
    Batch normalisation and dropout are off: a step on the whole part goes through the network
    twice, and statistics of small chunks would be those of no batch at all.
    """
    cell, settings = assignment.cell, assignment.settings
    problem = load_problem(experiment, features, cell.column, cell.seed)
    pixels = torch.from_numpy(np.load(crops, mmap_mode="c"))
    with warnings_noted() as caught:
        head = train_head(experiment, features, cell, settings).model
        # A copy: the loaded network serves other cells, too.
        backbone = copy.deepcopy(experiment.crops.load()).cpu()
        scaling = problem.centre_and_scale(load_table(features).features)
        model = Classifier(backbone, head, *scaling).eval()
        result = fit(
            model,
            ACTION_METHODS[cell.method].loss(settings, spread=1.0),
            _parts(problem, pixels, mirror=experiment.mirror, joint=cell.method == SOFTMAX),
            metric_of(cell.method, problem),
            experiment.fine_tune_config(settings, cell.seed),
            accelerator=Accelerator(),
        )
    device = model.centre.device
    with torch.no_grad():
        outputs = model(pixels[problem.test].to(device)).cpu()
    return finished(assignment, result, caught, ranking=test_ranking(problem, outputs))


def _parts(problem: Problem, pixels: Tensor, *, mirror: bool, joint: bool) -> Parts:
    """Crops instead of features: in training each one and, if asked for, its mirror image."""
    targets = problem.targets(joint=joint)
    train, validation, test = (
        Part(pixels[rows], targets[rows])
        for rows in (problem.train, problem.validation, problem.test)
    )
    if mirror:
        train = Part(torch.cat([train.features, train.features.flip(-1)]), train.targets.repeat(2))
    return Parts(train, validation, test)
