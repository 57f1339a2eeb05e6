"""A study as a notebook shows it: how far it is, its figure where matplotlib is installed, and its tables."""

from __future__ import annotations

import importlib.util

from w2s_fast._display import html_facts, spread
from w2s_fast.study.base import BaseStudy
from w2s_fast.study.page import drawing, series_table

MOST_DRAWN = 8  # series, of which a comparison can be read


def shown_in_notebook(study: BaseStudy) -> str:
    """Write HTML in the colours of the notebook; of a study without results, or with too many, what it is alone."""
    told = {"n": spread(study.n), "N": spread(study.N), "axes": ", ".join(study.axes)}
    head = html_facts(study.title, {"state": study.progress_in_words} | told)
    if not study.is_at_a_glance:
        return head
    first, *others = study.series()
    tables = series_table(first, "open") + "".join(map(series_table, others))
    return f"<div>{head}{_figure(study)}{tables}</div>"


def _figure(study: BaseStudy) -> str:
    if importlib.util.find_spec("matplotlib") is None:
        return ""
    from w2s_fast.study.figures import comparison, panels

    many = study.series()
    if len(many) > MOST_DRAWN:
        return ""
    return drawing(panels(many) if len(study.scenarios) == 1 else comparison(many), study.title)
