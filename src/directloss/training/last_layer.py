"""The last layer of a network alone, on features that are computed once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from directloss.errors import ArgumentError
from directloss.training.data import Loader, Part, Parts, Sources, pieces

_ROWS = 4096  # a forward pass


class LastLayer(nn.Module):
    """A layer of a network as a network of its own; a single output is a score.

    Its parameters are those of the network: who trains one trains the other.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.layer(features)
        return scores.squeeze(-1) if scores.ndim == 2 and scores.shape[1] == 1 else scores


@torch.no_grad()
def on_features(
    model: nn.Module, name: str, data: Parts | Sources, device: torch.device
) -> tuple[LastLayer, Sources]:
    """The last layer, and for each sample what it is given, by the network in evaluation mode.

    Args:
        model: a network whose scores are what the layer returns.
        name: of the layer, as `named_modules` has it.
        data: the three parts.
        device: where to compute.

    Raises:
        ArgumentError: there is no such layer, or the scores are not what it returns.
    """
    layers = dict(model.named_modules())
    if not name or name not in layers:
        known = ", ".join(layer for layer in layers if layer)
        raise ArgumentError("last_layer", repr(name), f"one of {known}")
    last = LastLayer(layers[name])
    given: list[Tensor] = []
    hook = layers[name].register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    mode = model.training
    model.to(device).eval()

    def features(source: Part | Loader) -> Part:
        parts: list[Part] = []
        for piece in pieces(source, device, _ROWS):
            scores = model(piece.features)
            own, calls = given[-1] if given else piece.features, len(given)
            again = last(own)
            given.clear()
            if calls != 1 or again.shape != scores.shape or not torch.allclose(again, scores):
                raise ArgumentError("last_layer", repr(name), "the layer that returns the scores")
            parts.append(Part(own, piece.targets, piece.groups))
        return Part.join(parts)

    try:
        test = None if data.test is None else features(data.test)
        return last, Sources(features(data.train), features(data.validation), test)
    finally:
        hook.remove()
        model.train(mode)
