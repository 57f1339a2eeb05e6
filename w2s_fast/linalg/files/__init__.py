"""Matrices in files, one reader a format: no byte is taken for a number before the header agrees with the file."""

from w2s_fast.linalg.files.matrix import MatrixFile, require_same, split_name, stamp_of

__all__ = ["MatrixFile", "require_same", "split_name", "stamp_of"]
