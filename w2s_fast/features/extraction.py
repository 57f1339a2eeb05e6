"""The call that makes features."""

from __future__ import annotations


class Extraction:
    """What was made."""


def extract() -> Extraction:
    """Make features of items by a model."""
    raise NotImplementedError
