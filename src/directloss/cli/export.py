"""`directloss export`: a trained model for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[Path, typer.Argument(help="Model folder that `directloss train` wrote.")],
    onnx: Annotated[Path, typer.Option(help="ONNX file to write.")],
) -> None:
    """Writes a model with its preprocessing for onnxruntime and whatever else reads ONNX.

    The scores of the file are compared with those of the model before it appears. Models that read
    texts or dates are refused. Needs the extra `onnx`.
    """
    from rich.console import Console

    from directloss.jobs.export import export_onnx
    from directloss.jobs.model import open_model
    from directloss.terminal import say

    distance = export_onnx(open_model(model), onnx)
    words = f"the scores of onnxruntime are within {distance:.1g} of the model's"
    say(Console(), f"{onnx.resolve()}: {words}")
