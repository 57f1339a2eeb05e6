"""Compiled loops: arrays in, arrays out; no checks, no defaults, serial, GIL released.

``moments``   fused streaming mean and variance
``sketch``    counter-based sparse-sign sketch of rows
``leastsq``   factorisations, and the least-squares fits and rank policy built on them
``wishart``   one Monte Carlo trial of the Gaussian model from its sufficient statistics
"""
