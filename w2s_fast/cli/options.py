"""What commands share: lists of sizes and numbers, the options that describe a source, and output."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from w2s_fast._check import LARGEST_COUNT

Command = TypeVar("Command", bound=Callable[..., Any])
MOST_SIZES = 100_000  # in one lin: or log:
GRID = ("n", "N")
MODEL = ("d_weak", "d_strong", "d_target", "d_shared", "noise_variance")
SOURCE = (*MODEL, "ridge", "weak", "strong", "labels", "task", "test")


def numbers(text: str) -> list[float]:
    """Numbers divided by commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 0.01,0.1") from None


def names(text: str) -> tuple[str, ...]:
    """Names divided by commas."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def sizes(text: str) -> list[int]:
    """Whole numbers divided by commas; ``lin:400:4000:20`` and ``log:1e3:1e12:10`` stand for several.

    >>> sizes("500,2e3,lin:400:4000:4,log:10:1e3:3")
    [500, 2000, 400, 1600, 2800, 4000, 10, 100, 1000]
    """
    try:
        return list(dict.fromkeys(size for part in text.split(",") for size in _sizes(part)))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a list of sizes such as 400,1e6 or lin:400:4000:20 or log:1e3:1e12:10"
        ) from None


def _sizes(part: str) -> list[int]:
    import numpy as np

    if part[:4] not in ("lin:", "log:"):
        return [whole(part)]
    start, stop, count = part[4:].split(":")
    if not 2 <= int(count) <= MOST_SIZES or min(whole(start), whole(stop)) < 1:
        raise ValueError
    ends = whole(start), whole(stop)
    # lin truncates, as the paper's code does
    spaced = np.linspace(*ends, int(count)) if part.startswith("lin") else np.geomspace(*ends, int(count)).round()
    return [int(size) for size in spaced]


def whole(text: str) -> int:
    """Read 4000, 4_000 or 4e3."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if number != int(min(number, LARGEST_COUNT)):
            raise ValueError from None
        return int(number)


