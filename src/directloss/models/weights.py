"""Pretrained weights: read, converted, identified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from directloss.errors import ArgumentError
from directloss.files import open_file

AUTO, RANDOM = "auto", "random"

_FIRES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}
"""Number of a fire module -> its place in torchvision's `features` of SqueezeNet 1.1."""

_FIRE_LAYERS = {"s": "squeeze", "e1": "expand1x1", "e3": "expand3x3"}


def from_hub(name: str, load: Callable[[], nn.Module]) -> nn.Module:
    """What `load` gives.

    Raises:
        ArgumentError: the weights cannot be fetched.
    """
    try:
        return load()
    except (OSError, RuntimeError, ValueError) as error:
        raise ArgumentError(
            "weights",
            f"none for {name} from the hub ({type(error).__name__}: {error})",
            "a file of a state_dict, or 'random'",
        ) from error


def read_state(file: str) -> dict[str, Tensor]:
    """The tensors of a `state_dict`'s file, by name; nothing else is unpickled.

    Raises:
        ArgumentError: it cannot be read, or holds something else.
    """
    try:
        with open_file(Path(file)) as content:
            state = torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and zipfile each raise their own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArgumentError(
            "weights", f"{file!r} ({reason})", "auto, random, or a file of a state_dict"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ArgumentError("weights", repr(file), "a file of a state_dict: names and tensors")
    return state


def fill(network: nn.Module, state: Mapping[str, Tensor], file: str) -> None:
    """Loads the weights.

    Raises:
        ArgumentError: names or shapes do not fit.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ArgumentError("weights", f"{file!r} ({reason})", "the network's layout") from error


def is_short_squeezenet(state: Mapping[str, Tensor]) -> bool:
    """Whether these are weights of SqueezeNet 1.1 under names such as `fire2.s.weight`."""
    return "fire2.s.weight" in state


def squeezenet_layout(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """SqueezeNet 1.1 under torchvision's names, for RGB instead of BGR.

    Raises:
        ArgumentError: a name that SqueezeNet 1.1 has not.
    """
    names = {"conv1": "features.0", "conv10": "classifier.1"}
    for number, place in _FIRES.items():
        for short, long in _FIRE_LAYERS.items():
            names[f"fire{number}.{short}"] = f"features.{place}.{long}"
    converted = {}
    for key, value in state.items():
        layer, _, kind = key.rpartition(".")
        if layer not in names:
            raise ArgumentError("weights", f"the name {key!r}", f"one of {', '.join(names)}")
        converted[f"{names[layer]}.{kind}"] = value.flip(1) if key == "conv1.weight" else value
    return converted


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes, types and values."""
    digest = hashlib.sha256()
    for key, value in state.items():
        digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
