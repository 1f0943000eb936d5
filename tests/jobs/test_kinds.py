"""A new kind of data is one class and one entry of `KINDS`: here texts; the long ones are spam."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from directloss.datasets import DataError
from directloss.datasets.data import Data, InMemory
from directloss.datasets.splits import Split, stratified
from directloss.jobs.config import Configuration, DataSection, ModelSection, read_configuration
from directloss.jobs.evaluate import evaluate
from directloss.jobs.kinds import KINDS, Labelled, Unlabelled, kind_at
from directloss.jobs.kinds.tables import Tables
from directloss.jobs.model import open_model
from directloss.jobs.predict import predict
from directloss.jobs.train import train
from directloss.models import MLP
from directloss.training.data import SPLITS, Part, Parts
from directloss.training.model_folder import About


class TextRecipe(BaseModel):
    """A text is its length."""

    kind: Literal["texts"] = "texts"
    unit: float

    def apply(self, texts: list[str]) -> Tensor:
        return torch.tensor([[len(text) / self.unit] for text in texts])


@dataclass(frozen=True)
class TextProblem(InMemory):
    """`Data` of lines `spam TEXT` and `ham TEXT`."""

    texts: list[str]
    positives: Tensor
    rows: Split
    recipe: TextRecipe

    target_name = "label"
    positive = "spam"
    columns = ("spam",)

    def parts(self, column: str) -> Parts:
        features = self.recipe.apply(self.texts)
        rows = {name: torch.from_numpy(self.rows[name]) for name in SPLITS}
        return Parts(**{name: Part(features[k], self.positives[k]) for name, k in rows.items()})

    def describe(self) -> str:
        return f"{len(self.texts)} texts"


class Texts:
    """See `Kind`."""

    recipe = TextRecipe

    def fits(self, path: str) -> bool:
        return path.endswith(".texts")

    def digest(self, path: str) -> str:
        return sha256(Path(path).read_bytes()).hexdigest()

    def usual(self, configuration: Configuration) -> Configuration:
        return configuration

    def open(self, configuration: Configuration, *, graded: bool | None) -> Data:
        labels, texts = _read(configuration.data.path)
        positives = np.array([label == "spam" for label in labels])
        rows = stratified(positives.astype(np.int64), configuration.training.seed)
        unit = float(np.mean([len(texts[row]) for row in rows["train"]]))
        return TextProblem(texts, torch.from_numpy(positives), rows, TextRecipe(unit=unit))

    def network(
        self, section: ModelSection, recipe: TextRecipe, *, seed: int, pretrained: bool = True
    ) -> nn.Module:
        return MLP(1, section.hidden, generator=torch.Generator().manual_seed(seed))

    def without_values(self) -> AbstractContextManager[object]:
        return torch.device("meta")

    def unlabelled(self, recipe: TextRecipe, path: str) -> Unlabelled:
        texts = Path(path).read_text().splitlines()
        pieces = iter([(pa.table({"text": texts}), recipe.apply(texts))])
        return Unlabelled(["text"], len(texts), pieces)

    def labelled(
        self, recipe: TextRecipe, path: str, section: DataSection, about: About, *, graded: bool
    ) -> Labelled:
        def pieces() -> Iterator[Part]:
            labels, texts = _read(path)
            positives = [label == about.positive for label in labels]
            yield Part(recipe.apply(texts), torch.tensor(positives))

        return Labelled(pieces())


def _read(path: str) -> tuple[list[str], list[str]]:
    lines = [line.partition(" ") for line in Path(path).read_text().splitlines()]
    if not all(space for _, space, _ in lines):
        raise DataError(f"--data: {path} has a line without a label")
    return [label for label, *_ in lines], [text for *_, text in lines]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before tables, which take what nothing else takes."""
    monkeypatch.delitem(KINDS, "table")
    monkeypatch.setitem(KINDS, "texts", Texts())
    monkeypatch.setitem(KINDS, "table", Tables())


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 60, 300)
    spam = lengths + generator.normal(0, 4, 300) > 45
    file = tmp_path / "mail.texts"
    lines = (f"{'spam' if s else 'ham'} {'x' * n}" for n, s in zip(lengths, spam, strict=True))
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize("batch", ["all", 32])
def test_a_new_kind_is_trained_evaluated_and_predicted(
    batch: int | str, texts: Path, tmp_path: Path
) -> None:
    configuration = read_configuration(
        None, {"data": str(texts), "hidden": (), "batch": batch, "epochs": 20}
    )
    trained = train(configuration, tmp_path / "model")
    assert trained.metrics["test"] > 0.9
    model = open_model(tmp_path / "model")
    assert model.about.target == "label"
    assert model.about.positive == "spam"
    for data, rows in ((None, 60), (str(texts), 300)):
        found = evaluate(model, data=data, resamples=0, command=[])
        assert found.rows == rows
        assert next(line for line in found.lines if line.name == "average-precision").value > 0.9
    unlabelled = tmp_path / "new.texts"
    unlabelled.write_text("\n".join("x" * n for n in (3, 50, 20)))
    assert predict(model, str(unlabelled), tmp_path / "scores.csv") == 3
    with (tmp_path / "scores.csv").open() as file:
        scores = {row["text"]: float(row["score"]) for row in csv.DictReader(file)}
    assert sorted(scores, key=lambda text: scores[text]) == ["x" * 3, "x" * 20, "x" * 50]


def test_tables_take_what_no_other_kind_takes(tmp_path: Path) -> None:
    assert isinstance(kind_at(str(tmp_path / "a.csv")), Tables)
    assert isinstance(kind_at(str(tmp_path / "a.texts")), Texts)
    assert list(KINDS)[-1] == "table"
