"""One self-contained page of studies: figures, tables, spec, seeds, versions. Nothing is fetched when it is read."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from w2s_fast import __version__
from w2s_fast._display import html_row, number, whole
from w2s_fast._files import whole_file
from w2s_fast.results.metrics import METRICS, column_name
from w2s_fast.study.base import BaseStudy
from w2s_fast.study.figures import comparison, panels, require_matplotlib, svg
from w2s_fast.study.series import Series
from w2s_fast.study.tables import EQUIVALENT, NO_GAP, cells, scale_of, shown_metrics

STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --line: #e3e7ec; --wash: #f6f8fa; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 system-ui, Helvetica, Arial, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 24px 72px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -.01em; }
h2 { font-size: 22px; margin: 56px 0 4px; padding-top: 24px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 28px 0 8px; }
p { margin: 0 0 12px; max-width: 76ch; }
.soft { color: var(--soft); }
.warn { color: #9a3b00; font-weight: 600; }
figure { margin: 20px 0; }
figure img { display: block; max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 14px 5px 0; text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
tr.point td { padding-bottom: 0; }
tr.exact td { color: var(--soft); padding-top: 0; border-bottom: 1px solid var(--line); font-size: 12.5px; }
td.wide { white-space: normal; max-width: 62ch; }
table.spec td, table.spec th { text-align: left; vertical-align: top; }
code { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
details { margin: 8px 0; border: 1px solid var(--line); border-radius: 6px; background: var(--wash); }
summary { cursor: pointer; padding: 9px 14px; font-weight: 600; font-size: 14px; }
details .scroll { padding: 4px 14px 12px; background: #fff; border-top: 1px solid var(--line); }
nav a { color: var(--accent); text-decoration: none; margin-right: 18px; white-space: nowrap; }
@media print { details { break-inside: avoid; } main { padding: 0; } }
"""

# Nothing runs, nothing is fetched, and no style is applied but the one above, whatever a study file holds.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)


def write_html(
    studies: Sequence[BaseStudy],
    path: str | os.PathLike[str],
    heading: str | None = None,
    figures: Sequence[Sequence[Path]] | None = None,
    preface: str = "",
    afterword: str = "",
) -> None:
    """Write the page; it appears whole or not at all.

    ``figures``: PNG files of each study, in place of its own. ``preface``, ``afterword``: HTML to
    stand before the studies and after them.
    """
    require_matplotlib()
    content = page(studies, heading or studies[0].title, figures, preface, afterword)
    with whole_file(path) as file:
        file.write(content.encode())


def page(
    studies: Sequence[BaseStudy],
    heading: str,
    figures: Sequence[Sequence[Path]] | None = None,
    preface: str = "",
    afterword: str = "",
) -> str:
    """Lay out the page."""
    many = len(studies) > 1
    links = "".join(f'<a href="#s{index}">{escape(study.title)}</a>' for index, study in enumerate(studies))
    sections = []
    for index, study in enumerate(studies):
        drawn = _drawn(study) if figures is None else "".join(map(image, figures[index]))
        title = f"<h2>{escape(study.title)}</h2>" if many else ""
        sections.append(f'<section id="s{index}">{title}{_study(study, drawn)}</section>')
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(heading)}</title><style>{STYLE}</style></head><body><main>"
        f'<h1>{escape(heading)}</h1><p class="soft">Weak-to-strong study, made with w2s_fast {__version__}. Points are '
        "means over trials with standard errors; solid lines are exact expectations (for PGR and OPR ratios of them), "
        "dashed ones deterministic equivalents, dotted lines the bounds of Dong et al., ICML 2025.</p>"
        f"{f'<nav>{links}</nav>' if many else ''}{preface}{''.join(sections)}{afterword}</main></body></html>\n"
    )


def _study(study: BaseStudy, drawn: str) -> str:
    tables = "".join(map(series_table, study.series()))
    return f"{_state(study)}{drawn}<h3>Tables</h3>{tables}<h3>Spec</h3>{_spec(study)}<h3>Runs</h3>{_runs(study)}"


