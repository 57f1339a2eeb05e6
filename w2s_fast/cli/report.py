"""``w2s-fast report`` and ``w2s-fast merge``: study files, read and joined."""

from __future__ import annotations

from pathlib import Path

import click

from w2s_fast.cli.options import json_option, overwrite_option, print_json, quiet_option
from w2s_fast.cli.output import say

FILE = click.Path(dir_okay=False, path_type=Path)
FORMATS = ("csv", "json", "png", "svg", "html")


@click.command()
@click.argument("file", type=FILE)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder.  [default: that of FILE]")
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True, help="May be repeated.  [default: all]")
@overwrite_option
@json_option
@quiet_option
def report(file: Path, out: Path | None, formats: tuple[str, ...], overwrite: bool, as_json: bool, quiet: bool) -> None:
    """Write tables, figures and one self-contained page of a study, finished or not.

    A report takes the place of an earlier one; another's file of that name stays, unless --overwrite is given.

    \b
    Examples:
      w2s-fast report study.sqlite
      w2s-fast report study.sqlite --format html --out reports
      w2s-fast report study.sqlite --json --format csv
    """  # noqa: D301  click wants the character
    from w2s_fast.study.ownership import require_ours
    from w2s_fast.study.study import Study

    study = Study.open(file)
    study.summary()  # says so if there is nothing to report
    folder = out or file.parent
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"png": study.plot, "svg": study.plot}
    writers = {"csv": study.to_csv, "json": study.to_json, **figures, "html": study.to_html}
    written = {folder / f"{file.stem}.{suffix}": writers[suffix] for suffix in formats or FORMATS}
    if len(study.scenarios) > 1:
        compared = [suffix for suffix in formats or FORMATS if suffix in figures]
        written |= {folder / f"{file.stem}-compared.{suffix}": study.plot_comparison for suffix in compared}
    require_ours(written, overwrite, file)
    for path, write in written.items():
        write(path)
    if as_json:
        print_json(study.describe())
    elif not quiet:
        from w2s_fast.cli.table import print_series

        print_series(study.series(), study.title)
        if not study.is_complete:
            say(f"Not finished: {study.counts.sum():,} of {study.trials * study.counts.size:,} trials.")
        say("Written: " + ", ".join(map(str, written)))


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--out", type=FILE, required=True, help="The study file to make; must not exist.")
@json_option
@quiet_option
def merge(files: tuple[Path, ...], out: Path, as_json: bool, quiet: bool) -> None:
    """Join studies of the same grid that were run with different seeds.

    \b
    Example:
      w2s-fast merge seed0.sqlite seed1.sqlite --out both.sqlite
    """  # noqa: D301  click wants the character
    from w2s_fast.study.study import merge_files

    study = merge_files(files, out)
    if as_json:
        print_json(study.describe())
    elif not quiet:
        say(f"{out}: seeds {', '.join(map(str, study.seeds))}; {study.trials:,} trials a point.")
