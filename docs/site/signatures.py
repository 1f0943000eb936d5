"""Tasks are numbered in `__new__`, which takes anything: a signature is that of `__init__`."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import signature, stringify_signature
from sphinx.util.typing import ExtensionMetadata

from directloss.tasks import TaskBase


def of_init(
    app: Sphinx, kind: str, name: str, value: Any, options: Any, given: str | None, returns: str
) -> tuple[str, None] | None:
    if kind != "class" or not issubclass(value, TaskBase):
        return None
    if value.__init__ is object.__init__:
        return "()", None
    text = stringify_signature(
        signature(value.__init__, bound_method=True, type_aliases=app.config.autodoc_type_aliases),
        show_return_annotation=False,
        unqualified_typehints=True,
    )
    return text, None


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("autodoc-process-signature", of_init)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
