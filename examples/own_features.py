"""A study on real features: how positive 8,500 sentences are; averaged GloVe vectors teach MiniLM.

For features of your own replace the three arrays, or give paths of files to ``probe``: one row an example.

python examples/own_features.py [FIGURE.png]
"""

import sys

from w2s_fast import probe
from w2s_fast.tasks import valence

rows = valence.load().rows
weak, strong, y = rows.weak, rows.strong, rows.y  # (rows, 150), (rows, 384), (rows,)
sizes = [1000, 2000, 4000, 6000]
trials = probe(weak, strong, y, n=600, N=sizes, trials=20, ridge=1e-6, seed=0)
found = trials.summary()

print("Mean squared test errors of 20 trials, 600 labels:")
print(f"{'N':>6} {'teacher':>8} {'student':>8} {'ceiling':>8} {'PGR':>14}")
for place, N in enumerate(sizes):
    errors = " ".join(f"{found[name].mean[place]:>8.3f}" for name in ("weak", "w2s", "ceiling"))
    pgr = found["pgr_of_means"]
    print(f"{N:>6,} {errors} {pgr.mean[place]:>7.2f} ± {pgr.stderr[place]:.2f}")
print(f"Points whose gap is too small for a PGR: {int(trials.doubts.no_gap.sum())}")

if len(sys.argv) > 1:
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
    for name, label in {"weak": "teacher", "w2s": "student", "ceiling": "ceiling", "baseline": "baseline"}.items():
        axis.errorbar(sizes, *found[name], marker="o", label=label)
    axis.set(xlabel="pseudo-labels N", ylabel="test error")
    axis.legend()
    figure.savefig(sys.argv[1])
