"""Accumulated gradients of a loss of one's own in the trainer of Hugging Face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import directloss as dl

transformers = pytest.importorskip("transformers", reason="needs transformers")

ROWS = 32


class Scores(nn.Module):
    """Takes further arguments, as the models of transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, inputs: Tensor, **_: Any) -> dict[str, Tensor]:
        return {"logits": self.layer(inputs).squeeze(-1)}


def update(folder: Path, scaled: bool | None, steps: int) -> Tensor:
    """What one step of plain descent adds to the weights, from `steps` times the same batch."""
    torch.manual_seed(0)
    x, y = torch.randn(ROWS, 4), (torch.arange(ROWS) % 4 == 0).long()
    loss_fn = dl.DirectLoss(dl.AveragePrecision())

    class Trainer(transformers.Trainer):  # type: ignore[misc]
        loss_is_scaled_for_ga = scaled

        def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], **_: Any) -> Tensor:
            return loss_fn(model(inputs["inputs"])["logits"], inputs["labels"])

        def _get_train_sampler(self, *_: Any) -> range:
            return range(steps * ROWS)  # as the rows come

    def collate(rows: list[tuple[Tensor, ...]]) -> dict[str, Tensor]:
        inputs, labels = zip(*rows, strict=True)
        return {"inputs": torch.stack(inputs), "labels": torch.stack(labels)}

    model = Scores()
    before = model.layer.weight.detach().clone()
    Trainer(
        model,
        transformers.TrainingArguments(
            str(folder),
            max_steps=1,
            per_device_train_batch_size=ROWS,
            gradient_accumulation_steps=steps,
            optim="sgd",
            learning_rate=1.0,
            lr_scheduler_type="constant",
            max_grad_norm=0.0,
            report_to="none",
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        ),
        data_collator=collate,
        train_dataset=TensorDataset(x.repeat(steps, 1), y.repeat(steps)),
    ).train()
    return model.layer.weight.detach() - before


@pytest.mark.filterwarnings("default")
def test_accumulation_divides_a_loss_of_ones_own_if_the_trainer_is_told_to(tmp_path: Path) -> None:
    one = update(tmp_path, None, 1)
    assert one.any()
    torch.testing.assert_close(update(tmp_path, False, 4), one)
    torch.testing.assert_close(update(tmp_path, None, 4), 4 * one)  # the trap
