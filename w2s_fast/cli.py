"""The command ``w2s-fast``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import click
except ImportError:
    raise SystemExit('w2s-fast needs its command-line extra: python -m pip install "w2s_fast[cli,plot]"') from None

from w2s_fast import __version__

if TYPE_CHECKING:
    from w2s_fast.study.run import Study

SHOWN = 6  # points of a sweep in the printed table; the files hold all
TABLE_WIDTH = 116  # characters; a narrower terminal wraps lines rather than lose digits
INTERRUPTED = 130  # the shell's exit status after Ctrl-C


def main() -> None:
    """Run the command; whatever a user can cause ends in one line on standard error and a non-zero exit status."""
    try:
        commands.main(standalone_mode=False)
    except click.ClickException as error:
        message, status = error.format_message(), error.exit_code
    except click.Abort:
        message, status = "interrupted", INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError, MemoryError, ArithmeticError) as error:
        message, status = str(error) or type(error).__name__, 1
    else:
        return
    click.echo(f"w2s-fast: error: {' '.join(message.split())}", err=True)
    raise SystemExit(status)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, prog_name="w2s-fast")
@click.pass_context
def commands(context: click.Context) -> None:
    """Fast weak-to-strong generalization studies."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@commands.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder for figures, tables and the record; made if missing.",
)
@click.option("--trials", type=click.IntRange(min=2), default=40, show_default=True, help="Trials at each point.")
@click.option("--seed", type=click.IntRange(0, 2**62), default=0, show_default=True, help="Same seed, same numbers.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Threads; one a core by default.")
@click.option("--quick", is_flag=True, help="Few points and trials: to see that everything works.")
def reproduce(out: Path, trials: int, seed: int, workers: int | None, quick: bool) -> None:
    r"""Run a study on real features and the paper's first synthetic figure.

    Prints a table and leaves figures (PNG), tables (CSV) and a record of seeds, versions and timings (JSON) in the
    output folder.

    \b
    Examples:
      w2s-fast reproduce --out results
      w2s-fast reproduce --quick --seed 7
    """
    from rich.console import Console

    from w2s_fast.study.plot import require_matplotlib
    from w2s_fast.study.progress import progress_bar
    from w2s_fast.tasks import reproduce as job

    started = time.perf_counter()
    require_matplotlib()
    out.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=out).close()  # better to fail now than after the work
    studies = job.studies(trials=trials, seed=seed, quick=quick)
    job.run(studies, lambda title: progress_bar(title, True), workers)
    paths = list(job.write(studies, out, started))
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    console.print(table(studies))
    click.echo(f"{time.perf_counter() - started:.1f} s. Written: " + ", ".join(map(str, paths)))


def table(studies: Sequence[Study]) -> Any:
    """Lay out each study's risks and ratios, mean ± standard error, the exact theory beneath synthetic rows."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from w2s_fast.model.trials import METRICS

    grid = Table(
        title="Weak-to-strong studies: mean±standard error; risks of the synthetic rows times 1000",
        caption="exact: expected risks in closed form, and ratios of them. The CSV files hold every point.",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    grid.add_column("study", no_wrap=True)
    for heading in ("n", "N", *METRICS):
        grid.add_column(heading.upper() if heading in ("pgr", "opr") else heading, justify="right", no_wrap=True)
    for study in studies:
        rows = study.table()
        points = [rows[start : start + len(METRICS)] for start in range(0, len(rows), len(METRICS))]
        step = max(1, (len(points) - 1) / (SHOWN - 1))
        shown = sorted({round(i * step) for i in range(SHOWN) if round(i * step) < len(points)})
        for number, index in enumerate(shown):
            _add_point(grid, study, points[index], title=study.title.split(", ")[-1] if number == 0 else "")
        grid.add_section()
    return grid


def _add_point(grid: Any, study: Study, point: list[dict[str, Any]], title: str) -> None:
    from w2s_fast.study.report import cell

    scales = [1e3 if study.is_synthetic and row["metric"] not in ("pgr", "opr") else 1.0 for row in point]
    cells = [cell(row["mean"] * scale, row["stderr"] * scale) for row, scale in zip(point, scales, strict=True)]
    grid.add_row(title, f"{point[0]['n']:,}", f"{point[0]['N']:,}", *cells)
    if study.is_synthetic:
        exact = [f"{row['expected'] * scale:.4g}" for row, scale in zip(point, scales, strict=True)]
        grid.add_row("", "", "exact", *exact, style="dim")


if __name__ == "__main__":
    main()
