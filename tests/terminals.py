"""What terminals of several widths show."""

from collections import Counter

from rich.cells import cell_len

WIDTHS = (40, 60, 80, 100, 120)
RULE = "─"


def words_of(text):
    """Words and numbers with how often they come, without rules; names of values may end in a colon."""
    return Counter(word.rstrip(":") for word in text.split() if word.strip(f"{RULE}-"))


def require_whole(text, width, unlimited):
    """No line is longer than the terminal, single words aside, and nothing of the widest output is missing."""
    for line in text.splitlines():
        assert cell_len(line) <= width or len(line.split()) == 1, line
    missing = words_of(unlimited) - words_of(text)
    assert not missing, missing
