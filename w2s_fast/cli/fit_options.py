"""Options of commands that say how teachers and students are fitted to real features, and what they are taught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from w2s_fast.cli.options import numbers

Command = TypeVar("Command", bound=Callable[..., Any])
TAUGHT = ("choose", "pseudo_labels", "confident", "rounds", "label_noise", "flips", "noise_once", "noise_on_test")


def fit_options(command: Command) -> Command:
    """From --fit to --rounds."""
    several = "0 for ridgeless, minimum-norm fits; of several every fit chooses one."
    for option in reversed(
        [
            click.option("--fit", default="ridge", show_default=True, help="Kind of fit, see docs/classification.md."),
            click.option("--teacher-fit", help="The teacher's, where it is another."),
            click.option("--ridge", type=numbers, default="1e-6", show_default=True, help=several),
            click.option("--teacher-ridge", type=numbers, help="The teacher's, where it is another."),
            click.option(
                "--choose",
                type=click.Choice(["leave-one-out", "held-out"]),
                default="leave-one-out",
                show_default=True,
                help="By which errors one of several ridges is chosen.",
            ),
            click.option(
                "--pseudo-labels",
                type=click.Choice(["soft", "hard", "sign"]),
                default="soft",
                show_default=True,
                help="What students get: the teacher's predictions, or the classes that they are for.",
            ),
            click.option(
                "--confident", type=float, default=1.0, help="Share of pseudo-labels kept: those that it is surest of."
            ),
            click.option("--rounds", type=int, default=1, help="Students of a round teach those of the next."),
        ]
    ):
        command = option(command)
    return command


def noise_options(command: Command) -> Command:
    """From --label-noise to --noise-on-test."""
    for option in reversed(
        [
            click.option(
                "--label-noise", type=float, default=0.0, help="Standard deviation of noise added to training labels."
            ),
            click.option("--flips", type=float, default=0.0, help="Or the share of them that become another class."),
            click.option("--noise-once", is_flag=True, help="Noise is drawn once, not anew in every trial."),
            click.option("--noise-on-test", is_flag=True, help="Test labels are noisy, too."),
        ]
    ):
        command = option(command)
    return command


def fits_of(options: dict[str, Any]) -> dict[str, Any]:
    """Arguments of ``Task.of`` that these options give."""
    ridge, teacher = (_one_or_grid(options[name]) for name in ("ridge", "teacher_ridge"))
    fit, other = options["fit"], options["teacher_fit"]
    return {
        "fit": fit if other is None else (other, fit),
        "ridge": ridge if teacher is None else (teacher, ridge),
        **{name: options[name] for name in TAUGHT},
    }


def _one_or_grid(values: list[float] | None) -> float | list[float] | None:
    return values[0] if values is not None and len(values) == 1 else values
