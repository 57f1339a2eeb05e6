"""Products with a few vectors are right in every layout, and let other threads go on."""

import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_fast.linalg.rows import thin

LAYOUTS = {
    "rows together": np.ascontiguousarray,
    "columns together": np.asfortranarray,
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "some columns": lambda a: np.hstack((a, a))[:, : a.shape[1]],
    "backwards": lambda a: a[::-1].copy()[::-1],
}


@given(
    m=st.integers(0, 40),
    n=st.integers(1, 30),
    k=st.integers(0, 5),
    of_a=st.sampled_from(sorted(LAYOUTS)),
    of_b=st.sampled_from(sorted(LAYOUTS)),
    dtype=st.sampled_from(["f4", "f8"]),
    small=st.sampled_from([0, 10**6]),
)
def test_products_are_those_of_plain_sums(m, n, k, of_a, of_b, dtype, small):
    rng = np.random.default_rng(m + 100 * n)
    a, b, V = (rng.integers(-9, 9, shape).astype(dtype) for shape in ((m, n), (m, k), (n, k)))  # sums are exact
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thin, "SMALL_PRODUCT", small)
        products = thin.inner_products(LAYOUTS[of_a](a), LAYOUTS[of_b](b))
        images = thin.images(LAYOUTS[of_a](a), LAYOUTS[of_b](V))
        out = np.empty((m, k), dtype)
        thin.images(LAYOUTS[of_a](a), LAYOUTS[of_b](V), out)
    assert products.dtype == images.dtype == dtype
    assert np.array_equal(products, np.einsum("mi,mj->ij", a, b))
    assert np.array_equal(images, np.einsum("mi,ij->mj", a, V))
    assert np.array_equal(out, images)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_images_may_take_the_place_of_the_rows(monkeypatch, n):
    monkeypatch.setattr(thin, "SMALL_PRODUCT", 0)
    rows, V = np.arange(12.0 * n).reshape(12, n), np.arange(1.0 * n * n).reshape(n, n)
    expected = np.einsum("mi,ij->mj", rows, V)
    thin.images(rows, V, rows)
    assert np.array_equal(rows, expected)


def moves_meanwhile(product):
    """Whether another thread moves while a product is made: more are, lest the system let it wait, for ten seconds."""
    steps, over = [0], threading.Event()

    def step():
        while not over.is_set():
            steps[0] += 1
            time.sleep(0)  # makes way

    interval = sys.getswitchinterval()
    sys.setswitchinterval(60.0)  # seconds: nobody is asked to make way, and who holds the interpreter keeps it
    other = threading.Thread(target=step)
    try:
        other.start()
        end = time.monotonic() + 10.0
        while time.monotonic() < end:
            before = steps[0]
            product()
            if steps[0] > before:
                return True
        return False
    finally:
        over.set()
        sys.setswitchinterval(interval)
        other.join()


@pytest.mark.parametrize("columns", [1, 2, 8])
def test_other_threads_go_on(columns):
    a, b = np.ones((400_000, 8)), np.ones((400_000, columns))
    assert moves_meanwhile(lambda: thin.inner_products(a, b))
    assert moves_meanwhile(lambda: thin.inner_products(a, a))
