"""The methods of the action experiment: the paper's Table 1, the mix, refining, and softmax.

Grids differ from those of tables: a head on hundreds of features has more weights than there are
training persons, so L2 matters more, and large learning rates do harm. Three values an axis: three
trials go through all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from directloss.paper.action.softmax import Softmax
from directloss.training.methods import METHODS, Method

SOFTMAX = "softmax"

_RATES = (0.03, 0.1, 0.3)
_L2 = (0.03, 0.1, 0.3)
_EPSILONS = (0.1, 1.0, 10.0)

_FROM_ALL = ("logistic", "hinge-01", "hinge-ap", "pos-ap", "neg-ap", "mix-ap")
_REFINE = "refine"


def _registry() -> Mapping[str, Method]:
    plain = {"learning_rate": _RATES, "l2": _L2}
    with_epsilon = {**plain, "epsilon": _EPSILONS}
    methods = {
        name: replace(
            METHODS[name], grid=with_epsilon if "epsilon" in METHODS[name].grid else plain
        )
        for name in _FROM_ALL
    }
    refine = METHODS[_REFINE]
    methods[_REFINE] = replace(refine, grid={**plain, "epsilon": refine.grid["epsilon"]})
    methods[SOFTMAX] = Method(
        SOFTMAX,
        "cross-entropy of a softmax over the classes and 'none of them', trained jointly",
        lambda *_: Softmax(),
        plain,
    )
    return MappingProxyType(methods)


ACTION_METHODS: Mapping[str, Method] = _registry()
