"""Means and products of deviations, of rows however they are sorted."""

import numpy as np
import pytest

from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.scatter import EVERY, scatter

ROWS, COLUMNS = 40_000, 24


def gaussian(seed=0):
    return np.random.default_rng(seed).standard_normal((ROWS, COLUMNS))


def sorted_rows():
    return np.sort(1e8 + gaussian(), axis=0)


def misleading():
    """Of rows that are read first every number is 0; the others are far off, and tell columns apart by little."""
    X = 1e8 + gaussian()
    X[::EVERY] = 0.0
    return X


def drifting():
    return gaussian() + np.linspace(0.0, 1e6, ROWS)[:, None]


def exact(X):
    wide = X.astype(np.longdouble)
    mean = wide.mean(axis=0)
    return mean, (wide - mean).T @ (wide - mean)


@pytest.mark.parametrize("rows", [gaussian, sorted_rows, misleading, drifting])
@pytest.mark.parametrize("beside", [0, 3])
def test_blocks_lose_no_digits_however_rows_are_sorted(rows, beside):
    assert len(cutting.cuts(ROWS, COLUMNS, COLUMNS, cutting.GRAM_ROWS)) > 2
    X, Y = rows(), gaussian(1)[:, :beside] + 1e4
    arrays = (X, Y) if beside else (X,)
    mean, products = scatter(*arrays)
    true_mean, true = exact(np.hstack(arrays))
    lengths = np.sqrt(np.diagonal(true))
    spread = lengths / ROWS**0.5
    assert np.all(np.abs(mean[0] + mean[1].astype(np.longdouble) - true_mean) <= 1e-14 * (np.abs(true_mean) + spread))
    assert np.all(np.abs(products - true) <= 1e-13 * np.outer(lengths, lengths))


def test_float32_products_have_the_digits_of_float32():
    X = (1e3 + gaussian()).astype(np.float32)
    mean, products = scatter(X, precision=np.float32)
    true_mean, true = exact(X)
    lengths = np.sqrt(np.diagonal(true))
    assert np.all(np.abs(mean[0] + mean[1] - true_mean) <= 1e-13 * true_mean)
    assert np.all(np.abs(products - true) <= 2e-6 * np.outer(lengths, lengths))


@pytest.mark.parametrize("row", [0, 5])  # one that is read first, one that is not
def test_what_is_not_finite_spoils_its_column_alone(row):
    X = gaussian()
    X[row, 3] = np.nan
    mean, products = scatter(X)
    fine = np.arange(COLUMNS) != 3
    assert np.array_equal(np.isfinite(mean[0]), fine)
    assert np.array_equal(np.isfinite(products), np.outer(fine, fine))


def test_nothing_warns_of_what_is_not_finite(recwarn):
    X = gaussian()
    X[16, 0], X[32, 0] = np.inf, -np.inf
    X[:, 1] = 1e307
    scatter(X)
    assert not recwarn.list
