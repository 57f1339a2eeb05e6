"""``w2s-fast sweep``: a grid into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from w2s_fast.cli.fit_options import given_fits, study_fit_options, study_fits_of
from w2s_fast.cli.options import (
    crossed,
    grid_options,
    json_option,
    measure_options,
    print_json,
    quiet_option,
    seed_option,
    source_of,
    source_options,
    trials_option,
    workers_of,
    workers_option,
)
from w2s_fast.cli.output import say


@click.command()
@grid_options
@source_options
@study_fit_options
@measure_options
@trials_option
@seed_option
@workers_option
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster that runs the trials, in place of threads.")
@click.option(
    "--method",
    type=click.Choice(["auto", "invariants", "wishart", "direct"]),
    help="How trials of the model are drawn.  [default: auto]",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where they run.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("study.sqlite"),
    show_default=True,
    help="The study file; made if missing, gone on with if it holds this study.",
)
@click.option("--title", help="Names the study in figures.  [default: the file's name]")
@click.option("--keep-trials", is_flag=True, help="Store every trial, not only means and errors.")
@json_option
@quiet_option
def sweep(**options: Any) -> None:
    """Run a grid of n and N, crossed with further axes, into one file.

    Results are kept as they come: after Ctrl-C or a crash the same command goes on where it stopped, and ends with
    the same numbers to the bit. With more --trials it adds the missing ones.

    \b
    Examples:
      w2s-fast sweep --n 2000 --N log:1e3:1e12:10 --d-shared 10,50,90 --out far.sqlite
      w2s-fast sweep --n lin:400:4000:20 --N 4000 --noise-variance 0.01,0.1 --trials 400
      w2s-fast sweep --n 2000 --N 1e6 --trials 10000000 --scheduler tcp://node1:8786
      w2s-fast sweep --task valence --n 600 --N lin:600:6000:12 --out valence.sqlite
      w2s-fast sweep --weak w.npy --strong s.npy --labels y.npy --n 500 --N 1000,4000 --test 0.3
      w2s-fast sweep --weak w.npy --strong s.npy --labels y.npy --n 500 --N 1e3,4e3 --fit softmax --intercept \
          --ridge 0.1,1,10 --choose held-out --metrics accuracy --flips 0,0.1,0.2
    """  # noqa: D301  click wants the character
    how, axes = study_fits_of(options)
    source, axes = source_of(options, how, axes, needing_features=given_fits(options))
    options["keep_trials"] |= options["choose"] is not None  # for medians of the ridges that fits chose
    run_study(options, source, axes)


def run_study(options: dict[str, Any], source: Any, axes: dict[str, Any]) -> None:
    """Run a study of ``source`` as the options say, and print it."""
    from w2s_fast.study.study import Study

    study = Study(
        source,
        **crossed(options["n"], options["N"]),
        **axes,
        ceiling=options["ceiling"] if options.get("ceiling") != "all" else None,
        method=options.get("method") or "auto",
        trials=options["trials"],
        seed=options["seed"],
        title=options.get("title") or options["out"].stem,
        path=options["out"],
        keep_trials=options.get("keep_trials", False),
    )
    with workers_of(options) as workers:
        study.run(progress=not options["quiet"], device=options.get("device", "cpu"), workers=workers)
    if options["as_json"]:
        print_json(study.describe())
    elif not options["quiet"]:
        from w2s_fast.cli.table import print_series

        print_series(study.series(), study.title)
        say(f"{options['out']}: {study.trials:,} trials a point. Next: w2s-fast report {options['out']}")
