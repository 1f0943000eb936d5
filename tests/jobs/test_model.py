from __future__ import annotations

import hashlib
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from directloss.datasets.cells import Kind
from directloss.datasets.images import ImageRecipe
from directloss.datasets.reading import Reading
from directloss.datasets.recipe import Categories, Numbers, Recipe, Scale
from directloss.errors import DirectLossError
from directloss.jobs.config import Configuration, ModelSection
from directloss.jobs.kinds.tables import Tables
from directloss.jobs.model import open_model
from directloss.training.model_folder import (
    CONFIGURATION,
    METRICS,
    MODEL,
    PREPROCESSING,
    WEIGHTS,
    ModelError,
    write_model,
)

SECTION = ModelSection(hidden=(3,))
TABLE = Recipe(
    version=2,
    reading=Reading(),
    numbers=tuple(
        Numbers(name=name, median=0.0, values=Scale(mean=0.0, scale=1.0)) for name in "ab"
    ),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A perceptron of two numbers."""
    network = Tables().network(SECTION, TABLE, seed=0)
    write_model(
        tmp_path,
        weights=network.state_dict(),
        preprocessing=TABLE.model_dump_json(),
        configuration=Configuration(model=SECTION).to_toml(),
        metrics={"test": 0.5},
        target="y",
        positive="1",
        threshold=None,
        thresholds={},
    )
    return tmp_path


def exchange(folder: Path, name: str, content: bytes) -> None:
    """Puts in a file with its true digest, as one who wants to harm would."""
    (folder / name).write_bytes(content)
    if name != MODEL:
        about = json.loads((folder / MODEL).read_bytes())
        about["sha256"][name] = hashlib.sha256(content).hexdigest()
        (folder / MODEL).write_text(json.dumps(about))


def test_a_model_gives_the_scores_of_its_network(folder: Path) -> None:
    features = torch.arange(8.0).reshape(4, 2)
    model = open_model(folder)
    expected = Tables().network(SECTION, TABLE, seed=0)(features)
    assert torch.equal(model.scores(features), expected)
    assert not any(tensor.is_meta for tensor in model.network.state_dict().values())


def test_pieces_of_a_wide_network_give_the_same_scores(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    model = open_model(folder)
    whole = model.scores(features)
    monkeypatch.setattr("directloss.jobs.model._MOST_VALUES", 7)  # two rows at a time
    torch.testing.assert_close(model.scores(features), whole)


def configured(text: str) -> bytes:
    return Configuration(model=SECTION).to_toml().replace("hidden = [\n    3,\n]", text).encode()


def tensors(**changes: torch.Tensor) -> bytes:
    state = Tables().network(SECTION, TABLE, seed=0).state_dict()
    return safetensors.torch.save(state | changes)


def declared(shape: list[int]) -> bytes:
    """A file whose head promises more than there is."""
    head = json.dumps({"head.bias": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}})
    return len(head).to_bytes(8, "little") + head.encode() + bytes(4)


DEEP = 100_000
HARMFUL: dict[str, tuple[str, bytes]] = {
    "wide": (CONFIGURATION, configured("hidden = [1000000, 1000000]")),
    "wider": (CONFIGURATION, configured("hidden = [1000000000, 1000000000]")),
    "many layers": (CONFIGURATION, configured(f"hidden = {[1] * 20_000}")),
    "nested": (CONFIGURATION, b"x = " + b"[" * DEEP),
    "dotted": (CONFIGURATION, b"data." + b"a." * 120_000 + b"a = 1"),
    "dotted header": (CONFIGURATION, b"['a'" + b' . "="' * 40_000 + b"]"),
    "digits": (CONFIGURATION, configured("hidden = [" + "9" * 20_000 + "]")),
    "hexadecimal": (CONFIGURATION, configured("hidden = [0x" + "f" * 20_000 + "]")),
    "long": (CONFIGURATION, b"#" * 10_000_000),
    "other network": (CONFIGURATION, configured("hidden = [4]")),
    "json nested": (PREPROCESSING, b"[" * DEEP),
    "json nested in place": (
        PREPROCESSING,
        TABLE.model_dump_json().replace('"a"', "[" * DEEP + "]" * DEEP).encode(),
    ),
    "json digits": (
        PREPROCESSING,
        TABLE.model_dump_json().replace('"median":0.0', f'"median":{"9" * DEEP}').encode(),
    ),
    "json twice": (
        PREPROCESSING,
        Recipe(
            version=2,
            reading=Reading(),
            categories=(Categories(name="a", kind=Kind.TEXT, known=("x", "y")),),
        )
        .model_dump_json()
        .replace('"y"', '"x"')
        .encode(),
    ),
    "slow encoding": (
        PREPROCESSING,
        TABLE.model_dump_json().replace('"utf-8"', '"idna"').encode(),
    ),
    "images instead": (PREPROCESSING, ImageRecipe(size=4096).model_dump_json().encode()),
    "metrics nested": (METRICS, b"[" * DEEP),
    "metrics of another kind": (METRICS, b"[1]"),
    "metrics of many digits": (METRICS, b'{"test": ' + b"9" * DEEP + b"}"),
    "about nested": (MODEL, b'{"versions": ' + b"[" * DEEP),
    "about long": (MODEL, b" " * 10_000_000),
    "no tensors": (WEIGHTS, safetensors.torch.save({})),
    "one more": (WEIGHTS, tensors(more=torch.zeros(1))),
    "other shape": (WEIGHTS, tensors(**{"head.bias": torch.zeros(2)})),
    "other type": (WEIGHTS, tensors(**{"head.bias": torch.zeros(1, dtype=torch.float64)})),
    "not finite": (WEIGHTS, tensors(**{"head.bias": torch.tensor([float("nan")])})),
    "promised": (WEIGHTS, declared([1 << 40])),
    "promised more": (WEIGHTS, declared([1 << 62, 1 << 62])),
    "empty and vast": (WEIGHTS, tensors(**{"head.bias": torch.zeros(0, 1 << 40)})),
    "long head": (WEIGHTS, (1 << 40).to_bytes(8, "little") + b"{"),
}


def at_once(read: Callable[[], object]) -> str:
    """The message of the error that comes soon, and without memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    with pytest.raises(DirectLossError) as caught:
        read()
    assert time.perf_counter() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kibibytes
    return str(caught.value)


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """New memory is not filled, as it is in all other tests: what is not used takes none."""
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("kind", HARMFUL)
def test_a_small_folder_takes_little(folder: Path, kind: str) -> None:
    name, content = HARMFUL[kind]
    exchange(folder, name, content)
    message = at_once(lambda: open_model(folder))
    assert str(folder) in message
    assert len(message) < 1000


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("backbone", ["regnet_y_128gf", "vit_h_14", "vgg19"])
def test_a_large_network_takes_no_memory_before_its_weights_are_there(
    folder: Path, backbone: str
) -> None:
    section = ModelSection(backbone=backbone)
    exchange(folder, CONFIGURATION, Configuration(model=section).to_toml().encode())
    exchange(folder, PREPROCESSING, ImageRecipe(size=224).model_dump_json().encode())
    message = at_once(lambda: open_model(folder))
    assert "weights.safetensors does not fit the configuration" in message


def test_a_network_for_images_of_another_size_is_named(folder: Path) -> None:
    section = ModelSection(backbone="vit_b_16")
    exchange(folder, CONFIGURATION, Configuration(model=section).to_toml().encode())
    exchange(folder, PREPROCESSING, ImageRecipe(size=96).model_dump_json().encode())
    assert "backbone: got 'vit_b_16'" in at_once(lambda: open_model(folder))


@pytest.mark.parametrize("name", [WEIGHTS, PREPROCESSING, CONFIGURATION, METRICS, MODEL])
def test_what_is_no_file_or_has_no_end_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert str(folder) in at_once(lambda: open_model(folder))
    (folder / name).unlink()
    with (folder / name).open("wb") as file:
        file.truncate(1 << 40)  # of holes
    if name == WEIGHTS:
        assert "bytes, at most" in at_once(lambda: open_model(folder))
    else:
        with pytest.raises(ModelError, match="bytes, at most"):
            open_model(folder)
