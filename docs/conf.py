"""How Sphinx builds the site, with no network: ``sphinx-build -W --keep-going docs docs/_build/html``."""

from __future__ import annotations

import sys
from pathlib import Path

import w2s_fast

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "w2s_fast"
copyright = "the w2s_fast authors"
version = release = w2s_fast.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
    "sphinx_design",
    "command_help",
    "contributing",
    "from_source",
    "mathml",
    "plain_docstrings",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
smartquotes = False  # what is to be typed into a shell keeps its dashes and quotes

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "cache"  # a page whose code is as it was is not run again
nb_execution_cache_path = str(Path(__file__).parent / "_build" / "executed")
nb_execution_timeout = 180  # seconds a cell, in which kernels may have to be compiled
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

autosummary_generate = True
HIDDEN = {  # from the reference
    "set_fit_request, set_score_request",  # scikit-learn's own
    "is_at_a_glance, lines, nothing, require_same, series, settings, take_in, told",  # how studies work inside
}
autodoc_default_options = {"exclude-members": ", ".join(sorted(HIDDEN))}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what is taken, in fewer words
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

linkcheck_ignore = [r"https?://(localhost|127\.0\.0\.1)(:\d+)?(/|$)"]  # servers of the reader's own
linkcheck_retries = 3
linkcheck_timeout = 30

html_theme = "pydata_sphinx_theme"
html_title = "w2s_fast"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"start": [], "index": [], "development": []}


def setup(app: object) -> None:
    """Make the database of executed pages: processes that read pages side by side would race to make it."""
    from jupyter_cache import get_cache

    get_cache(nb_execution_cache_path).list_cache_records()
