"""The kernels under NumPy and scikit-learn code: the same calls, the same results, and how long they take.

python examples/drop_in.py [FIGURE.png]
"""

import sys
import time

import numpy as np

import w2s_fast

rng = np.random.default_rng(0)
X = rng.standard_normal((4000, 300))
y = X @ rng.standard_normal(300) + rng.standard_normal(4000)


def timed(call):
    """Return what a call gives, and the best of its three times after a first one, which may compile."""
    result, times = call(), []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return result, 1e3 * min(times)


calls = {"numpy.linalg.lstsq": lambda: np.linalg.lstsq(X, y)[0], "w2s_fast.min_norm": lambda: w2s_fast.min_norm(X, y)}
try:
    from sklearn.linear_model import Ridge

    import w2s_fast.sklearn

    calls["sklearn Ridge"] = lambda: Ridge(alpha=1e-9, fit_intercept=False).fit(X, y).coef_
    calls["w2s_fast.sklearn Ridge"] = lambda: w2s_fast.sklearn.Ridge(alpha=1e-9, fit_intercept=False).fit(X, y).coef_
except ImportError:
    print("scikit-learn is not installed, and so left out.")
weights, times = {}, {}
for name, call in calls.items():
    weights[name], times[name] = timed(call)
    difference = np.abs(weights[name] - weights["numpy.linalg.lstsq"]).max()
    print(f"{name:>22}: {times[name]:7.1f} ms, weights differ from NumPy's by {difference:.0e}")

with w2s_fast.patched("numpy"):  # code that is not to change
    _, milliseconds = timed(lambda: np.linalg.lstsq(X, y))
print(f"Within patched(), numpy.linalg.lstsq takes {milliseconds:.1f} ms.")

if len(sys.argv) > 1:
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 2.5), layout="constrained")
    axis.barh(list(times), list(times.values()))
    axis.set(xlabel="milliseconds")
    figure.savefig(sys.argv[1])
