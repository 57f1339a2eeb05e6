"""The command ``w2s-fast``."""

from __future__ import annotations

import sys

try:
    import click
except ImportError:
    raise SystemExit('w2s-fast needs its command-line extra: python -m pip install "w2s_fast[cli,plot]"') from None

from w2s_fast import __version__
from w2s_fast.cli.extract import extract
from w2s_fast.cli.info import info
from w2s_fast.cli.inspect import inspect
from w2s_fast.cli.output import (
    OutputError,
    Stopped,
    complain,
    give_up_what_fails,
    guarded_streams,
    open_closed_streams,
    stopped_in_order,
    write_what_the_terminal_can,
)
from w2s_fast.cli.plan import plan
from w2s_fast.cli.probe import probe
from w2s_fast.cli.report import merge, report
from w2s_fast.cli.reproduce import reproduce
from w2s_fast.cli.sweep import sweep
from w2s_fast.cli.task import task
from w2s_fast.cli.warmup import warmup

INTERRUPTED = 130  # the shell's exit status after Ctrl-C


def main() -> None:
    """Run the command; whatever a user can cause ends in one line on standard error and a non-zero exit status."""
    open_closed_streams()
    write_what_the_terminal_can()
    with guarded_streams(), stopped_in_order():
        status, message = _run()
        if message:
            complain(f"w2s-fast: error: {' '.join(message.split())}")
    give_up_what_fails()
    if status:
        raise SystemExit(status)


def _run() -> tuple[int, str]:
    """Run the command; return the exit status and what went wrong."""
    try:
        commands.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        return error.exit_code, error.format_message()
    except click.Abort:
        return INTERRUPTED, "interrupted"
    except Stopped as error:
        return error.status, str(error)
    except OutputError as error:
        return 1, "" if error.is_unread else str(error)
    except (ValueError, TypeError, OSError, ImportError, MemoryError, ArithmeticError, RuntimeError) as error:
        return 1, str(error) or type(error).__name__
    return 0, ""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, prog_name="w2s-fast")
@click.pass_context
def commands(context: click.Context) -> None:
    """Fast weak-to-strong generalization studies.

    \b
    Exit status:
      0    done
      1    the work failed: a file, a size or a value that cannot be
      2    the command line was not understood
      130  interrupted by Ctrl-C; what sweep had finished is kept
      143  likewise by SIGTERM; 129 by a terminal that was closed

    \b
    Shell completion:
      bash  eval "$(_W2S_FAST_COMPLETE=bash_source w2s-fast)"
      zsh   eval "$(_W2S_FAST_COMPLETE=zsh_source w2s-fast)"
      fish  _W2S_FAST_COMPLETE=fish_source w2s-fast | source
    """  # noqa: D301  click wants the character
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (probe, sweep, plan, report, merge, reproduce, task, extract, inspect, info, warmup):
    commands.add_command(command)
