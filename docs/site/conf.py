"""The site: what Sphinx makes of the pages in docs/ and of the docstrings."""

from __future__ import annotations

import sys
from pathlib import Path

import directloss

sys.path.insert(0, str(Path(__file__).parent))  # its own extensions, the last three

project = "directloss"
author = "The directloss authors"
copyright = "The directloss authors. Licence: Apache-2.0"
version = release = directloss.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "myst_nb",
    "mathml",
    "navigation",
    "signatures",
]
exclude_patterns = ["site", "**/.ipynb_checkpoints"]

# Pages are GitHub's Markdown: $ and ```math are mathematics, and each heading is an anchor.
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

# Docstrings put code into single backticks; where it is a public name, it becomes a link.
default_role = "py:obj"
add_module_names = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}  # else a union of ten lines
autodoc_inherit_docstrings = False
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# Notebooks are kept without output and run here; tests take "off".
nb_execution_mode = "cache"
nb_execution_cache_path = str(Path(__file__).parents[2] / "build" / "notebooks")
nb_output_stderr = "remove"  # that a kernel is compiled
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_context = {"default_mode": "auto"}
html_title = "directloss"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button-field"],
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
