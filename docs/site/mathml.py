"""Formulas as MathML, which browsers set by themselves: no script, no font, no network."""

from __future__ import annotations

from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert_to_element
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

LIMITS = {"lim", "max", "min"}
"""Operators that have their index below them in a displayed formula."""

logger = logging.getLogger(__name__)


def mathml(node: nodes.math | nodes.math_block, display: str) -> str:
    # The converter has \max and \min, and no \arg.
    source = node.astext().replace(r"\arg\m", r"\operatorname{arg}\m")
    formula = convert_to_element(source, display=display)
    for element in formula.iter():
        if (element.text or "").startswith("\\"):
            logger.warning("a formula has %s, which is not converted", element.text, location=node)
        if display == "block" and element.tag == "msub" and element[0].text in LIMITS:
            element.tag = "munder"
    # Its text holds character references already, such as &#x02192;.
    return ElementTree.tostring(formula, encoding="unicode").replace("&amp;#x", "&#x")


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def block(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