def _applied(command: Command, options: list[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def grid_options(command: Command) -> Command:
    """--n and --N."""
    forms = "Sizes such as 2000 or 400,1e6 or lin:400:4000:20 or log:1e3:1e12:10."
    return _applied(
        command,
        [
            click.option("--n", type=sizes, help=f"Labelled rows. {forms}  [default: 2000]"),
            click.option(
                "--N", "N", type=sizes, help="Pseudo-labelled rows, likewise; crossed with --n.  [default: 4000]"
            ),
        ],
    )


def feature_path(text: str) -> str:
    """A path of features, with the name of an array behind it or without; what there is not is refused at once."""
    from w2s_fast.linalg.files.place import split_name

    path, _ = split_name(text)
    if not (path.is_file() or path.is_dir()):
        raise click.BadParameter(f"{text!r} does not exist")
    return text


def source_options(command: Command) -> Command:
    """The Gaussian model of the paper, or real features, and the further axes."""
    size = click.IntRange(1, 100_000)
    return _applied(
        command,
        [
            click.option("--d-shared", type=numbers, help="Shared dimension(s); crossed with all else.  [default: 10]"),
            click.option("--noise-variance", type=numbers, help="Variance(s) of label noise.  [default: 0.01]"),
            click.option("--ridge", type=numbers, help="Ridge(s).  [default: 0; 1e-6 for features]"),
            click.option("--d-weak", type=size, help="Dimension of the teacher.  [default: 200]"),
            click.option("--d-strong", type=size, help="Dimension of the student.  [default: 100]"),
            click.option("--d-target", type=size, help="Coordinates of the target.  [default: 300]"),
            click.option(
                "--weak",
                type=feature_path,
                help="Real features instead: the teacher's, (rows, d), as path, path#array or path#array[:,12].",
            ),
            click.option("--strong", type=feature_path, help="The student's, likewise."),
            click.option(
                "--labels",
                type=feature_path,
                help="Their labels, (rows,), likewise: numbers, which are to be centred, or names of classes.",
            ),
            click.option("--task", type=click.Choice(["valence"]), help="Real features that ship with the package."),
            click.option("--test", help="Held-out rows of real features, or a share below 1.  [default: 0.2]"),
        ],
    )


def measure_options(command: Command) -> Command:
    """--metrics and --ceiling."""
    return _applied(
        command,
        [
            click.option(
                "--metrics",
                type=names,
                default="",
                help="What else to measure, with its PGR and OPR, such as accuracy,auroc: docs/explanation/metrics.md.",
            ),
            click.option(
                "--ceiling",
                type=click.Choice(["all", "pseudo"]),
                default="all",
                show_default=True,
                help="Rows of the ceiling: all n + N, or the N pseudo-labelled ones alone.",
            ),
        ],
    )


def job_options(quick: str) -> Callable[[Command], Command]:
    """Options of a whole job, from --out to --quiet; ``quick`` says what --quick leaves out."""
    folder = click.Path(file_okay=False, path_type=Path)
    files = "Folder for figures, tables, the page and the record; made if missing."

    def applied(command: Command) -> Command:
        return _applied(
            command,
            [
                click.option("--out", type=folder, default=Path("results"), show_default=True, help=files),
                click.option(
                    "--trials", type=click.IntRange(min=2), default=40, show_default=True, help="At each point."
                ),
                seed_option,
                workers_option,
                click.option("--quick", is_flag=True, help=quick),
                overwrite_option,
                json_option,
                quiet_option,
            ],
        )

    return applied


def require_figures_in(folder: Path) -> None:
    """Make the folder; refuse what would only fail after the work: a full or locked folder, no matplotlib."""
    from w2s_fast.study.figures import require_matplotlib

    require_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def trials_option(command: Command) -> Command:
    """--trials."""
    trials = click.IntRange(min=1)
    return click.option("--trials", type=trials, default=40, show_default=True, help="At each point.")(command)


def workers_option(command: Command) -> Command:
    """--workers."""
    return click.option("--workers", type=click.IntRange(1, 1024), help="Threads; one a core by default.")(command)


@contextmanager
def workers_of(options: dict[str, Any]) -> Iterator[Any]:
    """Yield a number of threads, or a client of the scheduler that was named."""
    if options.get("scheduler") is None:
        yield options["workers"]
        return
    if options["workers"] is not None:
        raise click.UsageError("--workers are threads of this machine: leave them out beside --scheduler")
    from w2s_fast._devices import connected

    with connected(options["scheduler"]) as client:
        yield client


def seed_option(command: Command) -> Command:
    """--seed."""
    seeds = click.IntRange(0, 2**62)
    return click.option("--seed", type=seeds, default=0, show_default=True, help="Same seed, same numbers.")(command)


def json_option(command: Command) -> Command:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines, and no table.")(command)


def overwrite_option(command: Command) -> Command:
    """--overwrite."""
    return click.option("--overwrite", is_flag=True, help="Write over files that this command did not make.")(command)


def quiet_option(command: Command) -> Command:
    """--quiet."""
    return click.option("--quiet", "-q", is_flag=True, help="No progress bar, no table; errors only.")(command)


def source_of(
    options: dict[str, Any],
    how: dict[str, Any] | None = None,
    axes: dict[str, Any] | None = None,
    needing_features: Sequence[str] = (),
) -> tuple[Any, dict[str, Any]]:
    """Make the source that the options describe; return it with its further axes.

    ``how`` has arguments of ``Task.of``, ``axes`` those of features, and ``needing_features`` the options that only
    these have.
    """
    axes = {"ridge": options["ridge"]} if axes is None else axes
    files = {name: options[name] for name in ("weak", "strong", "labels")}
    given_labels = options.get("weak_labels")
    if options["task"] is None and not any((*files.values(), given_labels)):
        alone = [name for name, value in (("--test", options["test"]), ("--metrics", options.get("metrics"))) if value]
        if alone := [*alone, *needing_features]:
            raise click.UsageError(f"{alone[0]} needs real features: --weak, --strong and --labels, or --task")
        return _model(options, axes)
    given = [f"--{name.replace('_', '-')}" for name in MODEL if options[name] is not None]
    if given:
        raise click.UsageError(f"{', '.join(given)} and real features exclude one another")
    how = {**(how or {}), **test_of(options["test"]), "metrics": options.get("metrics", ())}
    if options["task"] is not None:
        if any((*files.values(), given_labels)):
            raise click.UsageError("--task and files of features exclude one another")
        from w2s_fast.tasks import valence

        return valence.load(**how), axes
    if given_labels is not None:
        from w2s_fast.probing.given import Predictions

        if files["weak"] is not None:
            raise click.UsageError("--weak and --weak-labels are both the teacher: give one")
        files["weak"] = Predictions(given_labels)
    missing = [f"--{name}" for name, path in files.items() if path is None]
    if missing:
        raise click.UsageError(f"real features need {', '.join(missing)} too")
    from w2s_fast.probing.task import Task

    return Task.of(*files.values(), **how), axes


def _model(options: dict[str, Any], axes: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from w2s_fast.gaussian.model import GaussianModel

    fixed = {name: options[name] for name in ("d_weak", "d_strong", "d_target") if options[name] is not None}
    varied = {name: options[name] for name in ("d_shared", "noise_variance")}
    return partial(GaussianModel.paper, **fixed), axes | varied


def test_of(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        return {"test": float(text) if "." in text else whole(text)}
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a number of rows nor a share below 1", param_hint="--test"
        ) from None


def crossed(n: list[int] | None, N: list[int] | None) -> dict[str, Any]:
    """Cross sizes of n and N, for the arguments of a study."""
    return {"n": [[size] for size in n or [2_000]], "N": N or [4_000]}


def print_json(content: Any) -> None:
    """Print strict JSON on standard output."""
    from w2s_fast.study.tables import finite

    click.echo(json.dumps(finite(content), indent=1, allow_nan=False))
