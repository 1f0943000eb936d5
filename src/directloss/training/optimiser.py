"""The optimiser of a model: learning rate per parameter group, L2 on weights only."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

from directloss.errors import ArgumentError
from directloss.training.config import FitConfig


def make_optimiser(model: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    """SGD with momentum or Adam over the model's trainable parameters.

    Parameters with the same learning rate factor and L2 form one group. Biases and other vectors
    (such as the gains of a normalisation) have no L2, as in the authors' release.

    Raises:
        ArgumentError: a prefix of `learning_rate_factors` fits no parameter.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    unused = set(config.learning_rate_factors)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        prefixes = [prefix for prefix in config.learning_rate_factors if name.startswith(prefix)]
        unused.difference_update(prefixes)
        factor = config.learning_rate_factors[max(prefixes, key=len)] if prefixes else 1.0
        groups[factor, config.l2 if parameter.ndim > 1 else 0.0].append(parameter)
    if unused:
        names = [name for name, _ in model.named_parameters()]
        raise ArgumentError("learning_rate_factors", sorted(unused), f"prefixes of {names}")
    options = [
        {"params": parameters, "lr": config.learning_rate * factor, "weight_decay": l2}
        for (factor, l2), parameters in groups.items()
    ]
    if config.optimiser == "adam":
        return torch.optim.Adam(options)
    return torch.optim.SGD(options, lr=config.learning_rate, momentum=config.momentum)
