"""Writes the picture of docs/which-loss.md: `python docs/site/decision.py`."""

from __future__ import annotations

from html import escape
from pathlib import Path

PICTURE = Path(__file__).parents[1] / "which-loss.svg"

STEPS = [
    (["Must the scores be", "probabilities?"], ["cross-entropy alone"]),
    (["Does only the top count:", "a first page, k places?"], ["NDCG(k)", "PrecisionAtK(k)"]),
    (["Are there grades,", "not only yes and no?"], ["NDCG()"]),
    (["Few positives, and their", "whole order counts?"], ["AveragePrecision()"]),
    (["Early hits, or few", "false alarms?"], ["BEDROC(20)", "PartialAUC(0.05)"]),
    (["Do you act on", "one threshold?"], ["FBeta(1.0)", "CountingTask(cost)"]),
    (["Is it the overlap", "of masks?"], ["Jaccard()", "Dice()"]),
    (["One class of many,", "at unequal costs?"], ["CostMatrix(costs)", "TopKError(k)"]),
    (["A sequence, a path,", "an interval?"], ["Chain()", "structured_direct_loss"]),
]
"""What is asked, in order, and what to take where the answer is yes; each in lines of text."""

LAST = ["your own metric", "in ten lines"]

WIDTH, ROW, BOX, SIZE = 490, 78, 54, 15
QUESTION, ANSWER = (8, 214), (270, 212)
"""Left edge and width of the two columns."""

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" \
height="{height}" font-family="sans-serif" font-size="{size}" text-anchor="middle" role="img">
<title>Which loss to take, by what you report</title>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0 8 4 0 8z" fill="#444444"/></marker></defs>"""


def box(column: tuple[int, int], top: int, lines: list[str], fill: str, style: str) -> list[str]:
    left, width = column
    first = top + BOX / 2 + SIZE * (0.36 - 0.6 * (len(lines) - 1))
    return [
        f'<rect x="{left}" y="{top}" width="{width}" height="{BOX}" rx="7" fill="{fill}" '
        'stroke="#888888"/>',
        *(
            f'<text x="{left + width / 2:g}" y="{first + 1.2 * SIZE * k:g}" fill="#111111"{style}>'
            f"{escape(line)}</text>"
            for k, line in enumerate(lines)
        ),
    ]


def arrow(x1: float, y1: float, x2: float, y2: float, word: str) -> list[str]:
    across = y1 == y2
    x, y = ((x1 + x2) / 2 - 2, y1 - 6) if across else (x1 + 16, (y1 + y2) / 2 + 4)
    return [
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="#444444" '
        'stroke-width="1.5" marker-end="url(#tip)"/>',
        f'<text x="{x:g}" y="{y:g}" fill="#444444" font-size="{SIZE - 2}">{word}</text>',
    ]


def picture() -> str:
    height = ROW * len(STEPS) + BOX + 16
    lines = [HEAD.format(width=WIDTH, height=height, size=SIZE)]
    code = ' font-family="monospace"'
    right, centre = sum(QUESTION), QUESTION[0] + QUESTION[1] / 2
    for k, (question, answer) in enumerate(STEPS):
        top = 8 + ROW * k
        lines += box(QUESTION, top, question, "#eef2f7", "")
        lines += box(ANSWER, top, answer, "#e6f4ea", code if k else "")
        lines += arrow(right, top + BOX / 2, ANSWER[0], top + BOX / 2, "yes")
        lines += arrow(centre, top + BOX, centre, top + ROW, "no")
    lines += box(QUESTION, 8 + ROW * len(STEPS), LAST, "#e6f4ea", "")
    return "\n".join([*lines, "</svg>\n"])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
