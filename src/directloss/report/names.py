"""What a method's name says, in words."""

from __future__ import annotations

from collections.abc import Sequence

HOW_TO_READ = (
    "A method's name is its update, a hyphen, and the metric whose loss it descends: "
    "pos-ap is direct loss minimization in the positive direction for average precision. "
    "Without a hyphen the metric is the one that is reported."
)

_UPDATES = {
    "logistic": "cross-entropy, which does not know the metric",
    "pos": "direct loss minimization, positive direction: away from slightly worse predictions",
    "neg": "direct loss minimization, negative direction: toward slightly better predictions",
    "both": "direct loss minimization, the mean of both directions: a central difference",
    "hinge": "margin rescaling: the ground truth against its worst margin violator",
    "per": "perceptron: the ground truth against the prediction",
    "mix": "cross-entropy plus a weighted direct loss",
    "smooth": "Smooth-AP: each comparison of two scores is a sigmoid",
    "blackbox": "blackbox differentiation: a second ranking at perturbed scores is the gradient",
    "soft": "soft ranks: the projection onto all rankings",
    "regression": "squared difference of score and target",
    "softmax": "cross-entropy of a softmax over all classes, trained jointly",
    "listnet": "cross-entropy of softmax distributions over a list",
}
_METRICS = {
    "ap": "average precision",
    "01": "0-1 loss (share of wrong labels)",
    "regularised": "a control: small initial scores and strong L2",
}


def glossary(methods: Sequence[str]) -> list[tuple[str, str]]:
    """The parts of the given names with their meaning; unknown parts are left out."""
    parts = [method.partition("-") for method in methods]
    updates = {update for update, _, _ in parts}
    metrics = {metric for update, _, metric in parts if update in _UPDATES}
    return [
        (f"{key}-" if any(name.startswith(f"{key}-") for name in methods) else key, meaning)
        for key, meaning in _UPDATES.items()
        if key in updates
    ] + [(f"-{key}", meaning) for key, meaning in _METRICS.items() if key in metrics]
