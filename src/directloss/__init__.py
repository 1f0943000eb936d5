"""Train PyTorch networks directly on the metric that you report."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from directloss import errors as errors
    from directloss import functional as functional
    from directloss._solver import solver as solver
    from directloss.losses import DirectLoss as DirectLoss
    from directloss.losses import HingeLoss as HingeLoss
    from directloss.losses import PerceptronLoss as PerceptronLoss
    from directloss.perturbation import Perturbation as Perturbation
    from directloss.qrels import Qrels as Qrels
    from directloss.sklearn import metric_scorer as metric_scorer
    from directloss.tasks import *  # noqa: F403  (all its public names are public here)
    from directloss.thresholds import fit_threshold as fit_threshold

__version__ = "0.1.0"

_OTHERS = {
    "directloss.losses": ("DirectLoss", "HingeLoss", "PerceptronLoss"),
    "directloss.perturbation": ("Perturbation",),
    "directloss.qrels": ("Qrels",),
    "directloss.thresholds": ("fit_threshold",),
    "directloss._solver": ("solver",),
}
"""Public names by module, beside those of `directloss.tasks`."""

_OF_AN_EXTRA = {"metric_scorer": "directloss.sklearn"}
"""Names that need more packages, by module; `from directloss import *` leaves them out."""

_MODULES = ("errors", "functional", "losses", "tasks", "training")

if not TYPE_CHECKING:  # a type checker would take every name to be there

    def __getattr__(name: str) -> Any:
        # The library is imported at the first use of a name: the commands answer for their help,
        # version and completion without torch.
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name == "__all__":
            return _public()
        if name in _OF_AN_EXTRA:
            return getattr(import_module(_OF_AN_EXTRA[name]), name)
        if not name.startswith("_"):
            modules = [module for module, names in _OTHERS.items() if name in names]
            for module in modules or ["directloss.tasks"]:
                defined = import_module(module)
                if name in defined.__all__:
                    globals()[name] = getattr(defined, name)
                    return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _public() -> list[str]:
    tasks = import_module("directloss.tasks").__all__
    others = (name for names in _OTHERS.values() for name in names)
    return sorted({*tasks, *others, "errors", "functional"})


def __dir__() -> list[str]:
    return sorted({*globals(), *_public(), *_OF_AN_EXTRA})
