"""The library without any extra: all of it works, and what needs one says how to install it."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

import directloss as dl
from directloss._extras import IMAGES, METRICS, TRAIN, require
from directloss.errors import DirectLossError, MissingPackageError

EXTRAS = {"train": TRAIN, "images": IMAGES, "metrics": METRICS}

ABSENT = sorted(
    {*TRAIN.values(), *IMAGES.values(), *METRICS.values(), "scipy", "matplotlib", "cv2", "timm"}
    # These three are torch's own requirements.
    - {"filelock", "jinja2", "markupsafe"}
)
"""Modules that an installation of the library alone does not have."""

# `sys.modules[name] = None` makes an import of the name fail.
ALONE = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT}))
"""

USE = """
import torch
import directloss as dl
from directloss.training import (
    BalancedBatchSampler, GlobalBatchLoss, ScoreMemory, whole_dataset_step,
)

torch.manual_seed(0)
x = torch.randn(200, 3)
y = (x[:, 0] > 1).long()
assert all(getattr(dl, name) is not None for name in dl.__all__)
for loss_fn in (
    dl.DirectLoss(dl.AveragePrecision()),
    dl.HingeLoss(dl.ZeroOne()),
    ScoreMemory(dl.DirectLoss(dl.AveragePrecision()), 2),
    GlobalBatchLoss(dl.DirectLoss(dl.AveragePrecision())),
):
    model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))
    torch.nn.init.zeros_(model[0].weight)  # equal scores have a gradient in every direction
    for batch in BalancedBatchSampler(y, 50):
        loss_fn(model(x[batch]), y[batch]).backward()
    assert model[0].weight.grad.isfinite().all() and model[0].weight.grad.any(), loss_fn
step = whole_dataset_step(model, [(x, y)], dl.DirectLoss(dl.AveragePrecision()))
assert 0 < float(step.loss) < 1
print("done")
"""


def alone(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ALONE + code],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_losses_samplers_memory_and_whole_data_sets_need_no_extra() -> None:
    done = alone(USE)
    assert done.stdout == "done\n", done.stderr


REFUSED = {
    "from directloss.training import fit": ("directloss.training.fit", "accelerate", "train"),
    "import directloss.training as t; t.plan": ("directloss.training.plan", "optuna", "train"),
    "import directloss.datasets": ("directloss.datasets", "accelerate", "train"),
    "import directloss.jobs.train": ("directloss.jobs", "accelerate", "train"),
    "from directloss.report import Results": ("directloss.report", "accelerate", "train"),
    "import directloss.sklearn": ("directloss.sklearn", "accelerate", "train"),
    "import directloss as dl; dl.metric_scorer": ("directloss.sklearn", "accelerate", "train"),
    "import directloss.study.metrics": ("directloss.study", "accelerate", "train"),
    "import directloss.integrations.torchmetrics": (
        "directloss.integrations.torchmetrics",
        "torchmetrics",
        "metrics",
    ),
}
"""Statement -> what needs which package of which extra."""

REFUSE = f"""
from directloss.errors import MissingPackageError
for statement in {list(REFUSED)}:
    try:
        exec(statement)
    except MissingPackageError as error:
        print(error)
"""


def test_what_needs_an_extra_says_so_in_one_line() -> None:
    done = alone(REFUSE)
    wanted = [
        f"{user} needs {package}: pip install 'directloss[{extra}]'"
        for user, package, extra in REFUSED.values()
    ]
    assert done.stdout.splitlines() == wanted, done.stderr


def test_the_error_is_one_of_ours_and_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingPackageError, match="the search needs optuna: ") as raised:
        require("the search", "train", {"numpy": "numpy", "optuna": "optuna"})
    assert isinstance(raised.value, DirectLossError)
    assert isinstance(raised.value, ImportError)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_the_library_is_imported_at_the_first_use_of_a_name() -> None:
    before = "import directloss, sys; print(directloss.__version__, 'torch' in sys.modules)\n"
    first = "directloss.losses; print('torch' in sys.modules)\n"
    names = "functional", "errors", "tasks", "losses", "training"
    modules = f"print([getattr(directloss, name).__name__ for name in {names}])"
    done = alone(before + first + modules)
    wanted = [f"{dl.__version__} False", "True", str([f"directloss.{name}" for name in names])]
    assert done.stdout.splitlines() == wanted, done.stderr


def test_every_public_name_is_there_and_no_other() -> None:
    assert set(dl.__all__) <= set(dir(dl))
    for name in dl.__all__:
        assert getattr(dl, name) is getattr(dl, name)
    with pytest.raises(AttributeError, match="no attribute 'AvergePrecision'"):
        dl.AvergePrecision  # noqa: B018


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_packages_of_an_extra_are_those_of_the_project(extra: str) -> None:
    file = Path(__file__).parents[1] / "pyproject.toml"
    wanted = tomllib.loads(file.read_text())["project"]["optional-dependencies"][extra]
    names = {re.split("[<>=\\[ ]", requirement)[0] for requirement in wanted}
    assert set(EXTRAS[extra]) == names - {"directloss"}


@pytest.mark.parametrize(("extra", "packages"), EXTRAS.items(), ids=EXTRAS)
def test_a_package_brings_the_module_by_which_it_is_known(
    extra: str, packages: dict[str, str]
) -> None:
    brought = packages_distributions()
    for package, module in packages.items():
        if find_spec(module) is None:
            pytest.skip(f"directloss[{extra}] is not installed")
        distributions = {name.lower().replace("_", "-") for name in brought[module]}
        assert package in distributions
