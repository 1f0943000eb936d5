"""The columns of a study: what is trained how, on which labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from directloss.paper.synthetic.candidates import ADDED, NOISE, OURS, PAPER
from directloss.paper.synthetic.student import Start


@dataclass(frozen=True)
class Column:
    """One setting on one kind of labels, with the methods that are compared there.

    Attributes:
        name: as tables show it.
        explanation: what it is for.
        start, unit_spread, biases: the student; see `Student`. With `unit_spread` its last layer
            is scaled so that the untrained scores have spread 1.
        momentum: of SGD.
        iterations: full-batch steps.
        grid: which grids the methods search, see `candidates`.
        methods: their names.
        trials: settings tried for each method.
        seeds: repetitions that are reported.
        flips: share of flipped labels, in training and in what settings are chosen by.
    """

    name: str
    explanation: str
    trials: int
    seeds: int
    methods: tuple[str, ...]
    start: Start = "he"
    unit_spread: bool = True
    biases: bool = True
    momentum: float = 0.9
    iterations: int = 500
    grid: str = "clean"
    flips: float = 0.0

    @property
    def setting(self) -> str:
        """The name without the flips."""
        return self.name.partition(",")[0] if self.flips else self.name


FAIR = Column(
    "fair",
    "The student starts as one would start it today: biases, He's initial weights, scores of "
    "spread 1, momentum 0.9. Every method has the same number of trials.",
    trials=8,
    seeds=5,
    methods=PAPER + ADDED,
)
LITERAL = replace(
    FAIR,
    name="literal",
    explanation="The student is drawn like the generator, all weights and biases from N(0, 1), as "
    "the paper can be read; its untrained scores are far apart.",
    trials=3,
    seeds=3,
    methods=PAPER + OURS,
    start="gaussian",
    unit_spread=False,
    iterations=300,
)
BIAS_FREE = replace(
    FAIR,
    name="bias-free",
    explanation="The student has no biases, so that it cannot move its scores against the fixed "
    "threshold of cross-entropy and 0-1 loss; ranking losses need no threshold.",
    trials=3,
    seeds=3,
    methods=PAPER + OURS,
    biases=False,
)
NETWORK_SETTINGS = {column.name: column for column in (FAIR, LITERAL, BIAS_FREE)}

TUNED = Column(
    "tuned",
    "phi = <w, x> with momentum 0.9; learning rate, L2 and epsilon are searched.",
    trials=4,
    seeds=3,
    methods=PAPER + OURS,
    biases=False,
    iterations=300,
)
LARGE_STEP = replace(
    TUNED,
    name="large step",
    explanation="phi = <w, x>, epsilon 10 times the initial spread and no momentum: only the "
    "learning rate is searched.",
    trials=3,
    methods=PAPER,
    momentum=0.0,
    grid="large-step",
)
LARGE_STEP_MOMENTUM = replace(
    LARGE_STEP,
    name="large step + momentum",
    explanation="As “large step”, with momentum 0.9.",
    momentum=0.9,
)
LINEAR_SETTINGS = {column.name: column for column in (TUNED, LARGE_STEP, LARGE_STEP_MOMENTUM)}


def noisy(setting: Column, flips: float) -> Column:
    """The same setting with a share of the labels flipped."""
    percent = f"{100 * flips:g} % flips"
    return replace(
        setting,
        name=f"{setting.name}, {percent}",
        explanation=f"{setting.explanation} {percent} among the labels that training sees.",
        flips=flips,
    )


def label_noise(flips: float) -> Column:
    """The fair setting under label noise, with grids that reach to large smoothing."""
    return replace(noisy(FAIR, flips), trials=4, methods=NOISE, grid="noisy")
