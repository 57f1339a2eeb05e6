"""How results are written for people: numbers with their errors, arrays in a few words, tables and sparklines in HTML.

Nothing here reads more than a glance takes: of long arrays only the shape is told, of many rows the first.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _arrays
from w2s_fast._text import printable

LINE, LONGEST = 79, 360  # characters of a line, and of all
GLANCE = 2**20  # numbers that are looked at: a millisecond or so
FEW = 3  # numbers that are listed one by one
MOST_ROWS = 20  # of a table in a notebook
SPARKS = 200  # points of a sparkline
Cell = Callable[[tuple[int, ...]], str]  # writes a value at a place


def number(value: float) -> str:
    """Write four digits; a dash for what is not there.

    >>> number(0.00139593), number(1234567.0), number(math.nan)
    ('0.001396', '1.235e+06', '-')
    """
    return "-" if math.isnan(value) else f"{value:.4g}"


def with_error(mean: float, stderr: float) -> str:
    """Write ``mean±stderr`` to the digits that the error leaves, six at most; a dash for what is not there.

    >>> with_error(0.0013959, 0.0000132), with_error(0.5642, 0.0081), with_error(-14.2, 2.7), with_error(1.5, 0.0)
    ('0.001396±0.000013', '0.564±0.008', '-14±3', '1.5±0')
    """
    if math.isnan(mean):
        return "-"
    if not (math.isfinite(mean) and math.isfinite(stderr)) or stderr <= 1e-9 * abs(mean):
        return f"{mean:.4g}±{stderr if not math.isfinite(stderr) else 0:.2g}"
    if stderr < 1e-5 * abs(mean):
        return f"{mean:.4g}±{stderr:.0e}"
    exponent = math.floor(math.log10(stderr))
    decimals = max(0, -exponent + (stderr < 2 * 10.0**exponent))  # a leading 1 keeps a second digit
    return f"{mean:.{decimals}f}±{stderr:.{decimals}f}"


def whole(size: int) -> str:
    """Write a size with commas, from ten million on in powers of ten.

    >>> whole(4_000), whole(10**12)
    ('4,000', '1e+12')
    """
    return f"{size:,}" if size < 10**7 else f"{size:.3g}"


def in_brief(value: Any) -> str:
    """Write a number in full, an array by its shape and range, and anything else by its repr or what it holds.

    >>> in_brief(0.1), in_brief(np.arange(3.0)), in_brief(np.arange(60.0).reshape(20, 3))
    ('0.1', '[0, 1, 2]', '0 to 59 of shape (20, 3)')
    """
    if isinstance(value, np.ndarray) and value.ndim:
        few = value.ndim == 1 and value.size <= FEW
        return spread(value) if few else f"{spread(value)} of shape {value.shape}".lstrip()
    if isinstance(value, np.ndarray | np.generic):
        return repr(value.item())
    if isinstance(value, str):
        return repr(shortened(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{shortened(str(key), 20)}: {in_brief(value[key])}" for key in value) + "}"
    if isinstance(value, list):
        return f"{len(value):,} of them"
    if not isinstance(value, int | float) and hasattr(value, "shape"):  # of another library
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    return repr(value)


def spread(values: Any) -> str:
    """Write few numbers, or the range of more: nothing of arrays elsewhere, or so long that looking takes time.

    >>> spread(np.array([2, 4_000])), spread(np.array([1.0, np.nan, 3.0, 2.0])), spread(np.zeros(0))
    ('[2, 4,000]', '1 to 3 (1 not finite)', '')
    """
    try:
        values = np.asarray(_arrays.as_numpy(values))
    except _arrays.ConversionError:
        return ""
    if values.dtype.kind not in "biuf" or not 0 < values.size <= GLANCE:
        return ""
    if values.dtype.kind == "b":
        return f"{np.count_nonzero(values):,} of {values.size:,} true"
    write: Callable[[Any], str] = number if values.dtype.kind == "f" else whole
    finite = values[np.isfinite(values)]
    if values.size <= FEW:
        written = list(map(write, values.ravel().tolist()))
        return written[0] if len(set(written)) == 1 else f"[{', '.join(written)}]"
    if not finite.size:
        return "none finite"
    rest = f" ({values.size - finite.size:,} not finite)" if finite.size < values.size else ""
    low, high = write(finite.min().item()), write(finite.max().item())
    return f"{low}{rest}" if low == high else f"{low} to {high}{rest}"


def shortened(text: str, most: int = 40) -> str:
    """Cut text of strangers, without signs that steer a terminal."""
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def brackets(head: str, parts: Iterable[str]) -> str:
    """Write ``<head: part, part>`` in lines of a terminal, with as many parts as there is room for.

    >>> brackets("Gram", ["5 rows", "2 columns"])
    '<Gram: 5 rows, 2 columns>'
    """
    text = head
    for index, part in enumerate(filter(None, parts)):
        if len(text) + len(part) > LONGEST:
            text += ", …"
            break
        text += f"{', ' if index else ': '}{part}"
    lines = textwrap.wrap(f"<{text}>", LINE, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def facts(head: str, told: Mapping[str, str]) -> str:
    """Write names and values in :func:`brackets`, the empty ones left out.

    >>> facts("MinNorm", {"route": "gram", "rank": "2", "ridge": ""})
    '<MinNorm: route gram, rank 2>'
    """
    return brackets(head, (f"{name} {text}" for name, text in told.items() if text))


def fields_of(record: Any) -> dict[str, Any]:
    """Fields of a named tuple or a dataclass, by name."""
    names = getattr(record, "_fields", None) or [field.name for field in dataclasses.fields(record)]
    return {name: getattr(record, name) for name in names}


def record(found: Any, name: str = "") -> str:
    """Write a named tuple or a dataclass: with all digits where its fields are numbers, else arrays in brief."""
    name, fields = name or type(found).__name__, fields_of(found)
    shapes = {np.shape(value) if isinstance(value, np.ndarray) else () for value in fields.values()}
    if shapes <= {()}:
        text = f"{name}({', '.join(f'{field}={in_brief(value)}' for field, value in fields.items())})"
        if len(text) <= LONGEST:
            return text
    if len(shapes) == 1 and shapes != {()}:
        parts = (f"{field} {spread(value)}".strip() for field, value in fields.items())
        return brackets(f"{name} of shape {shapes.pop()}", parts)
    told = {field: number(value) if isinstance(value, float) else in_brief(value) for field, value in fields.items()}
    return facts(name, told)


def html_row(cells: Iterable[str], kind: str = "", tag: str = "td") -> str:
    """Write a row of a table, escaped."""
    opening = f'<tr class="{kind}">' if kind else "<tr>"
    return opening + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in cells) + "</tr>"


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table, in the colours of the notebook."""
    body = "".join(map(html_row, rows))
    return f"<table><thead>{html_row(head, tag='th')}</thead><tbody>{body}</tbody></table>"


