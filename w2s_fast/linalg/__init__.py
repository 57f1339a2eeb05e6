"""The drop-in backend: moments, Gram matrices, least squares and subspaces over row blocks of anything.

Rooms, each above those before: ``files`` (matrices in files), ``rows`` (a matrix read by blocks, and its products),
``leastsq``, ``accumulate`` (sums that merge), ``spectral``.
"""
