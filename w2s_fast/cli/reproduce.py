"""``w2s-fast reproduce``: the main job."""

from __future__ import annotations

import time
from pathlib import Path

import click

from w2s_fast.cli.options import job_options, print_json, require_figures_in
from w2s_fast.cli.output import say


@click.command()
@job_options("Few points and trials: to see that everything works.")
def reproduce(
    out: Path,
    trials: int,
    seed: int,
    workers: int | None,
    quick: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a study on real features and all synthetic figures of the paper, and go beyond them.

    N goes to 10^12, dimensions to 10^6, and n and N across the peaks of double descent, with ridge and without.
    Prints a table and leaves figures (PNG), tables (CSV), one page with everything (HTML), and a record of seeds,
    versions and timings (JSON) in the output folder.

    \b
    Examples:
      w2s-fast reproduce --out results
      w2s-fast reproduce --quick --seed 7
    """  # noqa: D301  click wants the character
    from w2s_fast.study.ownership import require_ours
    from w2s_fast.study.progress import progress_bar
    from w2s_fast.tasks import reproduce as task
    from w2s_fast.warmup import compiling_few_rows_and_ridge

    started = time.perf_counter()
    require_figures_in(out)
    job = task.job(trials=trials, seed=seed, quick=quick)
    require_ours((out / name for name in task.files(job)), overwrite)
    with compiling_few_rows_and_ridge():
        task.run(job, lambda title: progress_bar(title, not quiet), workers)
    paths = list(task.write(job, out, started))
    seconds = time.perf_counter() - started
    agreement = task.agreement(job)
    if as_json:
        print_json({"seconds": seconds, "files": [str(path) for path in paths], "agreement": agreement._asdict()})
    elif not quiet:
        from w2s_fast.cli.table import print_series

        print_series(task.shown(job), "Weak-to-strong studies")
        say(
            f"{agreement.means:,} mean risks against the exact theory: largest |z| {agreement.largest:.2f}, "
            f"root mean square {agreement.root_mean_square:.2f} (1 if only chance is at work)."
        )
        say(f"{seconds:.1f} s. Written: " + ", ".join(map(str, paths)))
