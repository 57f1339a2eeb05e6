"""Is a sentence positive? Softmax regression, students taught by soft, hard and filtered pseudo-labels.

python examples/classification.py [FIGURE.png]
"""

import sys

import numpy as np

from w2s_fast import probe
from w2s_fast.tasks import valence

rows = valence.load().rows
y = np.where(rows.y > 0, "positive", "negative")
how = {"n": 300, "N": 1200, "trials": 4, "fit": "softmax", "ridge": 1.0, "intercept": True, "seed": 0}
students = {
    "soft": {},  # the teacher's probabilities
    "hard": {"pseudo_labels": "hard"},  # the class that it predicts
    "surest half": {"pseudo_labels": "hard", "confident": 0.5},  # of those rows of which it is surest
}

print("Test accuracy, 300 labels, 1,200 pseudo-labels:")
print(f"{'pseudo-labels':>14} {'teacher':>8} {'student':>8} {'ceiling':>8}")
accuracy = {}
for name, options in students.items():
    scores = probe(rows.weak, rows.strong, y, **how, **options).scores["accuracy"]
    accuracy[name] = [fit.mean() for fit in (scores.weak, scores.w2s, scores.ceiling)]
    print(f"{name:>14} " + " ".join(f"{value:>8.3f}" for value in accuracy[name]))

if len(sys.argv) > 1:
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
    axis.bar(list(accuracy), [student for _, student, _ in accuracy.values()])
    axis.axhline(accuracy["soft"][0], linestyle="--", color="black", label="teacher")
    axis.axhline(accuracy["soft"][2], color="black", label="ceiling")
    axis.set(ylabel="accuracy", ylim=(0.5, 0.85))
    axis.legend()
    figure.savefig(sys.argv[1])