def html_facts(title: str, facts: Mapping[str, str], drawing: str = "") -> str:
    """Write names and values below a title, the empty ones left out, and a drawing."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(printable(text))}</td></tr>" for name, text in facts.items() if text
    )
    return f"<div><strong>{escape(title)}</strong><table><tbody>{rows}</tbody></table>{drawing}</div>"


class Shown:
    """Something that prints as names and values, and as a table of them in notebooks."""

    __slots__ = ()

    def told(self) -> dict[str, str]:
        """Return values in words by their names; the empty ones are left out."""
        raise NotImplementedError

    def drawing(self) -> str:
        """Draw something below the table."""
        return ""

    def __repr__(self) -> str:
        return facts(type(self).__name__, self.told())

    def _repr_html_(self) -> str:
        return html_facts(type(self).__name__, self.told(), self.drawing())


def html_points(title: str, columns: Mapping[str, Cell], shape: tuple[int, ...]) -> str:
    """Write a row for each place of arrays of one shape, the first of many."""
    places = list(itertools.islice(np.ndindex(shape), MOST_ROWS))
    left = math.prod(shape) - len(places)
    named = {f"[{', '.join(map(str, place))}]": place for place in places}
    rows = [[name, *(cell(place) for cell in columns.values())] for name, place in named.items()]
    head = ["", *columns]
    if not shape:
        head, rows = head[1:], [row[1:] for row in rows]
    more = f"<p>and {left:,} more</p>" if left else ""
    return f"<div><strong>{escape(title)}</strong>{html_table(head, rows)}{more}</div>"


def html_record(found: Any, **more: Any) -> str:
    """Write the fields of a named tuple of numbers, or of arrays that broadcast, as columns; with ``more`` of them."""
    arrays = {name: np.asarray(value) for name, value in (fields_of(found) | more).items()}
    shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))

    def cell(array: npt.NDArray[Any]) -> Cell:
        return lambda place: number(float(np.broadcast_to(array, shape)[place]))

    title = type(found).__name__ + (f" of shape {shape}" if shape else "")
    return html_points(title, {name.replace("_", " "): cell(array) for name, array in arrays.items()}, shape)


def sparkline(values: npt.NDArray[Any], name: str) -> str:
    """Draw falling numbers, none below zero, on a logarithmic axis, in the colour of the text around; SVG."""
    found = np.asarray(values, np.float64)
    found = found[np.isfinite(found) & (found > 0.0)]
    if found.size < 2:
        return ""
    places = np.unique(np.linspace(0, found.size - 1, min(found.size, SPARKS)).round().astype(int))
    heights = np.log10(found[places])
    height = heights.max() - heights.min()
    x = 2 + 236 * places / (found.size - 1)
    y = 42 - 36 * (heights - heights.min()) / (height or 1.0)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    about = escape(f"{name}: {number(found[0])} to {number(found[-1])}, logarithmic")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="240" height="48" viewBox="0 0 240 48" role="img">'
        f"<title>{about}</title>"
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
        f"<div><small>{about}</small></div>"
    )
