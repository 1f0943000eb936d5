"""Standardised features: what a network is trained on, dense or sparse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from directloss.errors import ArgumentError
from directloss.models.mlp import MLP
from directloss.sklearn._rows import Array, Split

_ROWS = 65_536
"""Rows that are measured at a time: all at once take three times as long, in main memory."""


class Scale(NamedTuple):
    """Mean and deviation of the features of the training rows, (d,); of a constant one 1.

    A network sees 0 in place of a constant feature: what did not vary must not count, and Adam
    makes steps of rounding errors, too.
    """

    mean: Array
    deviation: Array
    constant: Array

    @classmethod
    def of(cls, blocks: Iterable[Any], *, dense: bool) -> Scale:
        """Those of all rows of the blocks."""
        fitted = StandardScaler(with_mean=dense)
        with np.errstate(over="ignore", invalid="ignore"):
            for block in blocks:
                fitted.partial_fit(block)
        mean, deviation = (np.asarray(each, np.float64) for each in (fitted.mean_, fitted.scale_))
        wrong = ~np.isfinite(fitted.var_)
        if wrong.any():
            came = f"a feature whose variance is past double precision, column {np.argmax(wrong)}"
            raise ArgumentError("X", came, "features on a smaller scale")
        # scikit-learn divides by 1 where a variance is 0 or a rounding error.
        return cls(mean, deviation, deviation != np.sqrt(fitted.var_))


class Inputs(NamedTuple):
    """What a network is given of the rows of the two parts, and how they are standardised."""

    train: Tensor
    validation: Tensor
    scale: Scale
    matrix: Any = None

    @classmethod
    def of(cls, X: Any, rows: Split) -> Inputs:
        """Dense features standardised; of a sparse matrix the numbers of its rows."""
        if not sparse.issparse(X):
            starts = range(0, len(rows.train), _ROWS)
            scale = Scale.of((X[rows.train[at : at + _ROWS]] for at in starts), dense=True)
            train, validation = (_standardised(X, part, scale) for part in rows)
            return cls(train, validation, scale)
        chosen = X[rows.train]
        scale = Scale.of([chosen], dense=False)
        matrix = sparse.vstack([chosen, X[rows.validation]], format="csr", dtype=np.float32)
        numbers = torch.arange(matrix.shape[0])
        return cls(numbers[: len(rows.train)], numbers[len(rows.train) :], scale, matrix)

    def network(self, hidden: tuple[int, ...], generator: torch.Generator) -> MLP:
        """An untrained network of these inputs."""
        if self.matrix is not None:
            return _SparseLinear(self.matrix, self.scale, generator)
        return MLP(self.train.shape[1], hidden, generator=generator)


def _standardised(X: Array, rows: Array, scale: Scale) -> Tensor:
    out = np.empty((len(rows), X.shape[1]), np.float32)
    block = 8192  # rows, so that no second copy in double precision is made
    for at in range(0, len(rows), block):
        out[at : at + block] = (X[rows[at : at + block]] - scale.mean) / scale.deviation
    out[:, scale.constant] = 0.0
    return torch.from_numpy(out)


class _Product(torch.autograd.Function):
    """A constant sparse matrix times a vector."""

    @staticmethod
    def forward(ctx: Any, vector: Tensor, matrix: Any) -> Tensor:
        ctx.matrix = matrix
        return torch.from_numpy(matrix @ vector.numpy())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return torch.from_numpy(ctx.matrix.T @ gradient.contiguous().numpy()), None


class _SparseLinear(MLP):
    """A linear model of standardised features that never makes them dense.

    Shapes: row numbers `(n,)` -> scores `(n,)`.
    """

    def __init__(self, matrix: Any, scale: Scale, generator: torch.Generator) -> None:
        super().__init__(matrix.shape[1], (), generator=generator)
        self._matrix = matrix
        self._mean = torch.from_numpy(scale.mean.astype(np.float32))
        factors = np.where(scale.constant, 0.0, 1.0 / scale.deviation)
        self._factors = torch.from_numpy(factors.astype(np.float32))

    def forward(self, features: Tensor) -> Tensor:
        weights = self.head.weight[0].cpu() * self._factors
        first, last = int(features[0]), int(features[-1])
        together = last - first == len(features) - 1 and bool((features.diff() == 1).all())
        rows = slice(first, last + 1) if together else features.cpu().numpy()
        product: Tensor = _Product.apply(weights, self._matrix[rows])
        scores = product - self._mean @ weights + self.head.bias.cpu()
        return scores.to(self.head.weight.device)


def layers_of(model: nn.Module, scale: Scale) -> list[tuple[Array, Array]]:
    """(weights (out, in), bias (out,)) of each layer, of features as they came; float64."""
    layers = [
        (layer.weight.detach().cpu().double().numpy(), layer.bias.detach().cpu().double().numpy())
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    ]
    weights, bias = layers[0]
    weights = weights / scale.deviation
    return [(weights, bias - weights @ scale.mean), *layers[1:]]


@torch.no_grad()
def set_layers(model: nn.Module, layers: list[tuple[Array, Array]], scale: Scale) -> None:
    """Gives a network the weights that `layers_of` returned, perhaps for another scale."""
    weights, bias = layers[0]
    standardised = [(weights * scale.deviation, bias + weights @ scale.mean), *layers[1:]]
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    before, now = [len(bias) for _, bias in layers], [layer.out_features for layer in linear]
    if before != now:
        raise ArgumentError("hidden", now[:-1], f"{before[:-1]}, as in the fit before")
    for layer, (weights, bias) in zip(linear, standardised, strict=True):
        layer.weight.copy_(torch.from_numpy(weights))
        layer.bias.copy_(torch.from_numpy(bias))


def scores_of(layers: list[tuple[Array, Array]], X: Any) -> Array:
    """Scores (n,), float64."""
    out = X
    for weights, bias in layers[:-1]:
        out = np.maximum(out @ weights.T + bias, 0.0)
    weights, bias = layers[-1]
    scores: Array = np.asarray(out @ weights[0], np.float64) + bias[0]
    return scores