def _drawn(study: BaseStudy) -> str:
    many = study.series()
    figures = [panels(many)] if len(study.scenarios) == 1 else [comparison(many), panels(many)]
    return "".join(drawing(figure, study.title) for figure in figures)


def drawing(figure: Any, title: str) -> str:
    """Embed a figure."""
    return _image("svg+xml", svg(figure).encode(), f"Figure of {title}")


def _image(kind: str, content: bytes, alternative: str) -> str:
    # As an image: identifiers within one drawing cannot meet those of the next.
    data = base64.b64encode(content).decode()
    return f'<figure><img alt="{escape(alternative)}" src="data:image/{kind};base64,{data}"></figure>'


def _state(study: BaseStudy) -> str:
    words = study.progress_in_words
    return f'<p class="{"soft" if study.is_complete else "warn"}">{words[0].upper()}{words[1:]}.</p>'


def series_table(series: Series, state: str = "") -> str:
    """Lay out a series, folded away under its name unless ``state`` is "open"."""
    theory = series.theory(series.sizes)
    metrics, doubtful, rows = shown_metrics([series]), bool(series.doubtful.any()), []
    for index, size in enumerate(series.sizes.tolist()):
        measured = [whole(size), f"{series.trials[index]:,}", *cells(series, index, metrics)]
        rows.append(html_row([*measured, *[series.doubts.in_words(index)] * doubtful], "point"))
        if theory.expected:
            scaled = [theory.expected[x][index] * scale_of(series, x) for x in METRICS]
            rows.append(html_row([theory.kind(index), "", *map(number, scaled)], "exact"))
    units = series.scenario.risk_note
    units += NO_GAP * series.doubts.has_gapless
    units += EQUIVALENT * any(order.any() for order in theory.order.values())
    head = html_row([series.axis, "trials", *map(column_name, metrics), *["in doubt"] * doubtful], tag="th")
    about = ", ".join(filter(None, (series.label, f"along {series.axis}", series.where)))
    table = f'<p class="soft">{units}</p><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
    opening = f"<details {state}>" if state else "<details>"
    return f'{opening}<summary>{escape(about)}</summary><div class="scroll">{table}</div></details>'


def _spec(study: BaseStudy) -> str:
    grid = [("n", _sizes(study.n.tolist())), ("N", _sizes(study.N.tolist()))]
    seeds = ", ".join(f"{seed} ({trials:,} trials)" for seed, trials in study.seeds.items())
    rows = "".join(
        f'<tr><th>{name}</th><td class="wide">{escape(value)}</td></tr>' for name, value in [*grid, ("seeds", seeds)]
    )
    described = [scenario.description.as_dict() for scenario in study.scenarios]
    names = list(described[0])
    settings = "".join(html_row([_value(about.get(name, "")) for name in names]) for about in described)
    return (
        f'<div class="scroll"><table class="spec">{rows}</table></div><h3>Settings</h3>'
        f'<div class="scroll"><table class="spec"><thead>{html_row(names, tag="th")}</thead>{settings}</table></div>'
    )


def _runs(study: BaseStudy) -> str:
    names = list(dict.fromkeys(name for run in study.runs for name in run["versions"]))
    rows = [
        html_row(
            [
                str(run["started"]),
                f"{run['seconds']:.1f}",
                f"{run['trials']:,}",
                *(str(run["versions"].get(x, "")) for x in names),
            ]
        )
        for run in study.runs
    ]
    head = html_row(["started", "seconds", "trials", *names], tag="th")
    return f'<div class="scroll"><table class="spec"><thead>{head}</thead>{"".join(rows)}</table></div>'


def _sizes(sizes: Iterable[int]) -> str:
    return ", ".join(whole(size) for size in sorted(set(sizes)))


def _value(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}…"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table of text."""
    body = "".join("<tr>" + "".join(f'<td class="wide">{escape(text)}</td>' for text in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="spec"><thead>{html_row(head, tag="th")}</thead>{body}</table></div>'


def image(path: Path) -> str:
    """Embed a PNG file."""
    return _image("png", path.read_bytes(), path.stem)
