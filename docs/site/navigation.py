"""Where each page stands: the sections of the site and their order.

Pages are read on the site and as files of the repository. So a section's page does not hold the
list of its pages; it is added while Sphinx reads the page.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

SECTIONS = {
    "index": ["tutorials/index", "guides", "tasks/index", "reference/index", "results", "inside"],
    "tutorials/index": [
        "tutorials/fraud-table",
        "tutorials/search-ranking",
        "tutorials/screening-molecules",
        "tutorials/detection-head",
        "tutorials/segmentation",
        "tutorials/retrieval",
        "notebooks/first-steps",
        "notebooks/ranking",
        "notebooks/own-metric",
    ],
    "guides": [
        "which-loss",
        "faq",
        "sklearn",
        "trainers",
        "search-and-retrieval",
        "train",
        "whole-data-set",
        "loaders",
        "epsilon",
        "refine",
        "perturbation",
        "device",
        "write-your-own-task",
        "voc",
        "coming-from/index",
    ],
    "coming-from/index": [
        "coming-from/libauc",
        "coming-from/pytorch-metric-learning",
        "coming-from/focal-loss",
        "coming-from/xgboost",
    ],
    "tasks/index": [
        "tasks/pairs",
        "tasks/positions",
        "tasks/counting",
        "tasks/multiclass",
        "tasks/structured",
        "tasks/directions",
        "tasks/hard-inputs",
    ],
    "reference/index": [
        "reference/losses",
        "reference/tasks",
        "reference/training",
        "reference/functional",
        "reference/sklearn",
        "reference/integrations",
        "reference/errors",
    ],
    "results": [
        "performance",
        "at-length",
        "paper",
        "results/tables",
        "results/digits",
        "results/diabetes",
        "results/mammography",
        "results/imbalanced-f1",
        "results/mq2008",
        "results/molecules",
        "results/camvid",
        "results/whole-data-set",
        "results/action",
        "results/detection",
        "reliability",
        "mutations",
    ],
    "inside": ["theory", "architecture", "dependencies", "contributing", "changes"],
}
"""Page of a section -> its pages, as paths in docs/ without the suffix."""


def add_pages(app: Sphinx, page: str, source: list[str]) -> None:
    if page in SECTIONS:
        entries = "\n".join(f"/{entry}" for entry in SECTIONS[page])
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("source-read", add_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
