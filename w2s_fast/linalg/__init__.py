"""The drop-in backend: moments, Gram matrices, least squares and subspaces over row blocks of anything."""
