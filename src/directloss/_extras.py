"""A package that an extra brings and that is missing: one line names it and what installs it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from directloss.errors import MissingPackageError

TRAIN: Mapping[str, str] = {
    "accelerate": "accelerate",
    "filelock": "filelock",
    "jinja2": "jinja2",
    "markupsafe": "markupsafe",
    "optuna": "optuna",
    "pandas": "pandas",
    "plotly": "plotly",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "rich": "rich",
    "safetensors": "safetensors",
    "scikit-learn": "sklearn",
    "tensorboard": "tensorboard",
    "tomli-w": "tomli_w",
    "typer": "typer",
}
"""The packages of `directloss[train]`, each with a module that it brings."""

IMAGES: Mapping[str, str] = {"pillow": "PIL", "torchvision": "torchvision"}
"""Those that `directloss[images]` adds."""

ONNX: Mapping[str, str] = {
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "onnxscript": "onnxscript",
}
"""Those that `directloss[onnx]` adds."""

METRICS: Mapping[str, str] = {"torchmetrics": "torchmetrics"}
"""Those of `directloss[metrics]`."""


def require(user: str, extra: str, packages: Mapping[str, str]) -> None:
    """Refuses what needs a package that is not there.

    Args:
        user: what needs the packages, as its caller knows it: "directloss.datasets".
        extra: brings them: "train".
        packages: name -> a module that it brings.

    Raises:
        MissingPackageError: names the first one that is missing.
    """
    for package, module in packages.items():
        if find_spec(module) is None:
            raise MissingPackageError(user, package, extra)
