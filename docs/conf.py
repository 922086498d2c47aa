"""How the documentation is built: offline, from the docstrings, pages and notebooks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from laion_fmri import __version__

here = Path(__file__).parent

project = "laion-fmri-explorer"
author = "the laion-fmri-explorer developers"
copyright = f"2026, {author}"
release = version = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's parameter sections say them in words
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# The notebooks run when the documentation is built, on the demo dataset.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = "laion-fmri-explorer"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_context = {"default_mode": "auto"}

# What links from notebooks/ into docs/ is one folder nearer here.
for notebook in (here.parent / "notebooks").glob("*.ipynb"):
    text = notebook.read_text(encoding="utf-8").replace("../docs/", "../")
    (here / "tutorials" / notebook.name).write_text(text, encoding="utf-8")

# Notebooks leave the settings and caches of whoever builds alone; the demo is written once.
own_folders = tempfile.TemporaryDirectory(prefix="laion-fmri-docs-")
os.environ["XDG_CONFIG_HOME"] = f"{own_folders.name}/config"
os.environ["XDG_CACHE_HOME"] = str(here / "_build" / "cache")
