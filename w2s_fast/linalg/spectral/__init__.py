"""Singular vectors, leading subspaces, their dimensions and the angles between them."""
