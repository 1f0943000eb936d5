"""One label of a classifier: its classes, its network, its threshold and its calibration."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from directloss.errors import ArgumentError
from directloss.sklearn._decisions import shift, threshold_of
from directloss.sklearn._inputs import Inputs, scores_of
from directloss.sklearn._rows import MOST, Array, arranged, split
from directloss.sklearn._training import Layers, Options, Targets, train
from directloss.training.calibration import fit_calibrator
from directloss.training.refinement import FEW_TO_CHOOSE


class Label(NamedTuple):
    """What was learned of a label; the threshold is taken off the last bias already.

    `absent` is the number of rows with a weight that were never drawn.
    """

    layers: Layers
    threshold: float
    calibrator: Any
    history: dict[str, Any]
    absent: int


class Samples(NamedTuple):
    """Checked features, the fingerprint of each row, and weights of rows or None."""

    X: Any
    keys: Array
    weights: Array | None


def read_labels(y: Any, known: Array | None = None) -> tuple[Array, Array]:
    """Classes, and which rows are positive, bool (n, labels).

    Args:
        y: as scikit-learn has checked it.
        known: the classes, of which y may hold one alone; None: those of y.

    Raises:
        ArgumentError: these are not two classes, nor columns of 0 and 1, or not those known.
    """
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    if kind == "multilabel-indicator":
        dense = y.toarray() if sparse.issparse(y) else np.asarray(y)
        if not np.isin(dense, (0, 1)).all():
            raise ArgumentError("y", f"columns of {np.unique(dense)}", "columns of 0 and 1")
        classes = np.arange(dense.shape[1])
        if known is not None and not np.array_equal(classes, known):
            raise ArgumentError("y", f"classes {classes}", f"those before, {known}")
        return classes, dense == 1
    if kind != "binary":
        wanted = "two classes, or columns of 0 and 1. Only binary classification is supported."
        raise ArgumentError("y", f"a target of type {kind}", wanted)
    column = column_or_1d(y, warn=True)
    if known is None:
        classes, which = np.unique(column, return_inverse=True)
        return classes, (which == 1)[:, None]
    if known.size != 2 or not np.isin(column, known).all():
        raise ArgumentError("y", f"classes {np.unique(column)}", f"some of the classes {known}")
    return known, (column == known[1])[:, None]


def read_classes(classes: Any) -> Array:
    """The argument `classes`, sorted.

    Raises:
        ArgumentError: it is not two classes.
    """
    found = np.unique(classes)
    if found.size != 2:
        raise ArgumentError("classes", f"{found}", "two classes")
    return found


def class_weights(
    wanted: Any, names: Array, positive: Array, column: int | None
) -> tuple[float, float] | None:
    """The weights of negatives and positives; None where there are none.

    Args:
        wanted: as scikit-learn has `class_weight`.
        names: of the two classes.
        positive: of the rows that are used, bool (n,).
        column: of y, if it has several.

    Raises:
        ArgumentError: all rows are of one class, or there is no finite weight above 0 for each.
    """
    present = np.unique(positive)
    if present.size < 2:
        where = "" if column is None else f" in column {column}"
        raise ArgumentError("y", f"one class: {names[int(present[0])]}{where}", "two classes")
    if wanted is None:
        return None
    try:
        found = compute_class_weight(wanted, classes=names, y=names[positive.astype(int)])
    except (TypeError, ValueError, OverflowError) as error:
        form = f"a dictionary with a number for each of {names.tolist()}, 'balanced' or None"
        raise ArgumentError("class_weight", repr(wanted), form) from error
    # Networks count in single precision, which has no sums of larger ones.
    if not ((found >= 1e-30) & (found <= 1e30)).all():
        raise ArgumentError("class_weight", repr(wanted), "weights above 0, from 1e-30 to 1e30")
    return float(found[0]), float(found[1])


def fit_label(
    samples: Samples,
    positive: Array,
    options: Options,
    start: Layers | None,
    *,
    names: Array,
    column: int | None,
    class_weight: Any,
    validation_fraction: float,
    calibration: str,
) -> Label:
    """Trains a network, and fits calibration and threshold to rows that it was not trained on.

    Args:
        samples: all rows.
        positive: bool (n,).
        options: how to train.
        start: layers to go on from.
        names: of the two classes.
        column: of y, if it has several.
        class_weight, validation_fraction, calibration: see `DirectLossClassifier`.
    """
    X = samples.X
    rows = arranged(samples.keys, positive, samples.weights)
    absent = _absent(samples, positive, rows, names)
    weights = class_weights(class_weight, names, positive[rows], column)
    parts = split(samples.keys, positive, rows, validation_fraction, FEW_TO_CHOOSE)
    targets = (torch.from_numpy(positive[part].astype(np.float32)) for part in parts)
    own = options._replace(weights=weights)
    trained = train(Inputs.of(X, parts), Targets(*targets), own, start)
    held = parts.validation if parts.validation.size else parts.train
    scores, truth = scores_of(trained.layers, X[held]), positive[held]
    counted = np.ones(truth.size) if weights is None else np.where(truth, weights[1], weights[0])
    calibrator = fit_calibrator(calibration, scores, truth, counted / counted.mean())
    threshold = threshold_of(options.task, calibrator, scores, truth)
    shift(calibrator, threshold)
    last, bias = trained.layers[-1]
    layers = [*trained.layers[:-1], (last, bias - threshold)]
    return Label(layers, threshold, calibrator, trained.history, absent)


def _absent(samples: Samples, positive: Array, rows: Array, names: Array) -> int:
    """How many rows with a weight are not among `rows`.

    Raises:
        ArgumentError: these are all rows of a class.
    """
    if samples.weights is None:
        return 0
    left = np.unique(positive[rows])
    if left.size == 1 < np.unique(positive).size:
        gone = names[1 - int(left[0])]
        weight = samples.weights[positive != left[0]].sum() / samples.weights.sum()
        came = f"rows of class {gone} with a share of {weight:.1g} in all weights"
        raise ArgumentError("sample_weight", came, f"a row of each class in {MOST:,} at least")
    return int(np.count_nonzero(samples.weights) - np.unique(rows).size)


def warn_of_absent(absent: int, rows: int) -> None:
    """Warns where a quarter of the rows with a weight did not train."""
    if 4 * absent > rows:
        warnings.warn(
            f"sample_weight: {absent} of {rows} rows with a weight did not train, as their weights "
            "are too small beside the others for a row of their own",
            UserWarning,
            stacklevel=4,
        )
