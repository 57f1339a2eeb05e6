"""``python -m w2s_fast.cli``."""

from w2s_fast.cli import main

main()
