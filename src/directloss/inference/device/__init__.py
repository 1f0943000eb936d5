"""Exact inference in operations of torch alone: scores that are on a device stay there.

Each solver is one sort, counts by binary search in what is sorted, and one way back. Shapes follow
from the shapes of the scores, and no number is looked at from Python: nothing here stops the queue
of a device, and `torch.compile` takes each solver as one graph. Lists are rows (L, n), with a mask
for what is left out; `docs/device.md` says which tasks have a solver.
"""

from directloss.inference.device.counting import Additive, SetMetric
from directloss.inference.device.pairs import FirstPositive, PartialArea, RocArea
from directloss.inference.device.positions import ByPosition, Divisor
from directloss.inference.device.solver import Solved, Solver

__all__ = [
    "Additive",
    "ByPosition",
    "Divisor",
    "FirstPositive",
    "PartialArea",
    "RocArea",
    "SetMetric",
    "Solved",
    "Solver",
]
