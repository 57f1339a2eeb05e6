"""``w2s-fast probe``: the study on features in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from w2s_fast.cli.fit_options import fit_options, fits_of, independent_option, intercept_option, noise_options
from w2s_fast.cli.options import (
    crossed,
    json_option,
    measure_options,
    print_json,
    quiet_option,
    seed_option,
    sizes,
    test_of,
    trials_option,
    workers_option,
)


@click.command()
@click.option("--weak", multiple=True, help="A teacher's features, (rows, d); several may be given.")
@click.option("--weak-labels", multiple=True, help="What a teacher predicts, (rows,) or (rows, k), not its features.")
@click.option("--strong", multiple=True, required=True, help="A student's features, likewise; all pairs are run.")
@click.option("--labels", required=True, help="Labels, (rows,) or (rows, k).")
@click.option("--n", type=sizes, help="Labelled rows, such as 400,1e3 or lin:400:4000:20.")
@click.option("--N", "N", type=sizes, help="Pseudo-labelled rows, likewise; crossed with --n.")
@click.option("--test", help="Held-out rows, or a share below 1.  [default: 0.2]")
@click.option("--labelled-rows", help="File of the numbers or a mask of rows to label; without --n, all of them.")
@click.option("--pseudo-labelled-rows", help="Likewise, to have pseudo-labelled.")
@click.option("--test-rows", help="Likewise, to test on.")
@fit_options
@intercept_option
@independent_option
@noise_options
@measure_options
@click.option("--medians", is_flag=True, help="Medians over trials beside means; in the table in their place.")
@click.option("--decompose", is_flag=True, help="Bias and variance too; inherited and reduced variance.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep results in a study file, as sweep does: resumable, for report and plan.",
)
@trials_option
@seed_option
@workers_option
@json_option
@quiet_option
def probe(**options: Any) -> None:
    """Run the study on features in files of any type that inspect reads, as path, path#array or path#array[:,12].

    Row i of every file belongs to the same example; path#array[:,*] is a model for each layer. Files that need no
    decoding may be larger than memory; pickles are never loaded. Test errors are mean squares; for labels +1 and -1,
    or 1 and 0, there are accuracies too.

    \b
    Examples:
      w2s-fast probe --weak clip_b32.npy --strong dinov2.npy --labels age.npy --intercept --n 500 --N lin:500:5000:10
      w2s-fast probe --weak f.npz#clip --weak f.npz#resnet --strong f.npz#dino --labels f.npz#age --n 500 --N 4e3
      w2s-fast probe --weak small.pt#hidden[:,*] --strong large.parquet --labels y.csv#label --n 500 --N 4e3
      w2s-fast probe --weak w.npy --strong s.npy --labels y.npy --n 500 --N 1e3,4e3 --out study.sqlite
      w2s-fast probe --weak w.npy --strong s.npy --labels y.npy --n 500 --N 4e3 --pseudo-labels hard --confident 0.5
      w2s-fast probe --weak-labels said.npy --strong s.npy --labels y.npy --n 500 --N 4e3
    """  # noqa: D301  click wants the character
    from w2s_fast.probing.design import Design
    from w2s_fast.probing.probe import run_design
    from w2s_fast.probing.task import Task
    from w2s_fast.study.progress import progress_bar

    given = _predictions(options["weak_labels"])
    if not (options["weak"] or given):
        raise click.UsageError("a teacher is missing: --weak for its features, or --weak-labels for what it predicts")
    weak, strong = {**_by_name(options["weak"]), **given}, _by_name(options["strong"])
    if len(weak) < len(options["weak"]) + len(given):
        raise click.UsageError(f"--weak and --weak-labels name files alike: {', '.join(given)}")
    single = len(weak) == len(strong) == 1
    task = Task.of(
        next(iter(weak.values())) if single else weak,
        next(iter(strong.values())) if single else strong,
        options["labels"],
        **_rows_apart(options),
        **fits_of(options),
        metrics=options["metrics"],
        ceiling=options["ceiling"],
    )
    if options["out"] is not None:
        missing = [f"--{name}" for name in ("n", "N") if options[name] is None]
        if missing:
            raise click.UsageError(f"--out needs {' and '.join(missing)}")
        if options["decompose"]:
            raise click.UsageError("--decompose and --out exclude one another: study files hold no single predictions")
        if options["medians"]:
            raise click.UsageError("--medians and --out exclude one another: study files hold means of trials")
        from w2s_fast.cli.sweep import run_study

        run_study(options, task, {})
        return
    grid = {name: options[name] for name in ("n", "N")}
    if None not in grid.values():
        grid = crossed(**grid)
    design = Design.of(task, **grid, seed=options["seed"], decompose=options["decompose"])
    with progress_bar("probe", not options["quiet"]) as bar:
        found = run_design(design, options["trials"], workers=options["workers"], progress=bar)
    if options["as_json"]:
        from w2s_fast.study.tables import probe_rows

        medians = options["medians"]
        tables = (probe_rows(trials, weak, strong, medians) for (weak, strong), trials in found.items())
        print_json([row for table in tables for row in table])
    elif not options["quiet"]:
        from w2s_fast.cli.table import print_trials

        print_trials(found, options["medians"])


def _rows_apart(options: dict[str, Any]) -> dict[str, Any]:
    """Rows that files set apart, and the test rows, which may be so or drawn."""
    if options["test"] is not None and options["test_rows"] is not None:
        raise click.UsageError("--test and --test-rows exclude one another")
    named = {"labelled": "labelled_rows", "pseudo_labelled": "pseudo_labelled_rows", "test": "test_rows"}
    apart = {argument: options[name] for argument, name in named.items() if options[name] is not None}
    return test_of(options["test"]) | apart


def _predictions(paths: tuple[str, ...]) -> dict[str, Any]:
    """Teachers that are given by files of what they predict."""
    from w2s_fast.probing.given import Predictions

    return {name: Predictions(path) for name, path in _by_name(paths).items()}


def _by_name(paths: tuple[str, ...]) -> dict[str, str]:
    """Name files by their stems, or by their paths where stems are not distinct."""
    if len(set(paths)) < len(paths):
        raise click.UsageError(f"a file is given twice: {', '.join(paths)}")
    named = {_name(path): path for path in paths}
    return named if len(named) == len(paths) else {path: path for path in paths}


def _name(path: str) -> str:
    """``features/clip.npy`` -> ``clip``, ``all.npz#clip`` -> ``all#clip``, ``clip.npy#[:,12]`` -> ``clip[:,12]``."""
    from w2s_fast.linalg.files.place import split_name

    file, entry = split_name(path)
    return file.stem + "#" * (entry[:1] not in ("", "[")) + entry
