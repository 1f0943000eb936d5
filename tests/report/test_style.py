"""The colours as people with other cone cells see them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from directloss.report.style import DARK_BACKGROUND, LIGHT_BACKGROUND, PALETTE, line_styles

FIFTEEN = [
    "logistic",
    *(f"{update}-ap" for update in ("hinge", "per", "pos", "neg", "both", "mix")),
    *(f"{update}-01" for update in ("hinge", "per", "pos", "neg")),
    *("smooth-ap", "blackbox-ap", "soft-rank-ap", "logistic-regularised"),
]

# On linear RGB; Machado, Oliveira, Fernandes, 2009, severity 1.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear_rgb(colour: str) -> NDArray[np.float64]:
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ottosson, 2020."""
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return lab @ np.cbrt(cones @ rgb.clip(0, 1))


def contrast(one: str, other: str) -> float:
    """WCAG 2.1."""
    luminance = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted(float(luminance @ linear_rgb(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_colours_stay_apart(scheme: int, sight: str) -> None:
    seen = {name: oklab(SIGHT[sight] @ linear_rgb(PALETTE[name][scheme])) for name in PALETTE}
    distances = {(a, b): np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(seen, 2)}
    pair = min(distances, key=lambda key: distances[key])
    assert distances[pair] >= 0.1, pair


@pytest.mark.parametrize("name", PALETTE)
def test_colours_stand_out_from_the_background(name: str) -> None:
    light, dark = PALETTE[name]
    assert contrast(light, LIGHT_BACKGROUND) >= 3.0
    assert contrast(dark, DARK_BACKGROUND) >= 3.0


def test_fifteen_methods_look_different() -> None:
    assert len(set(line_styles(FIFTEEN).values())) == len(FIFTEEN)


def test_a_method_of_the_paper_looks_the_same_in_any_company() -> None:
    alone = line_styles(["pos-ap"])["pos-ap"]
    assert line_styles(["zebra", *reversed(FIFTEEN)])["pos-ap"] == alone


def test_relatives_share_the_colour() -> None:
    styles = line_styles(["stranger", "logistic-regularised", "logistic"])
    assert styles["logistic-regularised"].colour == styles["logistic"].colour
    assert styles["logistic-regularised"].dash != styles["logistic"].dash


def test_more_methods_than_styles_are_still_drawn() -> None:
    assert len(line_styles([f"method {i}" for i in range(50)])) == 50
