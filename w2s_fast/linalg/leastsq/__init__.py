"""Least squares: one policy of routes and ranks, and one module a route."""
