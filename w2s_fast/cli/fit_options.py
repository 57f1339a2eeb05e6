"""Options of commands that say how teachers and students are fitted to real features, and what they are taught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from w2s_fast.cli.options import numbers

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]
TAUGHT = ("choose", "pseudo_labels", "confident", "rounds", "label_noise", "flips", "noise_once", "noise_on_test")
RIDGE = 1e-6  # of features where none is given, as Task has it
# What studies of features take beside models, and what it is where it is left out.
OF_FEATURES = {
    "fit": "ridge",
    "teacher_fit": None,
    "teacher_ridge": None,
    "choose": None,
    "pseudo_labels": "soft",
    "confident": 1.0,
    "rounds": 1,
    "intercept": False,
    "independent": False,
    "label_noise": None,
    "flips": None,
    "noise_once": False,
    "noise_on_test": False,
    "weak_labels": None,
}


def fit_options(command: Command) -> Command:
    """From --fit to --rounds, of a probe."""
    several = "0 for ridgeless, minimum-norm fits; of several every fit chooses one."
    ridge = click.option("--ridge", type=numbers, default=f"{RIDGE:g}", show_default=True, help=several)
    choose = _choose("By which errors one of several ridges is chosen.", default="leave-one-out", show_default=True)
    return _with(command, *_kinds(), ridge, _teacher_ridge(), choose, *_labelling())


def noise_options(command: Command) -> Command:
    """From --label-noise to --noise-on-test, of a probe."""
    noise = click.option(
        "--label-noise", type=float, default=0.0, help="Standard deviation of noise added to training labels."
    )
    flips = click.option("--flips", type=float, default=0.0, help="Or the share of them that become another class.")
    return _with(command, noise, flips, *_when_noisy())


def study_fit_options(command: Command) -> Command:
    """The same of a study, where several ridges and noises are axes; --ridge is among those of its source."""
    choose = _choose("Every fit chooses one of the ridges by these errors. Without, several are an axis.")
    noise = click.option("--label-noise", type=numbers, help="Standard deviation(s) of noise of training labels.")
    flips = click.option("--flips", type=numbers, help="Or the share(s) of them that become another class.")
    given = click.option("--weak-labels", help="What the teacher predicts, in place of --weak.")
    fits = (
        given,
        *_kinds(),
        _teacher_ridge(),
        choose,
        *_labelling(),
        intercept_option,
        independent_option,
        noise,
        flips,
        *_when_noisy(),
    )
    return _with(command, *fits)


def intercept_option(command: Command) -> Command:
    """--intercept."""
    help = "Give every fit an intercept. Without, centre the labels first."
    return click.option("--intercept", is_flag=True, help=help)(command)


def independent_option(command: Command) -> Command:
    """--independent."""
    help = "Draw the rows of every point anew, not nested along N."
    return click.option("--independent", is_flag=True, help=help)(command)


def _with(command: Command, *options: Option) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def _kinds() -> tuple[Option, Option]:
    return (
        click.option(
            "--fit", default="ridge", show_default=True, help="Kind of fit, see docs/howto/classification.md."
        ),
        click.option("--teacher-fit", help="The teacher's, where it is another."),
    )


def _teacher_ridge() -> Option:
    return click.option("--teacher-ridge", type=numbers, help="The teacher's, where it is another.")


def _choose(help: str, **default: Any) -> Option:
    return click.option("--choose", type=click.Choice(["leave-one-out", "held-out"]), help=help, **default)


def _labelling() -> tuple[Option, ...]:
    surest = "Share of pseudo-labels kept: those that it is surest of."
    return (
        click.option(
            "--pseudo-labels",
            type=click.Choice(["soft", "hard", "sign"]),
            default="soft",
            show_default=True,
            help="What students get: the teacher's predictions, or the classes that they are for.",
        ),
        click.option("--confident", type=float, default=1.0, help=surest),
        click.option("--rounds", type=int, default=1, help="Students of a round teach those of the next."),
    )


def _when_noisy() -> tuple[Option, Option]:
    return (
        click.option("--noise-once", is_flag=True, help="Noise is drawn once, not anew in every trial."),
        click.option("--noise-on-test", is_flag=True, help="Test labels are noisy, too."),
    )


def fits_of(options: dict[str, Any]) -> dict[str, Any]:
    """Arguments of ``Task.of`` that the options of a probe give."""
    ridge, teacher = (_one_or_several(options[name]) for name in ("ridge", "teacher_ridge"))
    return {
        "fit": _fits(options),
        "ridge": ridge if teacher is None else (teacher, ridge),
        "intercept": options["intercept"],
        "nested": not options["independent"],
        **{name: options[name] for name in TAUGHT},
    }


def study_fits_of(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of ``Task.of`` that the options of a study give, and its further axes, the ridge among them."""
    ridge, axes = _study_ridge(options)
    named = ("pseudo_labels", "confident", "rounds", "intercept", "noise_once", "noise_on_test")
    how = ridge | {name: options[name] for name in named}
    how |= {"fit": _fits(options), "nested": not options["independent"]}
    for name in ("label_noise", "flips"):
        values = options[name]
        if values:
            how[name] = max(values)  # tells whether labels must be classes
            axes |= {name: values} if len(values) > 1 else {}
    return how, axes


def given_fits(options: dict[str, Any]) -> list[str]:
    """Options of features that are not left out, as they are written."""
    given = [name for name, usual in OF_FEATURES.items() if options.get(name, usual) != usual]
    return [f"--{name.replace('_', '-')}" for name in given]


def _study_ridge(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """How a study's fits have their ridges: from a grid, a pair of them, or along an axis."""
    ridges, teacher, choose = options["ridge"], options["teacher_ridge"], options["choose"]
    if choose is None and teacher is None:
        return {}, {"ridge": ridges}
    several = [name for name, given in (("--ridge", ridges), ("--teacher-ridge", teacher)) if len(given or ()) > 1]
    if choose is None and several:
        raise click.UsageError(f"{several[0]} has several values, which fits choose from with --choose alone")
    if choose is not None and not several:
        raise click.UsageError("--choose needs several --ridge or --teacher-ridge to choose from, such as 0.1,1,10")
    own = RIDGE if ridges is None else _one_or_several(ridges)
    both = own if teacher is None else (_one_or_several(teacher), own)
    return {"ridge": both} | ({} if choose is None else {"choose": choose}), {}


def _fits(options: dict[str, Any]) -> Any:
    fit, teacher = options["fit"], options["teacher_fit"]
    return fit if teacher is None else (teacher, fit)


def _one_or_several(values: list[float] | None) -> float | list[float] | None:
    return values[0] if values is not None and len(values) == 1 else values
