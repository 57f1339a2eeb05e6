"""Matrices in files, one reader a format: no byte is taken for a number before the header agrees with the file."""

from w2s_fast.linalg.files.matrix import MatrixFile, split_name

__all__ = ["MatrixFile", "split_name"]
