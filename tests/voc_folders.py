"""Small folders in VOC's layout, drawn by the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"waving": (200, 40, 30), "jumping": (30, 60, 210)}
"""Actions, told apart by the colour of a person's box."""

Thing = tuple[str, tuple[float, float, float, float]]
"""Name and box (xmin, ymin, xmax, ymax), counted from 1 as in VOC's files."""


def write_image(root: Path, image_id: str, pixels: np.ndarray) -> Path:
    """Writes a photograph without loss, whatever its ending says."""
    file = root / "JPEGImages" / f"{image_id}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, format="PNG")
    return file


def write_annotation(root: Path, image_id: str, things: Sequence[Thing]) -> Path:
    """Writes the XML of some objects."""
    objects = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox>"
        + "".join(
            f"<{edge}>{value}</{edge}>"
            for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        )
        + "</bndbox></object>"
        for name, box in things
    )
    file = root / "Annotations" / f"{image_id}.xml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"<annotation>{objects}</annotation>")
    return file


def write_action_sets(
    root: Path, labels: Mapping[str, Sequence[tuple[str, int, int]]], split: str = "trainval"
) -> None:
    """Writes `ImageSets/Action/CLASS_SPLIT.txt` for each class: image, person, label."""
    folder = root / "ImageSets" / "Action"
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in labels.items():
        text = "".join(f"{image_id} {person} {label:2d}\n" for image_id, person, label in lines)
        (folder / f"{name}_{split}.txt").write_text(text)


def draw_actions(root: Path, photographs: int = 24, seed: int = 0) -> Path:
    """Grey noise with one or two persons each; half of them do one of `COLOURS`."""
    generator = np.random.default_rng(seed)
    labels: dict[str, list[tuple[str, int, int]]] = {name: [] for name in COLOURS}
    actions = [*COLOURS, None, None]
    count = 0
    for number in range(photographs):
        image_id = f"photo{number:02d}"
        pixels = generator.integers(90, 160, (60, 80, 3)).astype(np.uint8)
        things: list[Thing] = []
        for person in range(1 + number % 2):
            left, top = 5 + 40 * person, int(generator.integers(4, 20))
            action = actions[count % len(actions)]
            count += 1
            if action is not None:
                patch = pixels[top : top + 30, left : left + 25]
                pixels[top : top + 30, left : left + 25] = (
                    patch // 2 + np.uint8(COLOURS[action]) // 2
                )
            things.append(("person", (left + 1, top + 1, left + 25, top + 30)))
            for name in COLOURS:
                label = 1 if name == action else -1
                labels[name].append((image_id, person + 1, label))
        write_image(root, image_id, pixels)
        write_annotation(root, image_id, things)
    write_action_sets(root, labels)
    return root
