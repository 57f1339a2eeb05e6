"""``w2s-fast task``: real data and real models, from packages to a report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from w2s_fast.cli.options import job_options, print_json, require_figures_in
from w2s_fast.cli.output import complain, say

if TYPE_CHECKING:
    from w2s_fast.tasks.claims import Claim
    from w2s_fast.tasks.real import RealTask, Run
    from w2s_fast.tasks.variance import Shed

TASKS = ("valence", "solar", "digits", "sentiment")


@click.command()
@click.argument("name", type=click.Choice(TASKS))
@job_options("Few teachers, points and trials. Features are made in full.")
def task(
    name: str,
    out: Path,
    trials: int,
    seed: int,
    workers: int | None,
    quick: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a study on a real data set with features of real pretrained models.

    valence: how positive a sentence is; GloVe and every layer of MiniLM teach its last layer. solar: how likely a
    solar cell is defective; stages of EfficientNet-Lite teach later ones. These are ridge regressions. Softmax
    regressions are digits: coloured MNIST, two classes and ten, by EfficientNet-Lite; and sentiment: whether a
    sentence of valence is positive, by soft, hard and filtered pseudo-labels. Data and models come from pip packages
    (the extra "tasks"). Features are made once, kept in ~/.cache/w2s_fast (or below $XDG_CACHE_HOME), and from then
    on need neither network nor packages; after Ctrl-C the same command goes on where it stopped.

    Leaves figures (PNG), tables (CSV), one page with the paper's claims beside what came out (HTML) and a record of
    seeds, versions and timings (JSON).

    \b
    Examples:
      w2s-fast task valence --out results
      w2s-fast task digits --quick
    """  # noqa: D301  click wants the character
    from w2s_fast.study.ownership import require_ours
    from w2s_fast.study.progress import progress_bar
    from w2s_fast.tasks import cache, claims, real, report, variance

    started = time.perf_counter()
    require_figures_in(out)
    chosen: real.RealTask = import_module(f"w2s_fast.tasks.{name}.task").TASK
    if quick:
        chosen, trials = chosen.quick(), min(trials, 5)

    every = (chosen, *chosen.also)
    require_ours((out / file for one in every for file in report.files(one)), overwrite)

    def show(title: str) -> cache.Progress:
        return progress_bar(title, not quiet)

    def notify(message: str) -> None:
        complain(f"w2s-fast: {message}")

    folder = cache.cache_folder(chosen.features_of or chosen.name)
    features = cache.collect(folder, chosen.extractors, chosen.read_items, show, notify)
    paths: list[Path] = []
    rows = []
    for one in every:
        began = time.perf_counter() if paths else started
        runs = real.plan(one, features, trials=trials, seed=seed)
        real.run(runs, show, workers)
        variances = variance.shed(one, runs, trials=trials, seed=seed, show_progress=show, workers=workers)
        found = claims.claims(one, runs, variances)
        paths += report.write(one, runs, variances, found, out, began)
        rows += [{"task": one.name, **row} for row in report.claim_rows(found)]
        if not (as_json or quiet):
            print_task(one, runs, variances, found)
    seconds = time.perf_counter() - started
    if as_json:
        print_json({"seconds": seconds, "files": [str(path) for path in paths], "claims": rows})
    elif not quiet:
        say(f"{seconds:.1f} s. Written: " + ", ".join(map(str, paths)))


def print_task(task: RealTask, runs: Sequence[Run], variances: Mapping[str, Shed], found: Sequence[Claim]) -> None:
    """Print the first pair's study, and what came out of all."""
    from w2s_fast.cli.table import print_cells, print_series, print_words
    from w2s_fast.tasks import report

    title = runs[0].study.title
    print_series(runs[0].series(title, ""), title)
    print_cells(report.dimension_head(task), report.dimension_cells(task, runs), "Dimensions")
    if variances:
        print_cells(report.VARIANCE_HEAD, report.variance_cells(variances), "Variance")
    print_words(report.CLAIM_HEAD, report.claim_cells(found), "Claims")
