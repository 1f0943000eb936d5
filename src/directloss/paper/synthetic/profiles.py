"""How much is run: quick, default, full."""

from __future__ import annotations

from directloss.paper.synthetic.columns import LINEAR_SETTINGS, NETWORK_SETTINGS
from directloss.paper.synthetic.config import Kind, StudyConfig


def default(kind: Kind) -> StudyConfig:
    """The network takes about 20 minutes of one core's time, the linear function 4."""
    if kind == "linear":
        return StudyConfig(kind=kind, settings=tuple(LINEAR_SETTINGS), flips=(0.2,))
    return StudyConfig(kind=kind, settings=tuple(NETWORK_SETTINGS), flips=(0.1, 0.2, 0.3, 0.4))


def quick(kind: Kind) -> StudyConfig:
    """Less of everything: shows that it works, and no more."""
    return default(kind).model_copy(
        update={
            "points": 2000,
            "iterations": 60,
            "trials": 2,
            "seeds": 2,
            "flips": (0.2,) if kind == "linear" else (0.2, 0.4),
        }
    )


def full(kind: Kind) -> StudyConfig:
    """Twenty seeds of everything."""
    return default(kind).model_copy(update={"seeds": 20})
