"""``w2s-fast warmup``: compile now, not at the first call."""

from __future__ import annotations

import time

import click

from w2s_fast.cli.options import quiet_option
from w2s_fast.cli.output import say


@click.command()
@quiet_option
def warmup(quiet: bool) -> None:
    """Compile everything and keep it, so that no first call has to wait.

    Compiled code is kept beside the package, in the user's cache folder where that cannot be written to, or in
    $NUMBA_CACHE_DIR if that is set.

    \b
    Example:
      w2s-fast warmup
    """  # noqa: D301  click wants the character
    from w2s_fast.study.progress import progress_bar
    from w2s_fast.warmup import compiling_simulations, warm_up

    started = time.perf_counter()
    with compiling_simulations(), progress_bar("compiling", not quiet) as progress:
        warm_up(progress)
    if not quiet:
        say(f"Compiled in {time.perf_counter() - started:.1f} s.")
