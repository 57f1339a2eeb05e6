"""Matrices in files, one reader a format: no byte is taken for a number before the header agrees with the file."""
