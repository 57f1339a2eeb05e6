"""The command line, run in this process."""

import sys

from w2s_fast import cli


def run(capsys, *arguments, monkeypatch):
    """Exit status, standard output and standard error of ``w2s-fast arguments``."""
    monkeypatch.setattr(sys, "argv", ["w2s-fast", *arguments])
    status = 0
    try:
        cli.main()
    except SystemExit as exit_:
        status = exit_.code
    return status, *capsys.readouterr()
