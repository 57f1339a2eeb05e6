"""How many labels and pseudo-labels are worth having, in the paper's synthetic setting.

python examples/planning.py [FIGURE.png]
"""

import sys

import numpy as np

from w2s_fast import GaussianModel, best_labels, expected_risks, required_pseudo_labels, risk_distribution

model = GaussianModel.paper(d_weak=200, d_strong=100, d_shared=10, noise_variance=1e-2)
n = 2000

N = required_pseudo_labels(model, n=n, pgr=0.9)
print(f"With {n:,} labels, {N:,} pseudo-labels close 90 % of the gap between teacher and ceiling on average.")
certain = required_pseudo_labels(model, n=n, pgr=0.8, certainty=0.9, trials=500)
print(f"To close 80 % of it in nine trials of ten takes some {certain:,}.")
law = risk_distribution(model, n=n, N=4000)
low, high = law.w2s.interval(0.9)
print(f"With 4,000, the student's excess risk is between {low:.1e} and {high:.1e} in nine trials of ten;")
print(f"it is below its teacher's with probability {law.p_student_beats_teacher:.3f}.")

labels = np.geomspace(210, 20_000, 40).astype(int)
risks = expected_risks(model, n=labels, N=4000)
print(f"PGR is largest at {best_labels(model, N=4000)} labels, where the teacher is poor:")
for count in (250, 500, 2000, 8000):
    at = expected_risks(model, n=count, N=4000)
    print(f"  {count:>5,} labels: PGR {at.pgr:.2f}, teacher {at.weak:.1e}, student {at.w2s:.1e}")

if len(sys.argv) > 1:
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
    for name, label in {"weak": "teacher", "w2s": "student", "ceiling": "ceiling"}.items():
        axis.loglog(labels, getattr(risks, name), label=label)
    axis.set(xlabel="labels n", ylabel="expected excess risk")
    axis.legend()
    figure.savefig(sys.argv[1])
