"""How many directions two models share, and how much of its teacher's variance a student sheds for it.

The theorem: a share of (1 - d_shared / d_weak) (1 - d_strong / (N - d_strong - 1)).

python examples/dimensions.py [FIGURE.png]
"""

import sys

import numpy as np

from w2s_fast import correlation_dimension, intrinsic_dimension, principal_angles, probe
from w2s_fast.tasks import valence

rows = valence.load().rows
weak, strong, y = rows.weak, rows.strong, rows.y
n, N, energy = 600, 6000, 0.99

d_weak, d_strong = intrinsic_dimension(weak, energy), intrinsic_dimension(strong, energy)
d_shared = correlation_dimension(weak, strong, energy=energy)
print(f"Columns that hold 99 % of the energy: {d_weak} of 150 (GloVe), {d_strong} of 384 (MiniLM)")
print(f"Directions that they share over the same sentences: {d_shared:.1f}")

parts = probe(weak, strong, y, n=n, N=N, trials=20, ridge=1e-6, decompose=True, seed=0).decomposition
shed = 1 - parts.w2s_variance / parts.weak_variance
theorem = (1 - d_shared / d_weak) * (1 - d_strong / (N - d_strong - 1))
print(f"Of its teacher's variance the student sheds {shed:.2f}, by the theorem {theorem:.2f}")

if len(sys.argv) > 1:
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
    axis.plot(np.sort(np.degrees(principal_angles(weak, strong))))
    axis.set(xlabel="direction", ylabel="principal angle (degrees)")
    figure.savefig(sys.argv[1])
