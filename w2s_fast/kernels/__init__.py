"""Compiled loops: arrays in, arrays out; no checks, no defaults, serial, GIL released.

``moments``   fused streaming mean and variance
``sketch``    counter-based sparse-sign sketch of rows
``leastsq``   factorisations, and the least-squares fits and rank policy built on them
``trials``    what goes into a Monte Carlo trial of the Gaussian model, and what comes out
``wishart``   such a trial, drawn from its sufficient statistics
``invariants``  the same from the few numbers that no rotation changes, and ``small``, its linear algebra
``draws``, ``generator``   streams of random numbers for trials; ``philox``: of which any entry can be drawn by itself
"""
