"""VOC's rules for detections once more, written without any of the code under test."""

from __future__ import annotations

Box = tuple[float, float, float, float]
Image = tuple[list[Box], list[bool], list[tuple[float, Box]]]
"""Objects, which are difficult, and (score, box) of the detections."""


def plain_overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def plain_outcomes(images: list[Image]) -> tuple[list[str], int]:
    """What each detection is worth, best first, and the number of objects to be found."""
    everything = [
        (-score, image, box) for image, (_, _, found) in enumerate(images) for score, box in found
    ]
    everything.sort(key=lambda each: each[0])
    used: set[tuple[int, int]] = set()
    outcomes = []
    for _, image, box in everything:
        objects, difficult, _ = images[image]
        best, which = 0.0, -1
        for number, truth in enumerate(objects):
            if plain_overlap(box, truth) > best:
                best, which = plain_overlap(box, truth), number
        if best < 0.5:
            outcomes.append("false")
        elif difficult[which]:
            outcomes.append("ignored")
        elif (image, which) in used:
            outcomes.append("false")
        else:
            used.add((image, which))
            outcomes.append("found")
    return outcomes, sum(not hard for _, difficult, _ in images for hard in difficult)


def plain_average_precision(images: list[Image], eleven: bool) -> float:
    outcomes, objects = plain_outcomes(images)
    points = []
    found = shown = 0
    for outcome in outcomes:
        if outcome == "ignored":
            continue
        shown += 1
        found += outcome == "found"
        points.append((found / objects, found / shown))
    if eleven:
        total = 0.0
        for level in range(11):
            total += max((p for r, p in points if 10 * r >= level - 1e-9), default=0.0)
        return total / 11
    area = before = 0.0
    for recall in sorted({r for r, _ in points}):
        area += (recall - before) * max(p for r, p in points if r >= recall)
        before = recall
    return area
