"""PGR and OPR in the paper's synthetic setting: simulated, and beside it what theory expects.

python examples/synthetic_study.py [FIGURE.png]
"""

import sys

import numpy as np

from w2s_fast import GaussianModel, expected_risks, simulate

n, sizes = 2000, np.geomspace(300, 100_000, 9).astype(int)
model = GaussianModel.paper(d_weak=200, d_strong=100, d_shared=10, noise_variance=1e-2)
found = simulate(model, n=n, N=sizes, trials=200, seed=0).summary()
expected = expected_risks(model, n=n, N=sizes)

print(f"Teacher: {n:,} labels, 200 directions. Student: 100 directions, of which they share 10.")
print(f"{'N':>8} {'PGR':>16} {'expected':>9} {'OPR':>16} {'expected':>9}")
for place, N in enumerate(sizes):
    pgr, opr = (f"{found[name].mean[place]:.3f} ± {found[name].stderr[place]:.3f}" for name in ("pgr", "opr"))
    print(f"{N:>8,} {pgr:>16} {expected.pgr[place]:>9.3f} {opr:>16} {expected.opr[place]:>9.3f}")

if len(sys.argv) > 1:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for axis, name in zip(axes, ("pgr", "opr"), strict=True):
        axis.errorbar(sizes, *found[name], fmt="o", label="simulated")
        axis.plot(sizes, getattr(expected, name), label="expected")
        axis.set(xscale="log", xlabel="pseudo-labels N", ylabel=name.upper())
    axes[0].legend()
    figure.savefig(sys.argv[1])
