"""A small data set in VOC's layout: red squares and blue discs on grey noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 96

TRAIN, TEST = 14, 8


def draw_voc(root: Path) -> Path:
    """Writes `TRAIN` + `TEST` images with one object of each class, splits `train` and `val`.

    Some things are wrong in the training part: an image that is cut short, an annotation without
    boxes, and a box outside its image. The last test image also has a difficult square.
    """
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    generator = np.random.default_rng(0)
    names = [f"image{number:02}" for number in range(TRAIN + TEST)]
    for number, name in enumerate(names):
        image = Image.fromarray(generator.integers(90, 130, (SIDE, SIDE, 3), np.uint8))
        pencil = ImageDraw.Draw(image)
        objects = []
        for kind, left in (("square", 2), ("disc", 50)):
            size = int(generator.integers(24, 40))
            x, y = left + int(generator.integers(0, 44 - size)), int(generator.integers(0, 50))
            shape = (x, y, x + size - 1, y + size - 1)
            if kind == "square":
                pencil.rectangle(shape, fill="#d02020")
            else:
                pencil.ellipse(shape, fill="#2030d0")
            objects.append(xml_object(kind, x + 1, y + 1, x + size, y + size))
        if name == names[2]:
            objects.append(xml_object("square", 200, 200, 240, 240))
        if name == names[-1]:
            objects.append(xml_object("square", 1, 60, 30, 96, difficult=True))
        image.save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        text = "" if number == 1 else "".join(objects)
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{text}</annotation>")
    spoilt = root / "JPEGImages" / f"{names[0]}.jpg"
    spoilt.write_bytes(spoilt.read_bytes()[:1500])
    for split, part in (("train", names[:TRAIN]), ("val", names[TRAIN:])):
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(part) + "\n")
    return root


def xml_object(
    name: str, xmin: int, ymin: int, xmax: int, ymax: int, *, difficult: bool = False
) -> str:
    box = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return (
        f"<object><name>{name}</name><difficult>{int(difficult)}</difficult>"
        f"<bndbox>{box}</bndbox></object>"
    )
