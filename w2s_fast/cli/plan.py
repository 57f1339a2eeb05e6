"""``w2s-fast plan``: sample sizes for a wanted PGR, and the time a grid takes."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2s_fast import _check
from w2s_fast.cli.options import (
    GRID,
    SOURCE,
    crossed,
    grid_options,
    json_option,
    print_json,
    source_of,
    source_options,
    trials_option,
    workers_option,
)
from w2s_fast.cli.output import say

if TYPE_CHECKING:
    from w2s_fast.study.forecast import Answer, RunTime
    from w2s_fast.study.study import Study


BASES = {
    "timed": "some were timed just now; what is compiled on first use comes on top, about 10 s once",
    "recorded": "by the pilot's own runs, with what they compiled",
}


@click.command()
@click.argument("pilot", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--pgr", type=click.FloatRange(max=1.0), default=0.9, show_default=True, help="Wanted gap recovery.")
@click.option(
    "--certainty",
    type=click.FloatRange(min=0.0, max=1.0, max_open=True),
    default=0.9,
    show_default=True,
    help="Wanted probability that a trial reaches it; 0 asks for means alone.",
)
@grid_options
@source_options
@trials_option
@workers_option
@json_option
def plan(pilot: Path | None, **options: Any) -> None:
    """Tell how many labels and pseudo-labels reach a wanted PGR, and how long a grid takes.

    From a spec: --n asks for N, --N asks for n; both also tell how long the grid would run with --trials, after timing
    a few of its trials. From a PILOT study file: the same for what its series hold fixed. Gaussian models without ridge
    are answered exactly for expected risks, and for trials by drawing some; all else by fits of a + b / (x - c) to the
    pilot's means, with a 90 % interval.

    \b
    Examples:
      w2s-fast plan --n 2000 --pgr 0.9
      w2s-fast plan --n 2000 --pgr 0.7 --certainty 0.99
      w2s-fast plan --N 4000,1e6 --d-shared 90 --pgr 0.5
      w2s-fast plan --n lin:400:4000:20 --N 4000 --trials 1000
      w2s-fast plan valence.sqlite --pgr 0.5
    """  # noqa: D301  click wants the character
    _check.real(options["pgr"], "pgr", minimum=-math.inf, maximum=1.0)
    options["certainty"] = options["certainty"] or None
    answers, time = from_pilot(pilot, options) if pilot else from_spec(options)
    if options["as_json"]:
        run_time = None if time is None else time._asdict()
        print_json({"pgr": options["pgr"], "answers": [asdict(answer) for answer in answers], "run_time": run_time})
        return
    for answer in answers:
        say(in_words(answer, options["pgr"]))
    if time is not None:
        say(
            f"The grid: {time.trials:,} trials take about {duration(time.seconds)} on {time.workers} thread(s) "
            f"({BASES[time.basis]})."
        )


def from_spec(options: dict[str, Any]) -> tuple[list[Answer], RunTime | None]:
    """Answer for a model, or time a grid of real features."""
    from w2s_fast.study.forecast import exact_answer, run_time

    if options["n"] is None and options["N"] is None:
        raise click.UsageError("give --n, --N or both, or a pilot study file")
    study = _study(options)
    answers, wanted = [], (options["pgr"], options["certainty"])
    for scenario in study.scenarios:
        if not scenario.can_plan:
            if options["n"] is None or options["N"] is None:
                raise click.UsageError(
                    "real features and ridge have no closed form of sizes: run a pilot and plan from its file"
                )
            continue
        label = scenario.label(study.axes)
        answers += [exact_answer(scenario, label, "N", n, *wanted) for n in options["n"] or ()]
        answers += [exact_answer(scenario, label, "n", N, *wanted) for N in options["N"] or ()]
    both = options["n"] is not None and options["N"] is not None
    return answers, run_time(study, options["trials"], options["workers"]) if both else None


def from_pilot(pilot: Path, options: dict[str, Any]) -> tuple[list[Answer], RunTime | None]:
    """Answer for what the series of a study file hold fixed."""
    from w2s_fast.study.forecast import answer, run_time
    from w2s_fast.study.study import Study

    given = [f"--{name.replace('_', '-')}" for name in (*GRID, *SOURCE) if options[name] is not None]
    if given:
        raise click.UsageError(f"{', '.join(given)}: a pilot file says that itself")
    study = Study.open(pilot)
    return [answer(series, options["pgr"], options["certainty"]) for series in study.series()], run_time(
        study, options["trials"], options["workers"]
    )


def _study(options: dict[str, Any]) -> Study:
    from w2s_fast.study.study import Study

    source, axes = source_of(options)
    return Study(source, **crossed(options["n"], options["N"]), **axes)


def in_words(answer: Answer, pgr: float) -> str:
    """Say an answer in one line."""
    asked, fixed = ("pseudo-labels", "n") if answer.axis == "N" else ("labels", "N")
    start = f"{answer.label}: " if answer.label else ""
    start += f"with {fixed} = {answer.fixed:,}, "
    if answer.size is None:
        return f"{start}{answer.note}"
    text = f"{start}{answer.axis} = {answer.size:,} {asked} reach a PGR of {pgr:g}"
    if answer.basis == "exact":
        return f"{text} (exact, of expected risks){_of_trials(answer)}"
    text += f" (fit to the pilot; 90 % interval {_whole(answer.low)} to {_whole(answer.high)}"
    text += ", EXTRAPOLATED beyond what it measured" if answer.extrapolated else ""
    return f"{text}{answer.note and ', ' + answer.note})"


def _of_trials(answer: Answer) -> str:
    """Say the size at which trials reach it, and how well that is known."""
    from w2s_fast.gaussian.certainty import TRIALS

    if answer.certainty is None:
        return ""
    if answer.certain_size is None:
        return f"; {answer.certain_note}"
    error = 100.0 * math.sqrt(answer.certainty * (1.0 - answer.certainty) / TRIALS)
    share = f"{100.0 * answer.certainty:g} % of trials"
    return f"; {answer.axis} = {answer.certain_size:,} in {share} (by {TRIALS:,} of them, standard error {error:.2g} %)"


def _whole(size: float | None) -> str:
    return "out of reach" if size is None or math.isinf(size) else f"{size:,.0f}"


def duration(seconds: float) -> str:
    """Write seconds as people say them.

    >>> duration(0.42), duration(95), duration(7_300), duration(200_000)
    ('0.42 s', '1.6 min', '2.0 h', '2.3 days')
    """
    for limit, unit, name in ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h")):
        if seconds < limit:
            return f"{seconds:.2g} s" if name == "s" else f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86_400:.1f} days"
