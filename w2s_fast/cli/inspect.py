"""``w2s-fast inspect``: what files of features hold."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from w2s_fast.cli.options import json_option, print_json

if TYPE_CHECKING:
    from w2s_fast.linalg.files.contents import Item


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--no-scan", is_flag=True, help="Do not read the numbers: headers alone, of files of any size.")
@json_option
def inspect(files: tuple[str, ...], no_scan: bool, as_json: bool) -> None:
    """List the arrays in files: their names, shapes and types, and how many numbers are NaN or infinite.

    FILE is a file, a folder of Arrow or Parquet files, a dataset that Hugging Face's save_to_disk wrote, a .zarr
    folder, or an address such as s3://bucket/file; path#array names one array of it. Numbers are read by blocks.

    \b
    Examples:
      w2s-fast inspect hidden.pt
      w2s-fast inspect features.h5#train/clip labels.csv --json
    """  # noqa: D301  click wants the character
    from w2s_fast.linalg.files.contents import contents

    found = [(file, item) for file in files for item in contents(file, not no_scan)]
    if as_json:
        print_json([{"file": file} | asdict(item) for file, item in found])
        return
    from w2s_fast.cli.table import print_cells

    for file in dict.fromkeys(files):
        rows = [_cells(item) for where, item in found if where == file]
        print_cells(("array", "shape", "type", "NaN", "infinite"), rows, file)


def _cells(item: Item) -> tuple[str, ...]:
    counts = ["" if count is None else f"{count:,}" for count in (item.nan, item.infinite)]
    shape = item.note if item.shape is None else " x ".join(f"{size:,}" for size in item.shape) or "one number"
    return item.name, shape, item.dtype, *counts
