"""The tables: all of it for ``bench/results/peers.md``, a line a comparison for the site, three for the README."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from bench.peers.cases import LIBRARIES

Row = dict[str, Any]
BEGIN, END = "<!-- python -m bench.peers --readme writes from here -->", "<!-- to here -->"
LESS_ACCURATE = "†"
SHOWN = {  # in the README, by shorter names
    "least squares, 10,000 x 1,000, gaussian": "least squares, 10,000 x 1,000",
    "one trial of the paper's setting, n = 2,000, N = 40,000": "a trial at N = 40,000",
    "one probe trial, 384-d, n = 1,000, 20 values of N to 6,500": "a probe trial, 20 values of N",
}
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    value = seconds / size
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"


def line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def header(names: list[str]) -> list[str]:
    return [line(names), line(["---"] * len(names))]


def origin(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    machine = found["machine"]
    missing = f" Not installed, and so left out: {', '.join(found['missing'])}." if found["missing"] else ""
    run = f"{found['date']}, commit {found['commit']}"
    kernels = f"BLAS with kernels for {found['kernels']}" if "kernels" in found else "BLAS kernels not recorded"
    return (
        f"{found['threads']} threads of {found['cpu']}, {kernels}, {run}: {versions}.{missing} "
        f"Measured in the same run: products of matrices at {machine['gemm_float64'] / 1e9:.0f} (float64) and "
        f"{machine['gemm_float32'] / 1e9:.0f} (float32) GFLOP/s, reading at {machine['bandwidth'] / 1e9:.0f} GB/s."
    )


def full(found: dict[str, Any]) -> str:
    """Every call of every comparison."""
    lines = [
        "# Peers side by side",
        "",
        "`python -m bench.peers` wrote this. Times are medians of calls taken by turns, the spread is the",
        "interquartile range over the median, the ratio is to our first call; floors are the time over the least that",
        f"products and reading would take at the machine's measured peak. {LESS_ACCURATE}: less accurate than the best",
        "by more than rounding explains.",
        "",
        origin(found),
        "",
        *header(["what", "dtype", "library", "how", "median", "spread", "ratio", "error", "floors"]),
    ]
    for row in found["rows"]:
        error = row["note"] if row["error"] is None else f"{row['error']:.1e}{LESS_ACCURATE * row['less_accurate']}"
        floors = "" if row["floors"] is None else f"{row['floors']:.2f}"
        numbers = [duration(row["seconds"]), f"{100 * row['spread']:.0f} %", f"{row['ratio']:.2f}", error, floors]
        lines.append(line([row["what"], row["dtype"], row["library"], row["how"], *numbers]))
    return "\n".join(lines) + "\n"


def short(found: dict[str, Any]) -> str:
    """One line a comparison: each library by its fastest way among its most accurate ones."""
    shown = [name for name in LIBRARIES if any(row["library"] == name for row in found["rows"])]
    lines = [origin(found), "", *header(["what", "dtype", *shown, "floors"])]
    for (what, dtype), group in groupby(found["rows"], key=lambda row: (row["what"], row["dtype"])):
        rows = list(group)
        cells = [cell([row for row in rows if row["library"] == name]) for name in shown]
        lines.append(line([what, dtype, *cells, f"{rows[0]['floors']:.2f}" if rows[0]["floors"] else ""]))
    return "\n".join(lines)


def cell(rows: list[Row]) -> str:
    if not rows:
        return ""
    best = min(rows, key=lambda row: (row["less_accurate"], row["seconds"])) if rows[0]["ratio"] != 1.0 else rows[0]
    ratio = f" ({times(best['ratio'])})" * (best["ratio"] != 1.0)
    return duration(best["seconds"]) + ratio + LESS_ACCURATE * best["less_accurate"]


def times(ratio: float) -> str:
    """Two digits, and all of them before the point."""
    return f"{ratio:.2g}" if ratio < 99.5 else f"{ratio:.0f}"


def brief(found: dict[str, Any]) -> str:
    """Three lines: ours beside the fastest of the others that are as accurate."""
    measured = f"Measured on {found['threads']} threads of {found['cpu']}, {found['date'][:10]}:"
    lines = [measured, "", *header(["what", "w2s_fast", "fastest other", "ratio"])]
    for what, name in SHOWN.items():
        rows = [row for row in found["rows"] if row["what"] == what]
        ours = next(row for row in rows if row["ratio"] == 1.0)
        others = [row for row in rows if row["library"] != ours["library"] and not row["less_accurate"]]
        best = min(others, key=lambda row: row["seconds"])
        fastest = f"{duration(best['seconds'])}, {best['library']}"
        lines.append(line([name, duration(ours["seconds"]), fastest, times(best["ratio"])]))
    return "\n".join(lines)


def put(path: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    page = path.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
