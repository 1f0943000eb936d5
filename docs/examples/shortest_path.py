"""Paths on a grid: a network learns the cost of each cell from observed shortest paths alone.

The text that goes with it is docs/tasks/structured.md.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor, nn

from directloss.functional import structured_direct_loss

SIZE = 12
CELLS = np.arange(SIZE * SIZE, dtype=np.int32).reshape(SIZE, SIZE)
# Steps go right or down, so that every path from corner to corner has 2 SIZE - 1 cells.
LENGTH = 2 * SIZE - 1
ORIGIN = np.concatenate([CELLS[:, :-1].ravel(), CELLS[:-1].ravel()])
TARGET = np.concatenate([CELLS[:, 1:].ravel(), CELLS[1:].ravel()])


def shortest_paths(costs: Tensor) -> Tensor:
    """The cheapest path through each grid (B, SIZE, SIZE), as 0/1 in the same shape."""
    cost = costs.double().numpy().reshape(len(costs), -1)
    # One graph, with an island for each grid.
    first = np.arange(len(cost), dtype=np.int32)[:, None] * CELLS.size
    # A constant on every cell adds the same to every path: no edge need be negative.
    lengths = (cost - cost.min() + 1.0)[:, TARGET]
    edges = ((first + ORIGIN).ravel(), (first + TARGET).ravel())
    graph = csr_array((lengths.ravel(), edges), shape=(cost.size, cost.size))
    _, before, _ = dijkstra(graph, indices=first.ravel(), min_only=True, return_predecessors=True)
    paths, cell = torch.zeros(cost.size), first.ravel() + CELLS.size - 1
    for _ in range(LENGTH):
        paths[cell] = 1.0
        cell = before[cell]
    return paths.reshape(costs.shape)


def path_loss(costs: Tensor, observed: Tensor, epsilon: float) -> Tensor:
    """Delta = share of the observed path's cells that the cheapest path misses; (B,)."""
    fixed = costs.detach()
    return structured_direct_loss(
        score=lambda path: -(path * costs).sum((1, 2)),
        inference=lambda: shortest_paths(fixed),
        # F + weight * Delta = weight - <path, costs + weight * observed / LENGTH>.
        loss_augmented_inference=lambda weight: shortest_paths(fixed + weight * observed / LENGTH),
        task_loss=lambda path: 1.0 - (path * observed).sum((1, 2)) / LENGTH,
        epsilon=epsilon,
        direction="both",
    )


def terrain(grids: int) -> tuple[Tensor, Tensor]:
    """Noisy pictures (B, 2, SIZE, SIZE) of height and forest; the cheapest paths."""
    height, forest = torch.rand(2, grids, SIZE, SIZE)
    costs = 0.1 + height**4 + 2.0 * (forest > 0.7)
    pictures = torch.stack([height, forest], 1) + 0.02 * torch.randn(grids, 2, SIZE, SIZE)
    return pictures, shortest_paths(costs)


def main() -> tuple[float, float]:
    """Train; the mean loss on new grids, before and after."""
    torch.manual_seed(0)
    (pictures, paths), (new_pictures, new_paths) = terrain(grids=100), terrain(grids=100)
    model = nn.Sequential(nn.Conv2d(2, 16, 1), nn.ReLU(), nn.Conv2d(16, 1, 1), nn.Flatten(0, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    losses = [path_loss(model(new_pictures), new_paths, epsilon=1.0).mean().item()]
    for _ in range(100):
        optimizer.zero_grad()
        path_loss(model(pictures), paths, epsilon=1.0).mean().backward()
        optimizer.step()
    losses.append(path_loss(model(new_pictures), new_paths, epsilon=1.0).mean().item())
    return losses[0], losses[1]


if __name__ == "__main__":
    print("cells of the path missed: {:.1%} untrained, {:.1%} trained".format(*main()))
