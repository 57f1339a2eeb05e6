"""``python -m w2s_fast`` is the command ``w2s-fast``."""

from w2s_fast.cli import main

if __name__ == "__main__":
    main()
