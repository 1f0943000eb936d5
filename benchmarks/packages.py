"""Other people's packages on the same work.

LibAUC asks for two dozen packages that its losses do not use, some of them against our pins, so it
is installed alone, without dependencies, into a folder of its own: `python -m benchmarks.packages`.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.case import Case, Drawn

__all__ = ["FOLDER", "REQUIREMENTS", "missing"]

Step = Callable[[], object]

FOLDER = Path(__file__).resolve().parents[1] / "build" / "peers"
REQUIREMENTS = ("libauc==2.0.1",)


def install(folder: Path = FOLDER) -> None:
    """Put the packages that cannot live with our pins into `folder`."""
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--upgrade"]
    subprocess.run([*pip, "--no-deps", "--target", str(folder), *REQUIREMENTS], check=True)


def missing(name: str) -> str | None:
    """Why a package cannot be measured, or None."""
    if FOLDER.is_dir() and str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))  # last: it must not hide a package of the environment
    if find_spec(name) is not None:
        return None
    way = "python -m benchmarks.packages" if name == "libauc" else "pip install 'directloss[bench]'"
    return f"{name} is not installed ({way})"


def libauc_ap_loss(scores: Tensor, drawn: Drawn, case: Case) -> Tensor:
    """LibAUC's stochastic AP; the moving averages of all samples live in the loss."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its docstrings hold invalid escapes
        from libauc.losses import APLoss
    if case.n not in _libauc:
        _libauc.clear()
        _libauc[case.n] = APLoss(data_len=case.n, device="cpu")
    loss: Tensor = _libauc[case.n](scores[:, None], drawn.binary[:, None], torch.arange(case.n))
    return loss


_libauc: dict[int, Callable[..., Tensor]] = {}


def sklearn_average_precision(case: Case) -> Step:
    from sklearn.metrics import average_precision_score

    drawn = case.draw()
    scores, targets = drawn.scores.detach().numpy(), drawn.binary.numpy()
    return lambda: average_precision_score(targets, scores)


def sklearn_ndcg(case: Case) -> Step:
    from sklearn.metrics import ndcg_score

    drawn = case.draw()
    scores, targets = drawn.scores.detach().numpy()[None], drawn.graded.numpy()[None]
    return lambda: ndcg_score(targets, scores)


def torchmetrics_average_precision(case: Case) -> Step:
    from torchmetrics.functional.classification import binary_average_precision

    drawn = case.draw()
    # Probabilities: what lies outside [0, 1] it passes through a sigmoid first.
    scores = torch.sigmoid(drawn.scores.detach())
    targets = drawn.binary.long()
    return lambda: binary_average_precision(scores, targets)


def torchmetrics_ndcg(case: Case) -> Step:
    from torchmetrics.functional.retrieval import retrieval_normalized_dcg

    drawn = case.draw()
    scores = drawn.scores.detach()
    targets = drawn.graded.long()
    return lambda: retrieval_normalized_dcg(scores, targets)


if __name__ == "__main__":
    install()
