"""Runnable studies: real features that ship with the package, and the paper's own settings."""
